"""The last frame is the one a player shows last, exactly, or there is a reason why there is none."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bot.media.child import run_limited
from bot.media.frames import picture, squeeze_of
from bot.media.last_frame import LIMITS, take_last_frame
from bot.media.reading import UnreadableError
from tests.media import filming, making

OPEN = {**filming.X264, "bf": "8", "x264-params": "open-gop=1:keyint=12:b-adapt=0"}
LONG = {"preset": "ultrafast", "g": "250", "crf": "12", "bf": "3", "refs": "3"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=12"}
MADE: dict[str, dict[str, Any]] = {
    "no-b.mp4": {"options": {**filming.X264, "bf": "0"}},
    "eight-b.mp4": {"options": {**LONG, "bf": "8", "b-adapt": "0"}},
    "pyramid.mp4": {"options": {**LONG, "b-pyramid": "normal", "preset": "fast"}},
    "open-gop.mp4": {"options": OPEN, "frames": range(30)},
    "intra-refresh.mp4": {"options": {**LONG, "intra-refresh": "1", "g": "12"}, "frames": range(30)},
    "hevc.mov": {"codec": "libx265", "options": X265},
    "hevc-10-bit.mp4": {"codec": "libx265", "pixels": "yuv420p10le", "options": X265},
    "10-bit.mp4": {"pixels": "yuv420p10le", "options": LONG},
    "fragments.mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frames": range(30)},
    "full-range.mp4": {"pixels": "yuvj420p", "colours": (1, 2)},
    "sound-is-longer.mp4": {"tone": 440, "tone_seconds": 2},
    "one-frame.mp4": {"frames": range(1)},
    "uneven.mov": {"times": [0, 1, 2, 5, 6, 13, 14, 20, 21, 22, 29, 31], "frames": range(12)},
    "853-wide.mp4": {"pixels": "yuv444p", "size": (853, 480), "frames": range(6)},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}, "frames": range(10)},
    "prores.mov": {"codec": "prores_ks", "pixels": "yuv422p10le", "options": {}, "frames": range(4)},
}
EDITED = ["edited.mp4", "turned-90.mp4", "turned-180.mp4", "turned-270.mp4"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shapes")
    made = {name: filming.clip(folder / name, **arguments) for name, arguments in MADE.items()}
    plain = made["no-b.mp4"]
    made["edited.mp4"] = filming.edited(made["eight-b.mp4"], folder / "edited.mp4", milliseconds=500)
    for degrees in (90, 180, 270):
        name = f"turned-{degrees}.mp4"
        made[name] = filming.turned(plain, folder / name, degrees)
    return made


def read_through(path: Path) -> tuple[npt.NDArray[np.uint8], int]:
    """What comes last when every frame is decoded, and its milliseconds."""
    with av.open(str(path), format="mov") as container:
        container.streams.video[0].thread_count = 1
        last = list(container.decode(video=0))[-1]
    assert last.time is not None
    return np.asarray(picture(last, squeeze_of(path))), round(last.time * 1000)


def taken(path: Path, folder: Path) -> tuple[npt.NDArray[np.uint8], dict[str, object]]:
    output = folder / "frame"
    found = take_last_frame(path=str(path), output=str(output))
    with Image.open(output) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image), found


@pytest.mark.parametrize("name", [*MADE, *EDITED])
def test_it_is_bit_for_bit_what_a_decode_from_the_start_ends_with(
    shapes: dict[str, Path], tmp_path: Path, name: str
) -> None:
    expected, at_ms = read_through(shapes[name])
    found, told = taken(shapes[name], tmp_path)
    assert np.array_equal(found, expected)
    assert told == {"width": expected.shape[1], "height": expected.shape[0], "at_ms": at_ms}


def test_neighbours_differ_so_the_comparison_means_something(shapes: dict[str, Path], tmp_path: Path) -> None:
    earlier = filming.clip(tmp_path / "a.mp4", frames=range(23), options={**filming.X264, "bf": "0"})
    assert not np.array_equal(taken(earlier, tmp_path)[0], taken(shapes["no-b.mp4"], tmp_path)[0])


def test_an_edit_list_ends_the_clip_early(shapes: dict[str, Path], tmp_path: Path) -> None:
    assert taken(shapes["edited.mp4"], tmp_path)[1]["at_ms"] == 458


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (270, 1)])
def test_a_phone_clip_is_turned_upright(shapes: dict[str, Path], tmp_path: Path, degrees: int, quarters: int) -> None:
    lying, _ = taken(shapes["no-b.mp4"], tmp_path)
    upright, _ = taken(shapes[f"turned-{degrees}.mp4"], tmp_path)
    difference = np.abs(np.rot90(lying, quarters).astype(int) - upright)
    assert difference.mean() < 0.5


@pytest.mark.parametrize(
    ("size", "colours", "told", "pixels"),
    [
        ((1280, 720), (1, 1), True, "yuv420p"),
        ((640, 360), (6, 1), True, "yuv420p"),
        ((640, 360), (1, 1), True, "yuv420p"),
        ((1280, 720), (1, 2), True, "yuv420p"),
        ((1280, 720), (1, 2), True, "yuv420p10le"),
        ((1280, 720), (1, 1), False, "yuv420p"),
        ((640, 360), (6, 1), False, "yuv420p"),
    ],
)
def test_colours_come_back(
    tmp_path: Path, size: tuple[int, int], colours: tuple[int, int], pixels: str, *, told: bool
) -> None:
    path = filming.plain(tmp_path / "a.mp4", (200, 60, 40), size=size, colours=colours, told=told, pixels=pixels)
    found, _ = taken(path, tmp_path)
    assert np.abs(found.reshape(-1, 3).mean(axis=0) - (200, 60, 40)).max() <= 3


def test_oblong_pixels_are_made_square(tmp_path: Path) -> None:
    path = filming.clip(tmp_path / "a.mp4", options={**filming.X264, "aspect": "2:1"})
    assert taken(path, tmp_path)[1]["width"] == 320


def test_two_runs_give_the_same_bytes(shapes: dict[str, Path], tmp_path: Path) -> None:
    for name in ("one", "other"):
        take_last_frame(path=str(shapes["pyramid.mp4"]), output=str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4", "fragments.mp4", "a.mov"])
def test_a_cut_file_is_refused_and_never_gives_an_earlier_frame(
    files: dict[str, Path], tmp_path: Path, name: str
) -> None:
    data = files[name].read_bytes()
    cut = tmp_path / "cut.mp4"
    for length in [len(data) * percent // 100 for percent in range(5, 100, 5)] + [len(data) - 1]:
        cut.write_bytes(data[:length])
        with pytest.raises(UnreadableError, match="is cut off"):
            take_last_frame(path=str(cut), output=str(tmp_path / "frame"))


@pytest.mark.parametrize("from_end", [1, 4])
def test_a_damaged_end_is_refused(tmp_path: Path, from_end: int) -> None:
    whole = filming.clip(tmp_path / "a.mp4", options={**LONG, "bf": "0"})
    path = filming.damaged(whole, tmp_path / "b.mp4", from_end)
    with pytest.raises(UnreadableError, match=r"^is damaged"):
        take_last_frame(path=str(path), output=str(tmp_path / "frame"))


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("a.m4a", r"^is an M4A sound file without a picture"),
        ("a.png", "^is PNG, not a video$"),
        ("a.mp3", "^is MP3, not a video$"),
    ],
)
def test_what_has_no_video_is_named(files: dict[str, Path], tmp_path: Path, name: str, clause: str) -> None:
    with pytest.raises(UnreadableError, match=clause):
        take_last_frame(path=str(files.get(name, files["cbr.mp3"])), output=str(tmp_path / "frame"))


async def test_a_child_does_it_within_its_limits(tmp_path: Path) -> None:
    path = making.plain_clip(tmp_path / "a.mp4", side=1440)
    found = await run_limited(
        "bot.media.last_frame:take_last_frame",
        {"path": str(path), "output": str(tmp_path / "frame")},
        limits=LIMITS,
    )
    assert found == {"width": 1440, "height": 1440, "at_ms": 83}
