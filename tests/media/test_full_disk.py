"""A full disk is named, and costs nothing but the file that did not fit."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bot.domain.references import Reference, ReferenceRules
from bot.domain.request_errors import ReferenceUnreadableError
from bot.domain.slots import Kind, Slot
from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.library import Library
from bot.media.looker import Looker
from bot.media.parts import Part
from bot.media.shelf import Shelf
from bot.media.studio import FILM_TARGET, FIT_TARGET, FRAME_TARGET, MEND_TARGET, SHEET_TARGET, STRIP_TARGET, Studio
from bot.ports.outside import ClipUnreachableError
from tests.media import making
from tests.media.serving import serving
from tests.media.test_mend import change_to, change_video

ROOM = 64 * 1024


@contextmanager
def full_disk(room: int = ROOM) -> Iterator[None]:
    """No file of this process may grow beyond it; whoever writes is told so, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_every_child_names_it(files: dict[str, Path], tmp_path: Path) -> None:
    clip, hevc, picture = str(files["last.mp4"]), str(files["hevc.mp4"]), files["a.png"]
    output = tmp_path / "out"
    work: list[tuple[str, dict[str, object]]] = [
        (FIT_TARGET, {"path": clip, "bytes_max": 10**8}),
        (FIT_TARGET, {"path": hevc, "bytes_max": 10**8}),
        (FILM_TARGET, {"paths": [clip, clip]}),
        (FILM_TARGET, {"paths": [hevc, clip]}),
        (FRAME_TARGET, {"path": clip}),
        (SHEET_TARGET, {"path": clip}),
        (STRIP_TARGET, {"pictures": [{"label": "@Image1", "path": str(picture), "kind": "image"}]}),
        (MEND_TARGET, {"path": str(picture), "change": change_to(picture)}),
        (MEND_TARGET, {"path": clip, "change": change_video(files["last.mp4"])}),
    ]
    for target, arguments in work:
        output.unlink(missing_ok=True)
        output.symlink_to("/dev/full")
        with pytest.raises(ChildFailedError) as caught:
            await run_limited(target, {**arguments, "output": str(output)})
        assert (caught.value.ending, caught.value.reason) == (Ending.DISK, "has no room: the disk is full"), target


@pytest.mark.parametrize("pieces", [1, 3_000], ids=["at once", "in small pieces"])
def test_a_part_goes_when_it_cannot_be_written(tmp_path: Path, pieces: int) -> None:
    data = bytes(3 * ROOM)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        _arrive(tmp_path / "a", data, pieces)
    assert files_in(tmp_path) == []


def _arrive(destination: Path, data: bytes, pieces: int) -> None:
    with Part(destination, bytes_max=10**9) as part:
        for at in range(pieces):
            part.take(data[at * len(data) // pieces : (at + 1) * len(data) // pieces])
        part.keep()


async def test_a_reference_is_refused_and_a_clip_waits_for_room(tmp_path: Path, files: dict[str, Path]) -> None:
    picture = tmp_path / "a.bmp"
    making.picture(picture)
    assert picture.stat().st_size > 2 * ROOM
    shelf = Shelf(tmp_path / "kept")
    async with serving() as origin, httpx.AsyncClient(trust_env=False) as client:
        origin.files["/clip"] = files["last.mp4"].read_bytes()
        library = Library(
            shelf=shelf,
            studio=Studio(shelf=shelf),
            looker=Looker(shelf=shelf, client=client),
            made_folder=tmp_path,
            client=client,
            cdn_hosts=frozenset(),
            rules=ReferenceRules(),
        )
        image = Reference(place=Slot(kind=Kind.IMAGE, number=1), name="a.bmp", source=str(picture), declared_bytes=1)
        with full_disk():
            with pytest.raises(ReferenceUnreadableError, match=r"^@Image1: a.bmp has no room: the bot's disk is full"):
                await library.copy(reference=image)
            with pytest.raises(ClipUnreachableError, match="the bot's disk is full"):
                await library.keep_clip(
                    job_id=7, source=f"{origin.base}/clip", frame_link=None, trusted_host=origin.host
                )
            with pytest.raises(ClipUnreachableError, match="the bot's disk is full"):
                await library.keep_clip(job_id=7, source=str(picture), frame_link=None, trusted_host=None)
        assert files_in(tmp_path / "kept") == []
        clip = await library.keep_clip(
            job_id=7, source=f"{origin.base}/clip", frame_link=None, trusted_host=origin.host
        )
    assert clip.path.read_bytes() == files["last.mp4"].read_bytes()


async def test_an_original_in_pieces_leaves_none_of_them(tmp_path: Path, files: dict[str, Path]) -> None:
    shelf = Shelf(tmp_path / "kept")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        await Studio(shelf=shelf).split(job_id=7, clip=files["last.mp4"], bytes_max=2 * ROOM)
    assert files_in(tmp_path) == []
