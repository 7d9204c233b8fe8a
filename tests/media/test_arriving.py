"""The last frame of a clip that is still on its way is the one of the whole file."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.media.arriving import Arriving, last_frame_arriving
from bot.media.frames import picture, squeeze_of
from bot.media.parts import PART_SUFFIX
from tests.media import filming, making
from tests.media.test_last_frame import LONG, MADE, read_through

PIECE_BYTES = 4096
LATE = ["fragments.mp4", "intra-refresh.mp4"]
"""The index of the one does not tell of every frame; the other's last key frame is none to begin with."""
SEEN = [name for name in MADE if name not in LATE]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Their index stands first."""
    folder = tmp_path_factory.mktemp("arriving")
    plain: dict[str, Any] = {"movflags": "faststart"}
    made = {name: filming.clip(folder / name, **plain | arguments) for name, arguments in MADE.items()}
    made["turned.mp4"] = filming.turned(made["no-b.mp4"], folder / "turned.mp4", 90)
    made["edited.mp4"] = filming.edited(made["eight-b.mp4"], folder / "edited.mp4", milliseconds=500)
    made["index-last.mp4"] = making.clip(folder / "index-last.mp4", size=(640, 360))
    return made


def part_of(path: Path) -> Path:
    return path.with_name(path.name + PART_SUFFIX)


@contextmanager
def written(path: Path, data: bytes) -> Iterator[None]:
    """Somebody writes it piece by piece meanwhile, and gives it its name in the end."""

    def write() -> None:
        with part_of(path).open("wb", buffering=0) as file:
            for start in range(0, len(data), PIECE_BYTES):
                file.write(data[start : start + PIECE_BYTES])
        part_of(path).replace(path)

    writer = threading.Thread(target=write)
    writer.start()
    yield
    writer.join()


@pytest.mark.parametrize("name", [*SEEN, "turned.mp4", "edited.mp4"])
def test_it_is_bit_for_bit_the_last_frame_of_the_whole_file(shapes: dict[str, Path], tmp_path: Path, name: str) -> None:
    expected, at_ms = read_through(shapes[name])
    arriving = tmp_path / "clip"
    with written(arriving, shapes[name].read_bytes()):
        frame = last_frame_arriving(arriving)
    assert frame is not None
    assert frame.time is not None
    assert np.array_equal(np.asarray(picture(frame, squeeze_of(arriving))), expected)
    assert round(frame.time * 1000) == at_ms


@pytest.mark.parametrize("name", [*LATE, "index-last.mp4"])
def test_where_the_beginning_does_not_tell_enough_it_is_looked_for_later(
    shapes: dict[str, Path], tmp_path: Path, name: str
) -> None:
    with written(tmp_path / "clip", shapes[name].read_bytes()):
        assert last_frame_arriving(tmp_path / "clip") is None


def test_what_is_there_is_read_before_the_rest_comes(tmp_path: Path) -> None:
    part_of(tmp_path / "clip").write_bytes(b"first")
    with Arriving(tmp_path / "clip") as reader, part_of(tmp_path / "clip").open("ab") as file:
        assert reader.read(100) == b"first"
        file.write(b" then")
        file.flush()
        assert reader.read(100) == b" then"
        part_of(tmp_path / "clip").replace(tmp_path / "clip")
        assert reader.read(100) == b""
        assert reader.became_whole()


def test_a_transfer_that_began_anew_is_another_file(shapes: dict[str, Path], tmp_path: Path) -> None:
    """The reader holds the first file, which nobody finished."""
    data = shapes["no-b.mp4"].read_bytes()
    part_of(tmp_path / "clip").write_bytes(data)
    other = filming.clip(tmp_path / "other.mp4", frames=range(5), movflags="faststart")

    class Anew(Arriving):
        def read(self, count: int, /) -> bytes:
            if not self._path.exists():
                self._part.unlink()
                other.replace(self._path)
            return super().read(count)

    with Anew(tmp_path / "clip") as reader:
        assert reader.read(len(data)) == data
        assert not reader.became_whole()


@pytest.mark.parametrize("from_end", [1, 4])
def test_a_damaged_end_is_not_taken_for_the_last_frame(tmp_path: Path, from_end: int) -> None:
    whole = filming.clip(tmp_path / "a.mp4", options={**LONG, "bf": "0"}, movflags="faststart")
    damaged = filming.damaged(whole, tmp_path / "clip", from_end)
    assert last_frame_arriving(damaged) is None
