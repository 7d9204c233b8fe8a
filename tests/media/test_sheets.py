"""Contact sheets and strips: what is on them, upright and in order, and never an error for one bad picture."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from bot.media.child import run_limited
from bot.media.reading import UnreadableError
from bot.media.sheets import STRIP_BYTES_MAX, contact_sheet, strip
from tests.media import making
from tests.media.test_fit import CORNERS, corners

STEP = (182, 164)
"""From one tile of a strip to the next."""
TILE = (176, 124)
MARGIN = 6
EMPTY = (49, 51, 56)
Pixels = np.ndarray[Any, Any]


def pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def labelled(*paths: Path, kind: str = "image") -> list[dict[str, str]]:
    return [{"label": f"@{kind.title()}{at}", "path": str(path), "kind": kind} for at, path in enumerate(paths, 1)]


def tiles_of(pictures: list[dict[str, str]], output: Path) -> list[Pixels]:
    """The tiles, without their labels, of a strip that is small and names each slot."""
    got = strip(pictures=pictures, output=str(output))
    sheet = pixels(output)
    assert (got["tiles"], got["height"], got["width"]) == (len(pictures), *sheet.shape[:2])
    assert got["bytes"] == output.stat().st_size < STRIP_BYTES_MAX
    columns = (sheet.shape[1] - MARGIN) // STEP[0]
    tiles = []
    for at in range(len(pictures)):
        top, left = MARGIN + at // columns * STEP[1], MARGIN + at % columns * STEP[0]
        tiles.append(sheet[top : top + TILE[1], left : left + TILE[0]])
        assert sheet[top + TILE[1] : top + STEP[1] - MARGIN, left : left + TILE[0]].max() > 200, "no label"
    return tiles


def colour_at(tile: Pixels, x: float, y: float) -> tuple[int, ...]:
    row, column = int(tile.shape[0] * y), int(tile.shape[1] * x)
    return tuple(tile[row - 3 : row + 3, column - 3 : column + 3].mean(axis=(0, 1)).round().astype(int))


def is_near(found: tuple[int, ...], expected: tuple[int, ...], by: int = 14) -> bool:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= by


def is_empty(tile: Pixels) -> bool:
    """The sign in the middle of nothing."""
    return is_near(colour_at(tile, 0.1, 0.5), EMPTY, 6) and is_near(colour_at(tile, 0.5, 0.1), EMPTY, 6)


@pytest.fixture(scope="module")
def quarters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corners(tmp_path_factory.mktemp("quarters") / "a.mp4")


# -- contact sheets


def test_a_sheet_shows_twelve_frames_from_the_first_to_the_last(tmp_path: Path) -> None:
    source = greys(tmp_path / "a.mp4", frames=60)
    got = contact_sheet(path=str(source), output=str(tmp_path / "a.jpg"))
    sheet = pixels(tmp_path / "a.jpg")
    assert (got["frames"], got["height"], got["width"]) == (12, *sheet.shape[:2])
    step_x, step_y = (sheet.shape[1] - MARGIN) // 4, (sheet.shape[0] - MARGIN) // 3
    found = [sheet[y * step_y + step_y - 40, x * step_x + step_x // 2, 1] for y in range(3) for x in range(4)]
    expected = [grey(round(at * 59 / 11)) for at in range(12)]
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 3


def test_frames_are_found_behind_each_keyframe_too(tmp_path: Path) -> None:
    whole = greys(tmp_path / "whole.mp4", frames=60)
    often = greys(tmp_path / "often.mp4", frames=60, keyframe_every=4)
    for path in (whole, often):
        contact_sheet(path=str(path), output=str(path.with_suffix(".png.jpg")))
    apart = pixels(tmp_path / "whole.png.jpg") - pixels(tmp_path / "often.png.jpg")
    assert abs(apart).mean() < 1


@pytest.mark.parametrize(
    ("size", "frames", "shape"),
    [
        ((320, 180), 20, (4, 3)),
        ((180, 320), 20, (6, 2)),
        ((200, 200), 20, (4, 3)),
        ((320, 180), 2, (2, 1)),
        ((320, 180), 1, (1, 1)),
    ],
)
def test_the_grid_follows_the_clip(tmp_path: Path, size: tuple[int, int], frames: int, shape: tuple[int, int]) -> None:
    got = contact_sheet(path=str(greys(tmp_path / "a.mp4", size=size, frames=frames)), output=str(tmp_path / "a.jpg"))
    cell = tuple(round(side * 320 / max(size)) for side in size)
    assert (got["width"], got["height"]) == tuple(n * (side + 6) + 6 for n, side in zip(shape, cell, strict=True))


def test_a_turned_clip_is_upright_on_its_sheet(quarters: Path, tmp_path: Path) -> None:
    making.turn_clip(quarters, tmp_path / "turned.mp4")
    got = contact_sheet(path=str(tmp_path / "turned.mp4"), output=str(tmp_path / "a.jpg"))
    assert (got["frames"], got["width"], got["height"]) == (6, 6 * (192 + 6) + 6, 320 + 12)
    cell = pixels(tmp_path / "a.jpg")[6:326, 6:198]
    assert is_near(colour_at(cell, 0.25, 0.25), CORNERS["bottom left"])
    assert is_near(colour_at(cell, 0.75, 0.25), CORNERS["top left"])
    assert is_near(colour_at(cell, 0.75, 0.75), CORNERS["top right"])


@pytest.mark.parametrize("name", ["a.wav", "a.png"])
def test_a_sheet_of_what_is_no_clip_is_refused(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableError):
        contact_sheet(path=str(files[name]), output=str(tmp_path / "a.jpg"))


def grey(index: int) -> int:
    return 20 + index * 3


def greys(path: Path, *, size: tuple[int, int] = (160, 90), frames: int, keyframe_every: int = 250) -> Path:
    """Each frame one grey, lighter than the one before."""
    options = {"preset": "superfast", "crf": "5", "g": str(keyframe_every)}
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=24, options=options)
        video.width, video.height, video.pix_fmt, video.thread_count = *size, "yuv420p", 1
        for index in range(frames):
            picture = np.full((size[1], size[0], 3), grey(index), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


# -- strips


def test_every_kind_gets_its_tile(files: dict[str, Path], tmp_path: Path, quarters: Path) -> None:
    images = labelled(*(files[name] for name in ("a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif")))
    others = labelled(quarters, kind="video") + labelled(files["a.wav"], files["cbr.mp3"], kind="audio")
    tiles = tiles_of(images + others, tmp_path / "a.jpg")
    assert not any(is_empty(tile) for tile in tiles[:7])
    assert is_near(colour_at(tiles[6], 0.5, 0.5), (255, 255, 255), 25), "no play mark"
    assert is_near(colour_at(tiles[6], 0.15, 0.2), CORNERS["top left"])
    for tile in tiles[7:]:
        assert (tile[:, :, 2] > tile[:, :, 0] + 60).mean() > 0.1, "no wave"


@pytest.mark.parametrize("count", [1, 2, 5, 6, 11, 17])
def test_it_wraps_so_that_labels_stay_readable_on_a_phone(tmp_path: Path, count: int) -> None:
    picture = making.picture(tmp_path / "a.png", (80, 60))
    tiles_of(labelled(*[picture] * count), tmp_path / "a.jpg")
    assert pixels(tmp_path / "a.jpg").shape[1] <= 920


def test_a_label_is_at_most_as_wide_as_its_tile(tmp_path: Path) -> None:
    picture = making.picture(tmp_path / "a.png", (80, 60))
    long = {"label": "The very last frame", "path": str(picture), "kind": "image"}
    strip(pictures=[long, {**long, "label": "."}], output=str(tmp_path / "a.jpg"))
    between = pixels(tmp_path / "a.jpg")[MARGIN + TILE[1] :, MARGIN + TILE[0] : STEP[0] + MARGIN]
    assert between.max() < 100


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path, orientation: int) -> None:
    picture = Image.new("RGB", (400, 400), (200, 30, 30))
    picture.paste((30, 30, 200), (0, 0, 400, 200))
    exif = Image.Exif()
    exif[274] = orientation
    for name in ("a.jpg", "a.png"):
        picture.save(tmp_path / name, exif=exif)
    for tile in tiles_of(labelled(tmp_path / "a.jpg", tmp_path / "a.png"), tmp_path / "out.jpg"):
        x, y = {1: (0.5, 0.1), 3: (0.5, 0.9), 6: (0.8, 0.5), 8: (0.2, 0.5)}[orientation]
        assert is_near(colour_at(tile, x, y), (30, 30, 200), 30)


def test_sixteen_bits_and_glass_are_drawn(tmp_path: Path) -> None:
    Image.fromarray(np.full((300, 400), 0x8000, dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (400, 300), (255, 255, 255, 0)).save(tmp_path / "glass.png")
    deep, glass = tiles_of(labelled(tmp_path / "deep.png", tmp_path / "glass.png"), tmp_path / "a.jpg")
    assert is_near(colour_at(deep, 0.5, 0.5), (128, 128, 128))
    assert is_near(colour_at(glass, 0.5, 0.5), EMPTY)


def test_what_cannot_be_drawn_gets_an_empty_tile(files: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(files["a.png"].read_bytes()[:200])
    empty = tmp_path / "empty.png"
    empty.touch()
    wrong = [*labelled(bad, empty, tmp_path / "gone.png", bomb(tmp_path / "bomb.png"), files["a.wav"])]
    wrong += labelled(bad, files["a.wav"], kind="video") + labelled(bad, files["a.mov"], kind="audio")
    *tiles, last = tiles_of([*wrong, *labelled(files["a.jpg"])], tmp_path / "a.jpg")
    assert [is_empty(tile) for tile in tiles] == [True] * len(wrong)
    assert not is_empty(last)


def test_more_pixels_than_any_reference_has_are_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (8_000, 5_100), 1).save(tmp_path / "large.png")
    Image.new("1", (6_000, 6_000), 1).save(tmp_path / "allowed.png")
    large, allowed = tiles_of(labelled(tmp_path / "large.png", tmp_path / "allowed.png"), tmp_path / "a.jpg")
    assert (is_empty(large), is_empty(allowed)) == (True, False)


def bomb(path: Path) -> Path:
    """A PNG of 19,000 × 19,000 pixels in a few hundred kilobytes."""
    side = 19_000

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    path.write_bytes(start + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 1)) + chunk(b"IEND", b""))
    return path


def test_seventeen_hard_pictures_stay_under_the_limit(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (124, 176, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    tiles_of(labelled(*[tmp_path / "noise.png"] * 17), tmp_path / "a.jpg")


async def test_both_run_in_the_child(files: dict[str, Path], tmp_path: Path) -> None:
    sheet: dict[str, object] = {"path": str(files["first.mp4"]), "output": str(tmp_path / "sheet.jpg")}
    row: dict[str, object] = {"pictures": labelled(files["a.jpg"]), "output": str(tmp_path / "strip.jpg")}
    assert (await run_limited("bot.media.sheets:contact_sheet", sheet))["frames"] == 12
    assert (await run_limited("bot.media.sheets:strip", row))["drawn"] == 1
