"""A mended file is what the card promised, seen in its pixels and heard in its samples."""

import random
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from bot.domain.changes import Change, ChangeKind, all_after, changes_for, offered
from bot.domain.references import MEGABYTE, MediaInfo, Reference, ReferenceRules, StoredReference, check_stored
from bot.domain.slots import Kind, Slot
from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.mend import LIMITS, mend, mended_reference
from bot.media.probe import UnreadableError, probe
from tests.media import making

TARGET = "bot.media.mend:mend"
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 160, 30), (30, 30, 200), (128, 128, 128)
Picture = npt.NDArray[np.uint8]


def stored(path: Path, kind: Kind | None = None) -> StoredReference:
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    place = Slot(kind=kind or info.kind, number=1)
    reference = Reference(place=place, name=path.name, source=str(path), declared_bytes=1)
    return StoredReference(reference=reference, sha256="0", size_bytes=path.stat().st_size, info=info)


def mended(path: Path, output: Path, **rules: Any) -> tuple[StoredReference, Change]:
    """The file as offered, made in this process, and checked like any other reference."""
    company = StoredReference(
        reference=Reference(place=Slot(kind=Kind.IMAGE, number=9), name="a", source="/a", declared_bytes=1),
        sha256="0",
        size_bytes=1,
        info=MediaInfo(kind=Kind.IMAGE, format="png", width=1024, height=1024),
    )
    one = stored(path)
    together = [one, company] if one.info.kind is Kind.AUDIO else [one]
    (change,), _ = offered(together, ReferenceRules(**rules))
    said = mend(path=str(path), output=str(output), change=change.as_json())
    made = mended_reference(one, output)
    check_stored([made, *together[1:]], ReferenceRules(**rules))
    info = made.info
    assert said == {
        "width": info.width,
        "height": info.height,
        "duration_ms": info.duration_ms,
        "format": info.format,
        "bytes": made.size_bytes,
    }
    return made, change


def change_to(path: Path, **fields: Any) -> dict[str, Any]:
    """A change that nobody offered: for files whose own header says little."""
    before = fields.pop("before", MediaInfo(kind=Kind.IMAGE, format="png", width=640, height=400))
    wish: dict[str, Any] = {
        "place": Slot(kind=before.kind, number=1),
        "name": path.name,
        "kinds": (ChangeKind.SHRINK,),
        "before": before,
        "bytes_before": 1,
        "width": 320,
        "height": 200,
        "format": "png",
        "bytes_max": MEGABYTE,
    }
    return Change(**(wish | fields)).as_json()


VIDEO = MediaInfo(kind=Kind.VIDEO, format="mp4", width=160, height=90, duration_ms=2_000, codec="h264")


def change_video(path: Path) -> dict[str, Any]:
    return change_to(path, before=VIDEO, width=160, height=90, format="mp4", duration_ms=1_000)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- pictures


def corners(picture: Picture) -> list[tuple[int, ...]]:
    """Colours at a tenth from each corner: left top, right top, left bottom, right bottom."""
    height, width = picture.shape[:2]
    return [
        tuple(int(value) for value in picture[round(height * y), round(width * x)][:3])
        for y in (0.1, 0.9)
        for x in (0.1, 0.9)
    ]


def near(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], tolerance: int = 6) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= tolerance)


def quarters(width: int, height: int) -> Picture:
    """Red, green, blue, grey: no turn and no mirror image of it is itself."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return picture


UNTURNED: dict[int, Callable[[Picture], Picture]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores an upright picture for each Exif orientation."""


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", UNTURNED)
def test_a_photograph_comes_out_upright(tmp_path: Path, orientation: int, image_format: str) -> None:
    path, output = tmp_path / "in", tmp_path / "out"
    exif = Image.Exif()
    exif[274] = orientation
    lying = np.ascontiguousarray(UNTURNED[orientation](quarters(480, 360)))
    Image.fromarray(lying).save(path, format=image_format, exif=exif)
    made, change = mended(path, output)
    assert (made.info.width, made.info.height) == (1365, 1024) == (change.width, change.height)
    with Image.open(output) as picture:
        assert near(corners(np.asarray(picture.convert("RGB"))), [RED, GREEN, BLUE, GREY])
        assert picture.getexif().get(274, 1) == 1


@pytest.mark.parametrize("name", ["in.webp", "in.png"])
def test_a_turn_that_the_header_reader_does_not_see_distorts_nothing(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    lying = np.ascontiguousarray(UNTURNED[6](quarters(480, 360)))
    Image.fromarray(lying).save(tmp_path / name, exif=exif, lossless=True)
    made, _ = mended(tmp_path / name, tmp_path / "out")
    assert (made.info.width, made.info.height) == (1365, 1024)
    with Image.open(tmp_path / "out") as picture:
        assert near(corners(np.asarray(picture)), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize("shape", [(6400, 3200), (3200, 6400)])
def test_a_large_picture_is_made_smaller_without_a_seam(tmp_path: Path, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (shape[1] // 4, shape[0] // 4), dtype=np.uint8)
    grain = Image.fromarray(noise).resize(shape, Image.Resampling.NEAREST)
    grain.save(tmp_path / "in.png", compress_level=1)
    made, _ = mended(tmp_path / "in.png", tmp_path / "out", side_px_max=1600)
    assert max(made.info.width, made.info.height) == 1598
    with Image.open(tmp_path / "out") as picture:
        found = np.asarray(picture.convert("L")).astype(int)
    wanted = np.asarray(grain.resize((made.info.width, made.info.height), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(found - wanted).max() <= 1


def test_transparency_and_colour_profile_stay(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(quarters(400, 400)).convert("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 200, 200))
    image.save(tmp_path / "in.png", icc_profile=profile)
    mended(tmp_path / "in.png", tmp_path / "out")
    with Image.open(tmp_path / "out") as picture:
        assert picture.info["icc_profile"] == profile
        alpha = np.asarray(picture)[:, :, 3]
    assert (alpha[100, 100], alpha[900, 900]) == (0, 255)


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "in.jpg"), ("L", "in.png"), ("1", "in.png"), ("P", "in.gif")])
def test_every_kind_of_pixel_becomes_ordinary(tmp_path: Path, mode: str, name: str) -> None:
    Image.new("RGB", (400, 400), (255, 255, 255)).convert(mode).save(tmp_path / name)
    mended(tmp_path / name, tmp_path / "out")
    with Image.open(tmp_path / "out") as picture:
        assert picture.mode == "RGB"
        assert near(corners(np.asarray(picture)), [(255, 255, 255)] * 4)


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((400, 400), 0x8000, np.uint16)).save(tmp_path / "in.png")
    mended(tmp_path / "in.png", tmp_path / "out")
    with Image.open(tmp_path / "out") as picture:
        assert near(corners(np.asarray(picture)), [(128, 128, 128)] * 4)


def test_of_an_animation_the_first_picture_stays(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (600, 600), RED), Image.new("RGB", (600, 600), BLUE)
    first.save(tmp_path / "in.gif", save_all=True, append_images=[second])
    mended(tmp_path / "in.gif", tmp_path / "out", image_formats=("jpeg", "png"))
    with Image.open(tmp_path / "out") as picture:
        assert (picture.format, getattr(picture, "n_frames", 1)) == ("PNG", 1)
        assert near(corners(np.asarray(picture)), [RED] * 4)


def test_a_png_that_would_be_too_large_becomes_a_jpeg_that_is_not(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    made, _ = mended(tmp_path / "in.png", tmp_path / "out", image_bytes_max=400_000)
    assert made.info.format == "jpeg"
    assert 200_000 < made.size_bytes <= 400_000
    assert (made.info.width, made.info.height) == (600, 600)


def test_what_is_transparent_is_white_in_a_jpeg(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (600, 600, 4), dtype=np.uint8)
    noise[:200, :, 3] = 0
    Image.fromarray(noise).save(tmp_path / "in.png")
    mended(tmp_path / "in.png", tmp_path / "out", image_bytes_max=300_000)
    with Image.open(tmp_path / "out") as picture:
        assert near([corners(np.asarray(picture))[0]], [(255, 255, 255)])


def test_a_photograph_stays_a_jpeg_and_loses_little(tmp_path: Path) -> None:
    making.picture(tmp_path / "in.jpg", (800, 600), quality=95)
    made, _ = mended(tmp_path / "in.jpg", tmp_path / "out", side_px_max=600)
    assert made.info.format == "jpeg"
    with Image.open(tmp_path / "in.jpg") as picture, Image.open(tmp_path / "out") as smaller:
        wanted = np.asarray(picture.resize((598, 449), Image.Resampling.LANCZOS)).astype(float)
        assert np.sqrt(np.mean((np.asarray(smaller) - wanted) ** 2)) < 4


# -- what came is not what was promised


def test_what_does_not_fit_in_the_end_is_refused_and_removed(files: dict[str, Path], tmp_path: Path) -> None:
    info = stored(files["a.wav"]).info
    change = change_to(
        files["a.wav"], before=info, width=0, height=0, format="wav", duration_ms=2_000, bytes_max=100_000
    )
    with pytest.raises(UnreadableError, match=r"cannot be brought under 0\.1 MB"):
        mend(path=str(files["a.wav"]), output=str(tmp_path / "out"), change=change)
    assert names_in(tmp_path) == []


def bomb(side: int) -> bytes:
    """A PNG whose header promises far more than its few bytes of data hold."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


NAMED = {
    "empty": (b"", "is empty"),
    "zip": (b"PK\x03\x04" + bytes(99), "is a ZIP archive, which no provider takes"),
    "HLS": (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "is an HLS playlist, not a picture, video or sound"),
    "ffconcat": (
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "is an FFmpeg playlist, not a picture, video or sound",
    ),
    "bomb": (bomb(50_000), "has 50,000×50,000 pixels; 120 million together is the most"),
    "hollow": (bomb(4_000), "cannot be decoded"),
    "no video": (making.box(b"ftyp", b"isom\0\0\0\0") + making.box(b"moov", making.box(b"free")), "has no video track"),
}


@pytest.mark.parametrize("as_video", [False, True])
@pytest.mark.parametrize(("data", "reason"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_mended_is_named_and_leaves_nothing(
    tmp_path: Path, data: bytes, reason: str, *, as_video: bool
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    change = change_video(path) if as_video else change_to(path)
    if as_video and data[:4] == b"\x89PNG":
        reason = "is PNG, not MP4"
    with pytest.raises(UnreadableError) as caught:
        mend(path=str(path), output=str(tmp_path / "out"), change=change)
    assert str(caught.value) == reason
    assert names_in(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif", "first.mp4", "last.mp4"])
def test_a_file_cut_at_any_twentieth_is_refused(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = files[name].read_bytes()
    cut = tmp_path / name
    change = change_video(cut) if name.endswith("mp4") else change_to(cut)
    for percent in range(0, 100, 5):
        cut.write_bytes(data[: len(data) * percent // 100])
        with pytest.raises(UnreadableError, match=r"is cut off|is empty"):
            mend(path=str(cut), output=str(tmp_path / "out"), change=change)
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif", "first.mp4", "hevc.mp4", "cbr.mp3", "a.wav"]
)
def test_damage_gives_a_file_that_passes_or_a_refusal(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = files[name].read_bytes()
    chance = random.Random(zlib.crc32(name.encode()))  # noqa: S311 (the same files on every run)
    path, output = tmp_path / name, tmp_path / "out"
    info = stored(files[name]).info
    length = 0 if info.kind is Kind.IMAGE else 1_000
    change = change_to(path, before=info, width=160, height=90, format=info.format, duration_ms=length)
    for _ in range(8):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 12)):
            damaged[chance.randrange(min(len(damaged), chance.choice((800, len(damaged)))))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            said = mend(path=str(path), output=str(output), change=change)
        except UnreadableError:
            assert not output.exists()
        else:
            assert said["bytes"] == output.stat().st_size
            output.unlink()


async def in_child(path: Path, output: Path, change: dict[str, Any]) -> dict[str, object]:
    return await run_limited(TARGET, {"path": str(path), "output": str(output), "change": change}, limits=LIMITS)


async def test_a_huge_picture_in_a_small_file_costs_the_parent_nothing(tmp_path: Path) -> None:
    side = 8_192
    rows = zlib.compressobj(1)
    packed = b"".join(rows.compress(bytes(1 + side * 4)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    )
    one = stored(path)
    (change,) = changes_for([one], ReferenceRules())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = await in_child(path, tmp_path / "out", change.as_json())
    assert (said["width"], said["height"], said["format"]) == (5998, 5998, "png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024
    assert all_after([one], [change])[0].info.width == 5998


async def test_a_huge_video_is_refused_by_name(tmp_path: Path) -> None:
    path = making.plain_clip(tmp_path / "a.mp4", side=8_192)
    with pytest.raises(ChildFailedError) as caught:
        await in_child(path, tmp_path / "out", change_video(path))
    assert caught.value.reason == "is a video of 8,192×8,192 pixels, which is more than can be worked on"
    assert caught.value.ending is Ending.REFUSED
    assert names_in(tmp_path) == ["a.mp4"]
