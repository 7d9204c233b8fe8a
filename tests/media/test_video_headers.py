"""Videos: length, shape, sound, and whether all of it is there."""

import io
from pathlib import Path

import av
import pytest

from bot.domain.references import STREAM_PADDING_MS, MediaInfo
from bot.domain.slots import Kind
from bot.media.probe import UnreadableError, probe
from tests.media import making
from tests.media.conftest import SAMPLES
from tests.media.test_image_headers import Counted

SILENT = {"silent.mp4", "hevc.mp4"}


def probed(data: bytes) -> MediaInfo:
    return probe(io.BytesIO(data), len(data))


@pytest.mark.parametrize(
    ("name", "video_format", "codec", "duration_ms"),
    [
        ("first.mp4", "mp4", "h264", 2_000),
        ("last.mp4", "mp4", "h264", 2_000),
        ("silent.mp4", "mp4", "h264", 2_000),
        ("a.mov", "mov", "h264", 2_000),
        ("hevc.mp4", "mp4", "hevc", 500),
    ],
)
def test_a_video_is_read(files: dict[str, Path], name: str, video_format: str, codec: str, duration_ms: int) -> None:
    assert probed(files[name].read_bytes()) == MediaInfo(
        kind=Kind.VIDEO,
        format=video_format,
        width=160,
        height=90,
        duration_ms=duration_ms,
        codec=codec,
        has_sound=name not in SILENT,
    )


def test_the_clip_of_the_samples_is_read() -> None:
    info = probed((SAMPLES / "drift.mp4").read_bytes())
    assert (info.width, info.height, info.duration_ms) == (1280, 720, 4_000)


def test_fifteen_seconds_with_aac_are_fifteen_seconds(tmp_path: Path) -> None:
    path = making.clip(tmp_path / "a.mp4", seconds=15, size=(64, 36), sound=True)
    assert probed(path.read_bytes()).duration_ms == 15_000


def test_sound_that_runs_over_by_the_encoders_padding_is_told_and_passes(tmp_path: Path) -> None:
    data = bytearray(making.clip(tmp_path / "a.mp4", seconds=15, size=(64, 36), sound=True).read_bytes())
    for place in _places(data, b"elst"):  # as a program leaves it that writes no edit list
        data[place : place + 4] = b"free"
    info = probed(bytes(data))
    assert 15_000 < info.duration_ms < 15_000 + STREAM_PADDING_MS


def _places(data: bytearray, kind: bytes) -> list[int]:
    return [place for place in range(len(data) - 4) if data[place : place + 4] == kind]


def test_an_upright_phone_video_is_upright(files: dict[str, Path]) -> None:
    info = probed(files["turned.mp4"].read_bytes())
    assert (info.width, info.height) == (90, 160)


def test_fragments_are_counted_where_no_length_is_told(files: dict[str, Path]) -> None:
    with av.open(files["fragments.mp4"]) as container:
        microseconds = container.duration or 0
    data = files["fragments.mp4"].read_bytes()
    assert data.count(b"moof") > 1
    info = probed(data)
    assert info.duration_ms == pytest.approx(microseconds / 1_000, abs=1)
    assert info.has_sound


def test_a_told_length_of_fragments_is_believed(files: dict[str, Path]) -> None:
    assert probed(files["told.mp4"].read_bytes()).duration_ms == 2_500


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4", "a.mov"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_cut_video_is_caught(files: dict[str, Path], name: str, share: float) -> None:
    data = files[name].read_bytes()
    with pytest.raises(UnreadableError, match="is cut off"):
        probed(data[: int(len(data) * share)])


def test_a_cut_video_with_its_index_first_tells_both_sizes(files: dict[str, Path]) -> None:
    data = files["first.mp4"].read_bytes()
    cut = data[: len(data) * 3 // 4]
    with pytest.raises(UnreadableError) as caught:
        probed(cut)
    assert str(caught.value) == (
        f"is cut off: its sample table ends at {len(data):,} but the file has {len(cut):,} bytes"
    )


def test_a_cut_fragment_is_caught(files: dict[str, Path]) -> None:
    data = files["fragments.mp4"].read_bytes()
    with pytest.raises(UnreadableError, match="is cut off: its last fragment"):
        probed(data[: data.rindex(b"mdat") + 2_000])


def test_sound_alone_named_mp4_is_called_an_m4a(files: dict[str, Path]) -> None:
    with pytest.raises(UnreadableError, match="is an M4A sound file"):
        probed(files["a.m4a"].read_bytes())


def test_a_video_without_a_track_says_so() -> None:
    with pytest.raises(UnreadableError, match="has no video track"):
        probed(making.box(b"ftyp", b"isom\0\0\0\0") + making.box(b"moov", making.box(b"free", b"nothing")))


@pytest.mark.parametrize("name", ["first.mp4", "last.mp4"])
def test_a_large_video_is_read_by_jumping(tmp_path: Path, name: str) -> None:
    flags = "faststart" if name == "first.mp4" else ""
    data = making.clip(tmp_path / name, seconds=15, size=(192, 108), sound=True, movflags=flags).read_bytes()
    counted = Counted(data)
    probe(counted, len(data))
    assert counted.read_bytes <= 32 * 1024 < len(data)
    assert counted.reads <= 2


def test_a_table_larger_than_its_box_is_refused(files: dict[str, Path]) -> None:
    data = bytearray(files["first.mp4"].read_bytes())
    place = data.index(b"stco") + 8
    data[place : place + 4] = b"\x7f\xff\xff\xff"
    with pytest.raises(UnreadableError, match="longer than the box"):
        probed(bytes(data))


def test_a_million_boxes_end_early() -> None:
    data = making.box(b"ftyp", b"isom\0\0\0\0") + making.box(b"free") * 1_000_000
    with pytest.raises(UnreadableError, match="more parts than any real file"):
        probed(data)
