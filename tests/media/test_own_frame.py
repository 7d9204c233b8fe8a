"""The provider's own picture of a last frame is kept as it came, and only if it is what it should be."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.media.last_frame import take_last_frame
from bot.media.library import Library
from bot.ports.outside import ClipUnreachableError, ClipUnusableError
from tests.media import filming, making
from tests.media.serving import Origin
from tests.media.test_library import files_in, kept, kept_from, library, origin, sha256

__all__ = ["kept", "library", "origin"]
SIZE = (160, 90)
CLIP = "/out.mp4"


@pytest.fixture(autouse=True)
def clip(origin: Origin, files: dict[str, Path]) -> Path:
    origin.files[CLIP] = files["first.mp4"].read_bytes()
    return files["first.mp4"]


def ours(clip: Path, folder: Path) -> str:
    take_last_frame(path=str(clip), output=str(folder / "ours"))
    return sha256((folder / "ours").read_bytes())


def picture(folder: Path, name: str = "a.png", **options: Any) -> bytes:
    return making.picture(folder / name, options.pop("size", SIZE), **options).read_bytes()


@pytest.mark.parametrize(("name", "suffix"), [("a.png", ".png"), ("a.jpg", ".jpg"), ("a.webp", ".webp")])
async def test_it_is_kept_byte_for_byte(
    library: Library, origin: Origin, tmp_path: Path, name: str, suffix: str
) -> None:
    origin.files["/frame"] = picture(tmp_path, name)
    kept = await kept_from(library, origin, CLIP, frame_link=origin.base + "/frame")
    assert kept.last_frame == sha256(origin.files["/frame"])
    path = library.stored_path(sha256=str(kept.last_frame))
    assert (path.read_bytes(), path.suffix) == (origin.files["/frame"], suffix)


async def test_a_phones_clip_is_measured_as_it_is_shown(library: Library, origin: Origin, tmp_path: Path) -> None:
    lying = filming.clip(tmp_path / "lying.mp4", movflags="faststart")
    origin.files[CLIP] = filming.turned(lying, tmp_path / "turned.mp4", 90).read_bytes()
    origin.files["/frame"] = picture(tmp_path, size=(96, 160))
    kept = await kept_from(library, origin, CLIP, frame_link=origin.base + "/frame")
    assert kept.last_frame == sha256(origin.files["/frame"])


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/status/403",
        "/status/500",
        "/stream/cut",
        "/to?link=http://169.254.169.254/",
        "/to?link=https://10.0.0.1/frame.png",
        "/smaller",
        "/cut",
        "/flipped",
        "/page",
        "/empty",
        "/moves.png",
        "/moves.webp",
        "/a.gif",
        "/out.mp4",
    ],
)
async def test_what_is_none_costs_nothing_and_ours_is_taken(
    library: Library, origin: Origin, kept: Path, clip: Path, tmp_path: Path, path: str
) -> None:
    good = picture(tmp_path)
    still = [Image.open(tmp_path / "a.png").convert("RGB") for _ in range(2)]
    still[1].putpixel((5, 5), (255, 0, 0))
    for name in ("moves.png", "moves.webp"):
        still[0].save(tmp_path / name, save_all=True, append_images=still[1:])
        origin.files[f"/{name}"] = (tmp_path / name).read_bytes()
    origin.files |= {
        "/smaller": picture(tmp_path, size=(80, 45)),
        "/cut": good[:-200],
        "/flipped": good[:200] + bytes(100) + good[300:],
        "/page": b"<!doctype html>",
        "/empty": b"",
        "/a.gif": picture(tmp_path, "a.gif"),
    }
    found = await kept_from(library, origin, CLIP, frame_link=origin.base + path)
    frame = ours(clip, tmp_path)
    assert found.last_frame == frame
    assert files_in(kept) == ["clips/77.mp4", f"references/{frame[:2]}/{frame}.png"]


async def test_a_picture_on_a_private_address_is_never_asked_for(
    library: Library, origin: Origin, clip: Path, tmp_path: Path
) -> None:
    other = origin.base.replace("127.0.0.1", "localhost") + "/frame"
    found = await kept_from(library, origin, CLIP, frame_link=other)
    assert found.last_frame == ours(clip, tmp_path)
    assert [one.path for one in origin.asked] == [CLIP]


async def test_a_stop_before_the_books_knew_finds_it_again(library: Library, origin: Origin, tmp_path: Path) -> None:
    """The clip has its name already; what was found out about it was lost."""
    await kept_from(library, origin, CLIP)
    origin.files = {"/frame": picture(tmp_path)}
    again = await kept_from(library, origin, CLIP, frame_link=origin.base + "/frame")
    assert again.last_frame == sha256(origin.files["/frame"])


async def test_a_clip_that_does_not_play_keeps_no_picture(
    library: Library, origin: Origin, kept: Path, tmp_path: Path
) -> None:
    origin.files |= {CLIP: b"<html>", "/frame": picture(tmp_path)}
    with pytest.raises(ClipUnusableError):
        await kept_from(library, origin, CLIP, frame_link=origin.base + "/frame")
    assert files_in(kept) == []


async def test_a_clip_that_does_not_come_keeps_no_picture(
    library: Library, origin: Origin, kept: Path, tmp_path: Path
) -> None:
    origin.files["/frame"] = picture(tmp_path)
    with pytest.raises(ClipUnreachableError):
        await kept_from(library, origin, "/stream/cut", frame_link=origin.base + "/frame")
    assert files_in(kept) == []
