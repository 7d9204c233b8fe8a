"""The library: references by content hash, clips by job, nothing left behind by a failure."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.domain.errors import RequestError
from bot.domain.references import Reference, ReferenceRules
from bot.domain.request_errors import (
    ReferenceExpiredError,
    ReferenceHostError,
    ReferenceMissingError,
    ReferenceTooLargeError,
    ReferenceUnreadableError,
)
from bot.domain.slots import Frame, Kind, Place, Slot
from bot.media.last_frame import take_last_frame
from bot.media.library import Library
from bot.media.looker import Looker
from bot.media.shelf import Shelf
from bot.media.studio import Studio
from bot.ports.outside import Clip, ClipUnreachableError, ClipUnusableError, Media
from tests.media import making
from tests.media.conftest import SAMPLES
from tests.media.corpus import PUBLIC, Names
from tests.media.serving import Flaky, Origin, serving

IMAGE_1 = Slot(kind=Kind.IMAGE, number=1)
VIDEO_1 = Slot(kind=Kind.VIDEO, number=1)
NOW = 1_800_000_000
RULES = ReferenceRules(copy_bytes_max={Kind.IMAGE: 600_000, Kind.VIDEO: 1_000_000})


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as served:
        yield served


@pytest.fixture
async def library(tmp_path: Path, origin: Origin) -> AsyncIterator[Library]:
    (tmp_path / "made").mkdir()
    async with httpx.AsyncClient(trust_env=False) as client:
        shelf = Shelf(tmp_path / "media")
        yield Library(
            shelf=shelf,
            studio=Studio(shelf=shelf),
            looker=Looker(shelf=shelf, client=client),
            made_folder=tmp_path / "made",
            client=client,
            cdn_hosts=frozenset({origin.host, "cdn.discordapp.com"}),
            rules=RULES,
            now=lambda: NOW,
            resolve=Names({"cdn.discordapp.com": [PUBLIC]}),
        )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "media"


def reference(source: str | Path, *, name: str = "cat.png", place: Place = IMAGE_1) -> Reference:
    return Reference(place=place, name=name, source=str(source), declared_bytes=1)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_library_is_the_port(library: Library) -> None:
    media: Media = library
    assert media is library


# -- references


async def test_a_local_picture_is_kept_under_its_hash(library: Library, kept: Path) -> None:
    data = (SAMPLES / "cat.jpg").read_bytes()
    stored = await library.copy(reference=reference(SAMPLES / "cat.jpg"))
    digest = sha256(data)
    assert (stored.sha256, stored.size_bytes, stored.place) == (digest, len(data), IMAGE_1)
    assert (stored.info.format, stored.info.width, stored.info.height) == ("jpeg", 1082, 720)
    assert files_in(kept) == [f"references/{digest[:2]}/{digest}.jpg"]
    assert library.stored_path(sha256=digest).read_bytes() == data


async def test_an_attachment_is_kept_under_its_hash(library: Library, origin: Origin, kept: Path) -> None:
    data = (SAMPLES / "drift.mp4").read_bytes()
    origin.files["/attachments/1/2/drift.mp4"] = data
    link = f"{origin.base}/attachments/1/2/drift.mp4?ex={NOW + 60:x}&is=1&hm=2"
    stored = await library.copy(reference=reference(link, name="drift.mp4", place=VIDEO_1))
    assert (stored.sha256, stored.info.duration_ms) == (sha256(data), 4_000)
    assert files_in(kept) == [f"references/{stored.sha256[:2]}/{stored.sha256}.mp4"]


async def test_the_same_content_twice_is_one_file(
    library: Library, origin: Origin, kept: Path, files: dict[str, Path]
) -> None:
    origin.files["/a.png"] = files["a.png"].read_bytes()
    copies = [reference(origin.base + "/a.png"), reference(files["a.png"], name="b.png", place=Frame.FIRST)] * 3
    stored = await asyncio.gather(*(library.copy(reference=copy) for copy in copies))
    assert len({one.sha256 for one in stored}) == 1
    assert len(files_in(kept)) == 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _path: None, "there is no such file"),
        (lambda path: path.mkdir(), "it is a folder"),
        (os.mkfifo, "it is not a file"),
    ],
    ids=["missing", "folder", "pipe"],
)
async def test_what_is_no_file_is_missing(
    library: Library, tmp_path: Path, kept: Path, make: object, reason: str
) -> None:
    assert callable(make)
    make(tmp_path / "cat.png")
    with pytest.raises(ReferenceMissingError) as caught:
        await library.copy(reference=reference(tmp_path / "cat.png"))
    assert str(caught.value) == f"@Image1: cat.png cannot be read: {reason}."
    assert files_in(kept) == []


async def test_a_local_file_over_the_limit_is_refused(library: Library, tmp_path: Path, kept: Path) -> None:
    await asyncio.to_thread((tmp_path / "a").write_bytes, bytes(600_001))
    with pytest.raises(ReferenceTooLargeError):
        await library.copy(reference=reference(tmp_path / "a"))
    assert files_in(kept) == []


async def test_a_file_without_an_end_is_refused(library: Library, kept: Path) -> None:
    with pytest.raises(ReferenceMissingError, match="it is not a file"):
        await library.copy(reference=reference("/dev/zero"))
    assert files_in(kept) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/status/404", ReferenceExpiredError),
        ("/status/403", ReferenceExpiredError),
        ("/status/500", ReferenceMissingError),
        ("/stream/cut", ReferenceMissingError),
        ("/stream/endless", ReferenceTooLargeError),
        ("/large", ReferenceTooLargeError),
        ("/page", ReferenceUnreadableError),
        ("/empty", ReferenceUnreadableError),
        ("/to?link=https://evil.example/a.png", ReferenceHostError),
        ("/to?link=http://169.254.169.254/a.png", ReferenceHostError),
    ],
)
async def test_a_link_that_fails_is_explained_and_leaves_nothing(
    library: Library, origin: Origin, kept: Path, path: str, expected: type[RequestError]
) -> None:
    origin.files |= {"/large": bytes(700_000), "/page": b"<!doctype html>", "/empty": b""}
    with pytest.raises(expected) as caught:
        await library.copy(reference=reference(origin.base + path))
    assert str(caught.value).startswith("@Image1: ")
    assert files_in(kept) == []


async def test_the_reason_finishes_the_sentence(library: Library, origin: Origin) -> None:
    origin.files["/page"] = b"<!doctype html>"
    with pytest.raises(ReferenceUnreadableError) as caught:
        await library.copy(reference=reference(origin.base + "/page"))
    assert str(caught.value) == "@Image1: cat.png is a web page, not a picture, video or sound."


async def test_a_link_past_its_time_is_not_even_asked_for(library: Library, origin: Origin) -> None:
    with pytest.raises(ReferenceExpiredError):
        await library.copy(reference=reference(f"{origin.base}/a.png?ex={NOW - 1:x}&is=1&hm=2"))
    assert origin.asked == []


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/attachments/1/2/cat.png",
        "https://cdn.discordapp.com.evil.example/cat.png",
        "https://cdn.discordapp.com@127.0.0.1/cat.png",
        "http://cdn.discordapp.com/cat.png",
        "http://127.0.0.1:1/cat.png",
        "https://[::1/cat.png",
    ],
)
async def test_other_hosts_are_refused_without_a_request(library: Library, origin: Origin, link: str) -> None:
    with pytest.raises(ReferenceHostError):
        await library.copy(reference=reference(link))
    assert origin.asked == []


@pytest.mark.parametrize("digest", ["0" * 64, "", "../../etc/passwd", "*" * 64, "A" * 64])
def test_only_kept_hashes_have_a_path(library: Library, digest: str) -> None:
    with pytest.raises(FileNotFoundError):
        library.stored_path(sha256=digest)


async def test_cancelling_a_copy_leaves_nothing(library: Library, origin: Origin, kept: Path) -> None:
    task = asyncio.create_task(library.copy(reference=reference(origin.base + "/stream/stalled")))
    while not files_in(kept):  # noqa: ASYNC110 (until the first bytes are on disk)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_in(kept) == []


async def test_tidying_removes_only_what_is_unfinished(library: Library, kept: Path, files: dict[str, Path]) -> None:
    stored = await library.copy(reference=reference(files["a.png"]))
    (kept / "incoming").mkdir(exist_ok=True)
    (kept / "incoming" / "left.part").write_bytes(b"half")
    Shelf(kept).tidy()
    assert files_in(kept) == [f"references/{stored.sha256[:2]}/{stored.sha256}.png"]


# -- clips


async def kept_from(library: Library, origin: Origin, path: str, *, frame_link: str | None = None) -> Clip:
    link = origin.base + path
    return await library.keep_clip(job_id=77, source=link, frame_link=frame_link, trusted_host=origin.host)


async def test_a_fetched_clip_is_kept_under_its_job_and_its_last_frame_by_content(
    library: Library, origin: Origin, kept: Path, files: dict[str, Path]
) -> None:
    data = files["first.mp4"].read_bytes()
    origin.files["/out.mp4"] = data
    clip = await kept_from(library, origin, "/out.mp4")
    assert (clip.path, clip.sha256, clip.size_bytes) == (kept / "clips" / "77.mp4", sha256(data), len(data))
    frame = str(clip.last_frame)
    assert files_in(kept) == ["clips/77.mp4", f"references/{frame[:2]}/{frame}.png"]
    assert sha256(library.stored_path(sha256=frame).read_bytes()) == frame


async def test_a_kept_clip_is_answered_from_disk(library: Library, origin: Origin, files: dict[str, Path]) -> None:
    origin.files["/out.mp4"] = files["first.mp4"].read_bytes()
    first = await kept_from(library, origin, "/out.mp4")
    again = await library.keep_clip(job_id=77, source="https://gone.example/a", frame_link=None, trusted_host=None)
    assert again == first
    assert len(origin.asked) == 1


async def test_clips_that_arrive_at_once_are_each_looked_through(
    library: Library, origin: Origin, files: dict[str, Path]
) -> None:
    """Only one can be followed on its way."""
    names = ["first.mp4", "last.mp4", "silent.mp4", "turned.mp4"]
    origin.files = {f"/{name}": files[name].read_bytes() for name in names}
    links = [f"{origin.base}/{name}" for name in names]
    coming = [
        library.keep_clip(job_id=number, source=link, frame_link=None, trusted_host=origin.host)
        for number, link in enumerate(links)
    ]
    kept = await asyncio.gather(*coming)
    assert [clip.plays_everywhere for clip in kept] == [True, False, False, True]
    assert len({clip.last_frame for clip in kept}) == 2  # sound does not show, a turn does


async def test_a_transfer_that_begins_anew_is_looked_through_from_its_beginning(
    library: Library, origin: Origin, files: dict[str, Path]
) -> None:
    """What came first was another clip, of another shape."""
    other, data = files["hevc.mp4"].read_bytes(), files["first.mp4"].read_bytes()
    origin.flaky = Flaky(body=other, sent=[len(other) - 1], becomes=(data, {"ETag": '"two"'}))
    clip = await kept_from(library, origin, "/flaky")
    assert clip.sha256 == sha256(data)
    assert clip.plays_everywhere
    take_last_frame(path=str(files["first.mp4"]), output=str(clip.path.with_name("frame")))
    assert clip.last_frame == sha256(clip.path.with_name("frame").read_bytes())


async def test_a_clip_made_here_moves_into_place(
    library: Library, tmp_path: Path, kept: Path, files: dict[str, Path]
) -> None:
    made = tmp_path / "made" / "77.mp4"
    data = files["first.mp4"].read_bytes()
    made.write_bytes(data)
    clip = await library.keep_clip(job_id=77, source=str(made), frame_link=None, trusted_host=None)
    assert (clip.sha256, clip.path.read_bytes()) == (sha256(data), data)
    assert (files_in(tmp_path / "made"), files_in(kept)[:1]) == ([], ["clips/77.mp4"])
    assert library.stored_path(sha256=str(clip.last_frame)).is_file()


async def test_an_answer_cannot_name_other_files_of_this_machine(
    library: Library, tmp_path: Path, kept: Path, files: dict[str, Path]
) -> None:
    for source in (files["first.mp4"], tmp_path / "made" / ".." / "a.mp4", Path("/etc/passwd")):
        with pytest.raises(ClipUnusableError, match="does not lie where clips are made"):
            await library.keep_clip(job_id=77, source=str(source), frame_link=None, trusted_host=None)
    assert files_in(kept) == []
    assert files["first.mp4"].exists()


@pytest.mark.parametrize(
    ("path", "clause"),
    [
        ("/cut.mp4", r"is cut off \(\d+ of 48 frames\)"),
        ("/page", "is a web page, not a video"),
        ("/sound", "has no video"),
        ("/empty", "is empty"),
        ("/endless.mp4", "needs more memory than allowed"),
        ("/to?link=http://169.254.169.254/", "has a link that is not followed"),
    ],
)
async def test_a_clip_that_does_not_play_is_unusable(
    library: Library, origin: Origin, kept: Path, files: dict[str, Path], path: str, clause: str
) -> None:
    data = files["first.mp4"].read_bytes()
    origin.files |= {
        "/cut.mp4": data[: len(data) * 4 // 5],
        "/endless.mp4": making.with_endless_times(data),
        "/page": b"<html>",
        "/empty": b"",
        "/sound": files["a.m4a"].read_bytes(),
    }
    with pytest.raises(ClipUnusableError, match=f"^{clause}"):
        await kept_from(library, origin, path)
    assert files_in(kept) == []


@pytest.mark.parametrize("path", ["/status/403", "/status/404", "/status/500", "/stream/cut"])
async def test_a_clip_that_cannot_be_fetched_may_be_tried_again(
    library: Library, origin: Origin, kept: Path, path: str
) -> None:
    with pytest.raises(ClipUnreachableError):
        await kept_from(library, origin, path)
    assert files_in(kept) == []


async def test_a_private_host_that_is_not_the_providers_is_refused(library: Library, origin: Origin) -> None:
    for trusted in (None, "api.example", "127.0.0.1:1"):
        with pytest.raises(ClipUnusableError):
            await library.keep_clip(job_id=77, source=origin.base + "/out.mp4", frame_link=None, trusted_host=trusted)
    assert origin.asked == []
