"""Films and sounds made anew: upright, cut to the frame and the sample, in step with each other."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from bot.domain.changes import ChangeKind
from bot.media.mend import mend
from tests.media import making
from tests.media.test_mend import BLUE, GREEN, GREY, RED, Picture, change_to, corners, mended, near, quarters, stored


def filmed(path: Path, *, size: tuple[int, int] = (320, 240), frames: int = 6, codec: str = "libx264") -> Path:
    with av.open(path, "w") as container:
        video: Any = container.add_stream(codec, rate=12)
        video.width, video.height, video.pix_fmt, video.thread_count = *size, "yuv420p", 1
        video.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(quarters(*size), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 12)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def first_frame(path: Path) -> Picture:
    with av.open(str(path), format="mov") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.uint8)


def turned(source: Path, path: Path, a: int, b: int, c: int, d: int) -> Path:
    """The track's matrix, as a phone writes it: https://developer.apple.com/documentation/quicktime-file-format."""
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 0x10000
    data[matrix : matrix + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


TURNS = {
    "upright": ((1, 0, 0, 1), [RED, GREEN, BLUE, GREY]),
    "clockwise": ((0, 1, -1, 0), [BLUE, RED, GREY, GREEN]),
    "head down": ((-1, 0, 0, -1), [GREY, BLUE, GREEN, RED]),
    "counterclockwise": ((0, -1, 1, 0), [GREEN, GREY, RED, BLUE]),
}


@pytest.mark.parametrize(("matrix", "wanted"), TURNS.values(), ids=TURNS)
def test_a_phones_hevc_film_comes_out_upright_as_h264(
    tmp_path: Path, matrix: tuple[int, int, int, int], wanted: list[tuple[int, ...]]
) -> None:
    lying = filmed(tmp_path / "a.mov", frames=26, codec="libx265")
    film = turned(lying, tmp_path / "b.mov", *matrix)
    made, change = mended(film, tmp_path / "out")
    assert made.info.codec == "h264"
    assert (made.info.width, made.info.height) == (change.width, change.height)
    assert (change.width > change.height) == (matrix[0] != 0)
    assert near(corners(first_frame(tmp_path / "out")), wanted, tolerance=16)


def test_a_mended_film_plays_while_it_loads_in_eight_bits(files: dict[str, Path], tmp_path: Path) -> None:
    made, _ = mended(files["first.mp4"], tmp_path / "out")
    data = (tmp_path / "out").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "out"), format="mov") as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.audio[0].codec_context.name == "aac"
        assert len(list(container.decode(video=0))) == 48
    assert made.info.duration_ms == 2_000


def test_a_long_film_is_cut_with_its_sound(tmp_path: Path) -> None:
    film = making.clip(tmp_path / "a.mp4", seconds=4.5, size=(160, 90), sound=True)
    change = change_to(
        film,
        before=stored(film).info,
        kinds=(ChangeKind.CUT,),
        width=160,
        height=90,
        format="mp4",
        duration_ms=3_000,
    )
    said = mend(path=str(film), output=str(tmp_path / "out"), change=change)
    assert said["duration_ms"] == pytest.approx(3_000, abs=1)
    with av.open(str(tmp_path / "out"), format="mov") as container:
        assert len(list(container.decode(video=0))) == 72
    assert 0 <= samples_of(tmp_path / "out", "mov") - 3 * making.RATE < 1024  # AAC comes in pieces of so many


def samples_of(path: Path, demuxer: str) -> int:
    with av.open(str(path), format=demuxer) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def test_picture_and_sound_stay_together(tmp_path: Path) -> None:
    """A flash and a beep in the same frame, one second in."""
    film = tmp_path / "a.mp4"
    with av.open(film, "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for index in range(60):
            flash = np.full((90, 160, 3), 255 if index >= 24 else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(flash, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = (np.sin(np.arange(120_000) / 10) * 20_000).astype(np.int16)
        wave[:48_000] = 0
        beep = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        beep.sample_rate, beep.pts = 48_000, 0
        container.mux([*sound.encode(beep), *sound.encode(None)])
    mended(film, tmp_path / "out")
    with av.open(str(tmp_path / "out"), format="mov") as container:
        bright = [float(frame.time or 0) for frame in container.decode(video=0) if frame.to_ndarray()[40, 40] > 128]
    loud = np.abs(heard(tmp_path / "out", "mov")) > 0.2
    assert bright[0] == pytest.approx(1.0, abs=0.001)
    assert np.argmax(loud) / 48_000 == pytest.approx(1.0, abs=0.02)


def test_a_film_over_the_limit_of_bytes_is_brought_under_it(tmp_path: Path) -> None:
    film = making.clip(tmp_path / "a.mp4", seconds=3, size=(854, 480))
    made, change = mended(film, tmp_path / "out", video_bytes_max=500_000)
    assert change.kinds == (ChangeKind.SHRINK,)
    assert 300_000 < made.size_bytes <= 500_000


def test_slow_motion_comes_down_to_sixty_frames(tmp_path: Path) -> None:
    film = making.clip(tmp_path / "a.mp4", seconds=2, size=(160, 90), fps=240)
    made, _ = mended(film, tmp_path / "out")
    with av.open(str(tmp_path / "out"), format="mov") as container:
        assert len(list(container.decode(video=0))) == 120
    assert made.info.duration_ms == pytest.approx(2_000, abs=20)


# -- sounds


@pytest.mark.parametrize(
    ("codec", "name", "muxer"),
    [
        ("pcm_s16le", "a.wav", {}),
        ("pcm_f32le", "a.wav", {}),
        ("libmp3lame", "a.mp3", {}),
        ("libmp3lame", "a.mp3", {"write_xing": "0"}),
    ],
)
def test_a_long_sound_is_cut_to_the_sample(tmp_path: Path, codec: str, name: str, muxer: dict[str, str]) -> None:
    sound = making.tone(tmp_path / name, seconds=16.3, codec=codec, muxer=muxer)
    made, change = mended(sound, tmp_path / "out")
    assert change.kinds == (ChangeKind.CUT,)
    assert (made.info.format, made.info.duration_ms) == (name[2:], 15_000)
    demuxer = name[2:]
    assert samples_of(tmp_path / "out", demuxer) == 15 * making.RATE
    before, after = heard(sound, demuxer), heard(tmp_path / "out", demuxer)
    assert np.corrcoef(before[: after.size], after)[0, 1] > 0.98


def heard(path: Path, demuxer: str) -> npt.NDArray[np.float32]:
    """The samples, in mono."""
    resampler = av.AudioResampler(format="fltp", layout="mono")
    with av.open(str(path), format=demuxer) as container:
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
