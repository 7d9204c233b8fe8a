"""A clip made to fit: never above the limit, always something that plays inside the message."""

import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from bot.media.boxes import outer_boxes
from bot.media.child import run_limited
from bot.media.clips import playing
from bot.media.fit import LIMITS, fit
from bot.media.reading import UnreadableError
from tests.media import making

KIB = 1024
SIZE = (320, 180)
ROOMY = 100 * 1024 * KIB
CORNERS = {
    "top left": (220, 40, 40),
    "top right": (40, 200, 40),
    "bottom left": (40, 40, 220),
    "bottom right": (220, 220, 220),
}


def grainy(
    path: Path,
    *,
    size: tuple[int, int] = SIZE,
    frames: int = 72,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: str = "",
    movflags: str = "faststart",
    full_range: bool = False,
    sound_seconds: float | None = None,
) -> Path:
    """Fresh grain in each frame, as hard as it gets, with noise for sound."""
    random = np.random.default_rng(5)
    with av.open(path, "w", options={"movflags": movflags}) as container:
        video: Any = container.add_stream(codec, rate=24)  # Any: typed by codec name, which is a variable here
        video.width, video.height, video.pix_fmt, video.thread_count = *size, pix_fmt, 1
        video.options = {"preset": "8" if codec == "libsvtav1" else "ultrafast", "crf": "18"}
        video.codec_context.color_range = 2 if full_range else 1
        noise = container.add_stream(sound, rate=44_100) if sound else None
        for index in range(frames):
            picture = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if noise is not None:
            making._sing(container, noise, sound_seconds or frames / 24)  # noqa: SLF001 (the same tests' own)
    return path


def quarters() -> np.ndarray[Any, Any]:
    picture = np.zeros((96, 160, 3), dtype=np.uint8)
    for colour, (y, x) in zip(CORNERS.values(), ((0, 0), (0, 80), (48, 0), (48, 80)), strict=True):
        picture[y : y + 48, x : x + 80] = colour
    return picture


def corners(path: Path, *, full_range: bool = False, codec: str = "libx264") -> Path:
    """Four plain quarters, each in its colour."""
    picture = quarters()
    pix_fmt = "yuvj420p" if full_range else "yuv420p"
    with av.open(path, "w") as container:
        video: Any = container.add_stream(codec, rate=24, options={"crf": "5", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt, video.thread_count = 160, 96, pix_fmt, 1
        video.codec_context.color_range = 2 if full_range else 1
        video.codec_context.colorspace = video.codec_context.color_primaries = video.codec_context.color_trc = 1
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt, dst_colorspace=1)
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def fitted(path: Path, output: Path, bytes_max: int = ROOMY) -> dict[str, object]:
    """Fitted, and what must hold of every file that is posted holds of it."""
    got = fit(path=str(path), output=str(output), bytes_max=bytes_max)
    posted = path if got["how"] == "as_is" else output
    assert output.exists() == (got["how"] != "as_is")
    assert got["bytes"] == posted.stat().st_size <= bytes_max
    _assert_plays_inline(posted)
    return got


def _assert_plays_inline(path: Path) -> None:
    kinds = outer_boxes(path)
    assert kinds[0] == b"ftyp"
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert b"moof" not in kinds
    playing(path)
    with av.open(path) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.width % 2 == video.height % 2 == 0
        assert {sound.codec_context.name for sound in container.streams.audio} <= {"aac", "mp3", "mp3float"}
        assert len(container.streams) == 1 + bool(container.streams.audio)


def shown(path: Path) -> np.ndarray[Any, Any]:
    """The first frame in RGB."""
    with av.open(path) as container:
        frame = next(container.decode(container.streams.video[0]))
        return frame.to_ndarray(format="rgb24", src_colorspace=frame.colorspace)


def corner_colours(path: Path) -> dict[str, tuple[int, ...]]:
    picture = shown(path).astype(int)
    height, width = picture.shape[:2]
    places = ((0, 0), (0, 1), (1, 0), (1, 1))
    boxes = [picture[height // 2 * y + 12 :, width // 2 * x + 12 :][:24, :24] for y, x in places]
    return {name: tuple(box.mean(axis=(0, 1)).round().astype(int)) for name, box in zip(CORNERS, boxes, strict=True)}


def assert_colours(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    for corner, colour in expected.items():
        assert max(abs(a - b) for a, b in zip(found[corner], colour, strict=True)) <= 6, (corner, found)


@pytest.mark.parametrize("name", ["first.mp4", "turned.mp4"])
def test_what_fits_already_is_left_alone(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    got = fitted(files[name], tmp_path / "out.mp4")
    assert (got["how"], got["tries"], got["bytes"]) == ("as_is", 0, files[name].stat().st_size)
    assert (got["width"], got["height"]) == ((90, 160) if name == "turned.mp4" else (160, 90))


@pytest.fixture(scope="module")
def odd(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What clients would play but for the file around it."""
    folder = tmp_path_factory.mktemp("odd")
    making.clip(folder / "first.mov", sound=True, movflags="faststart")
    with av.open(folder / "two sounds.mp4", "w", options={"movflags": "faststart"}) as made:
        with av.open(files["first.mp4"]) as source:
            chosen = (*source.streams, source.streams.audio[0])
            copies = [(stream.index, made.add_stream_from_template(stream)) for stream in chosen]
            packets = [(packet.stream_index, packet) for packet in source.demux() if packet.dts is not None]
        for number, copy in copies:
            for at, packet in packets:
                if at == number:
                    packet.stream = copy
                    made.mux(packet)
    return {path.name: path for path in folder.iterdir()} | files


@pytest.mark.parametrize("name", ["last.mp4", "a.mov", "first.mov", "two sounds.mp4", "fragments.mp4", "silent.mp4"])
def test_only_the_container_is_made_anew_when_only_it_is_odd(odd: dict[str, Path], tmp_path: Path, name: str) -> None:
    got = fitted(odd[name], tmp_path / "out.mp4")
    assert (got["how"], got["tries"]) == ("remux", 0)
    assert (shown(odd[name]) == shown(tmp_path / "out.mp4")).all()
    before, after = playing(odd[name]), playing(tmp_path / "out.mp4")
    assert (before.frames, before.has_sound) == (after.frames, after.has_sound)
    assert after.seconds == pytest.approx(before.seconds, abs=0.05)


def test_a_copy_keeps_the_turn(files: dict[str, Path], tmp_path: Path) -> None:
    making.turn_clip(files["last.mp4"], tmp_path / "turned.mp4")
    got = fitted(tmp_path / "turned.mp4", tmp_path / "out.mp4")
    assert (got["how"], got["width"], got["height"]) == ("remux", 90, 160)
    with av.open(tmp_path / "out.mp4") as container:
        assert abs(next(container.decode(video=0)).rotation) == 90


@pytest.mark.parametrize("limit", [400 * KIB, 900 * KIB, 1_500 * KIB])
@pytest.mark.parametrize("sound", ["", "aac", "libmp3lame"])
def test_a_hard_clip_comes_close_to_the_limit_and_never_above(tmp_path: Path, limit: int, sound: str) -> None:
    source = grainy(tmp_path / "hard.mp4", sound=sound)
    got = fitted(source, tmp_path / "out.mp4", limit)
    assert (got["how"], got["tries"]) == ("encode", 1)
    assert int(str(got["bytes"])) >= 0.85 * limit
    assert playing(tmp_path / "out.mp4").frames == 72
    assert playing(tmp_path / "out.mp4").has_sound == bool(sound)


def test_sound_that_outlasts_the_picture_is_counted(tmp_path: Path) -> None:
    source = grainy(tmp_path / "long.mp4", frames=24, sound="libmp3lame", sound_seconds=15)
    got = fitted(source, tmp_path / "out.mp4", 300 * KIB)
    assert (got["how"], got["tries"]) == ("encode", 1)


def test_the_raster_shrinks_only_when_there_are_too_few_bits(tmp_path: Path) -> None:
    source = grainy(tmp_path / "hard.mp4", size=(640, 360), frames=48)
    enough = fitted(source, tmp_path / "a.mp4", 200 * KIB)
    too_few = fitted(source, tmp_path / "b.mp4", 36 * KIB)
    assert (enough["width"], enough["height"]) == (640, 360)
    width, height = int(str(too_few["width"])), int(str(too_few["height"]))
    assert width * height < 640 * 360 / 2
    assert width / height == pytest.approx(16 / 9, abs=0.05)
    assert shown(tmp_path / "b.mp4").shape == (height, width, 3)


@pytest.mark.parametrize("limit", [0, 1, 5 * KIB, 15 * KIB])
def test_a_limit_too_small_for_anything_watchable_is_named(tmp_path: Path, limit: int) -> None:
    source = grainy(tmp_path / "hard.mp4", sound="aac")
    with pytest.raises(UnreadableError, match=r"^is too long \(3 s\) to be watchable in \d+ KiB$"):
        fit(path=str(source), output=str(tmp_path / "out.mp4"), bytes_max=limit)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: grainy(path, codec="libx265", frames=12),
        lambda path: grainy(path, codec="libsvtav1", frames=12),
        lambda path: grainy(path, pix_fmt="yuv420p10le", frames=12),
        lambda path: grainy(path, pix_fmt="yuv444p", frames=12),
        lambda path: grainy(path, pix_fmt="yuv444p", size=(161, 91), frames=12),
        lambda path: grainy(path, full_range=True, pix_fmt="yuvj420p", frames=12),
        lambda path: grainy(path, codec="libx265", pix_fmt="yuv420p10le", frames=12, sound="aac"),
        lambda path: grainy(path, codec="libx264rgb", pix_fmt="rgb24", frames=12),
    ],
    ids=["hevc", "av1", "10 bits", "4:4:4", "odd sides", "full range", "10-bit hevc", "rgb"],
)
def test_what_clients_do_not_play_is_encoded_even_when_small(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    got = fitted(make(tmp_path / "odd.mp4"), tmp_path / "out.mp4")
    assert (got["how"], got["tries"]) == ("encode", 1)
    assert playing(tmp_path / "out.mp4").frames == 12


TURNS = {
    "left": ((0, 1, -1, 0), ("bottom left", "top left", "bottom right", "top right")),
    "right": ((0, -1, 1, 0), ("top right", "bottom right", "top left", "bottom left")),
    "over": ((-1, 0, 0, -1), ("bottom right", "bottom left", "top right", "top left")),
}
"""The matrix of a phone held so, and which corner of the stored picture is then at each corner."""


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_clip_is_encoded_upright(tmp_path: Path, turn: str) -> None:
    (a, b, c, d), now = TURNS[turn]
    data = bytearray(corners(tmp_path / "flat.mp4", codec="libx265").read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 20] = struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16)
    (tmp_path / "turned.mp4").write_bytes(data)
    got = fitted(tmp_path / "turned.mp4", tmp_path / "out.mp4")
    assert (got["how"], got["width"], got["height"]) == ("encode", *((160, 96) if turn == "over" else (96, 160)))
    expected = {corner: CORNERS[was] for corner, was in zip(CORNERS, now, strict=True)}
    assert_colours(corner_colours(tmp_path / "out.mp4"), expected)


def test_a_full_range_clip_keeps_its_colours(tmp_path: Path) -> None:
    fitted(corners(tmp_path / "full.mp4", full_range=True), tmp_path / "out.mp4")
    assert_colours(corner_colours(tmp_path / "out.mp4"), dict(CORNERS))


def test_sound_that_is_aac_is_copied_and_other_sound_becomes_it(tmp_path: Path) -> None:
    for codec, limit in (("aac", 900 * KIB), ("libmp3lame", 900 * KIB)):
        source = grainy(tmp_path / f"{codec}.mp4", sound=codec)
        fitted(source, tmp_path / f"{codec}-out.mp4", limit)
        assert sound_codec(tmp_path / f"{codec}-out.mp4") == "aac"
    assert sound_bytes(tmp_path / "aac.mp4") == sound_bytes(tmp_path / "aac-out.mp4")


@pytest.mark.parametrize("codec", ["alac", "pcm_s16le"])
def test_other_sound_alone_is_made_anew_and_the_picture_stays(tmp_path: Path, codec: str) -> None:
    source = grainy(tmp_path / ("a.mov" if codec == "pcm_s16le" else "a.mp4"), sound=codec, frames=12)
    got = fitted(source, tmp_path / "out.mp4")
    assert (got["how"], got["tries"]) == ("encode", 0)
    assert sound_codec(tmp_path / "out.mp4") == "aac"
    assert picture_bytes(tmp_path / "out.mp4") == picture_bytes(source)


def test_large_sound_does_not_cost_the_picture(tmp_path: Path) -> None:
    source = grainy(tmp_path / "a.mov", sound="pcm_s16le", frames=12, sound_seconds=10)
    limit = source.stat().st_size - 400 * KIB
    assert fitted(source, tmp_path / "out.mp4", limit)["tries"] == 0
    assert picture_bytes(tmp_path / "out.mp4") == picture_bytes(source)


def test_wide_colours_are_brought_into_a_screens(tmp_path: Path) -> None:
    source = wide(tmp_path / "wide.mp4")
    fitted(source, tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
    assert_bright(corner_colours(tmp_path / "out.mp4"))


def assert_bright(found: Mapping[str, tuple[int, ...]]) -> None:
    """Each corner's colour is strong: what is wide and shown as it is looks grey."""
    for at, corner in enumerate(("top left", "top right", "bottom left")):
        rest = [level for channel, level in enumerate(found[corner]) if channel != at]
        assert found[corner][at] > 60 + max(rest), found
    assert max(found["bottom right"]) - min(found["bottom right"]) <= 6


def wide(path: Path) -> Path:
    """The four corners as a phone films them: ten bits, BT.2020, PQ."""
    colours = "in_range=full:in_primaries=bt709:in_transfer=bt709:out_color_matrix=bt2020:out_range=limited"
    with av.open(path, "w") as container:
        options = {"crf": "5", "preset": "ultrafast", "x265-params": "log-level=none"}
        video: Any = container.add_stream("libx265", rate=24, options=options)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p10le"
        context = video.codec_context
        context.colorspace = context.color_primaries = 9
        context.color_trc, context.color_range = 16, 1
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=160, height=96, format=av.VideoFormat("rgb24"), time_base=Fraction(1, 24)),
            graph.add("scale", f"{colours}:out_primaries=bt2020:out_transfer=smpte2084"),
            graph.add("format", "yuv420p10le"),
            graph.add("buffersink"),
        ).configure()
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(quarters(), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            frame.color_primaries = frame.color_trc = 1
            graph.vpush(frame)
            container.mux(video.encode(graph.vpull()))
        container.mux(video.encode(None))
    return path


def sound_codec(path: Path) -> str:
    with av.open(path) as container:
        return container.streams.audio[0].codec_context.name


def sound_bytes(path: Path) -> bytes:
    with av.open(path) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0))


def picture_bytes(path: Path) -> bytes:
    with av.open(path) as container:
        return b"".join(bytes(packet) for packet in container.demux(video=0))


async def test_it_runs_in_the_child(tmp_path: Path) -> None:
    source = grainy(tmp_path / "hevc.mp4", codec="libx265", frames=6)
    arguments: dict[str, object] = {"path": str(source), "output": str(tmp_path / "out.mp4"), "bytes_max": ROOMY}
    got = await run_limited("bot.media.fit:fit", arguments, limits=LIMITS)
    assert got["how"] == "encode"
    _assert_plays_inline(tmp_path / "out.mp4")


@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.png"])
def test_what_is_no_clip_is_refused(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableError):
        fit(path=str(files[name]), output=str(tmp_path / "out.mp4"), bytes_max=ROOMY)
