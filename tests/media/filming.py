"""Clips whose every frame and every sample is known: an edge of the world, panned over two pixels at a time."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

RATE = 48_000
FPS = 24
X264 = {"preset": "ultrafast", "bf": "2", "b-adapt": "0", "g": "12", "crf": "12"}


def view(index: int, size: tuple[int, int], *, step: int = 2) -> npt.NDArray[np.uint8]:
    """Frame `index` of the pan, as RGB."""
    width, height = size
    coarse = np.random.default_rng(5).integers(30, 225, (height // 16 + 2, 64, 3)).astype(np.float32)
    world = np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1)
    smooth = (world + np.roll(world, 5, axis=1) + np.roll(world, 9, axis=0)) / 3
    return np.ascontiguousarray(np.roll(smooth, -index * step, axis=1)[:height, :width].astype(np.uint8))


def clip(
    path: Path,
    *,
    frames: Sequence[int] = range(24),
    size: tuple[int, int] = (160, 96),
    fps: Fraction | int = FPS,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    tone: float = 0,
    tone_seconds: float = 0,
    sound_rate: int = RATE,
    movflags: str = "",
    colours: tuple[int, int] | None = None,
    step: int = 2,
) -> Path:
    """`frames`: which of the pan; `times`: theirs in 1/fps s; `tone`: hertz; `colours`: matrix and range of H.273."""
    with av.open(path, "w", options={"movflags": movflags} if movflags else {}) as container:
        video: Any = container.add_stream(codec, rate=fps)  # Any: typed by codec name, which is a variable here
        video.width, video.height, video.pix_fmt = *size, pixels
        video.thread_count = 1
        video.options = options if options is not None else X264
        if colours:
            video.codec_context.colorspace = video.codec_context.color_primaries = colours[0]
            video.codec_context.color_trc, video.codec_context.color_range = colours
        sound = container.add_stream("aac", rate=sound_rate, layout="stereo") if tone else None
        for at, index in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(view(index, size, step=step), format="rgb24")
            frame = frame.reformat(
                format=pixels, dst_colorspace=colours and colours[0], dst_color_range=colours and colours[1]
            )
            frame.pts, frame.time_base = times[at] if times else at, 1 / Fraction(fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            sing(container, sound, tone, tone_seconds or float(len(frames) / fps), sound_rate)
    return path


def sing(container: Any, stream: Any, hertz: float, seconds: float, rate: int) -> None:
    stream.bit_rate = 192_000
    at = np.arange(round(seconds * rate)) / rate
    samples = (np.sin(2 * np.pi * hertz * at) * 9_000).astype(np.int16)
    for start in range(0, len(samples), 4096):
        chunk = np.repeat(samples[start : start + 4096], 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(chunk, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def turned(source: Path, path: Path, degrees: int) -> Path:
    """A display matrix that says to turn clockwise by 90, 180 or 270 degrees."""
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    numbers = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 0x40000000)
    data[matrix : matrix + 36] = struct.pack(">9i", *numbers)
    path.write_bytes(data)
    return path


def edited(source: Path, path: Path, *, milliseconds: int) -> Path:
    """The first track's edit list says to end earlier than its samples do."""
    data = bytearray(source.read_bytes())
    duration = data.index(b"elst") + 12
    data[duration : duration + 4] = struct.pack(">I", milliseconds)
    path.write_bytes(data)
    return path


def damaged(source: Path, path: Path, from_end: int) -> Path:
    """The middle of one packet from the end is other than it was."""
    with av.open(source) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][-from_end]
    assert packet.pos is not None
    data = bytearray(source.read_bytes())
    for at in range(packet.pos + packet.size // 3, packet.pos + packet.size * 2 // 3, 11):
        data[at] ^= 0x55
    path.write_bytes(data)
    return path


def picture_of(frame: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"))


def times_of(path: Path) -> list[int]:
    """Of every decoded frame, in ticks."""
    with av.open(path) as container:
        return [frame.pts or 0 for frame in container.decode(video=0)]


def sound_of(path: Path) -> npt.NDArray[np.float64]:
    """The first channel, from -1 to 1."""
    with av.open(path) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.float64)


def plain(
    path: Path,
    rgb: tuple[int, int, int],
    *,
    size: tuple[int, int],
    colours: tuple[int, int],
    told: bool,
    pixels: str = "yuv420p",
) -> Path:
    """One colour, three times; `told`: whether the file says by which matrix and range it was made."""
    names = {1: "bt709", 6: "smpte170m"}
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "qp": "4"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = *size, pixels, 1
        if told:
            stream.codec_context.colorspace, stream.codec_context.color_range = colours
        source = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), rgb, dtype=np.uint8), format="rgb24")
        graph = av.filter.Graph()
        reach = {1: "limited", 2: "full"}[colours[1]]
        graph.link_nodes(
            graph.add_buffer(width=size[0], height=size[1], format=source.format, time_base=Fraction(1, FPS)),
            graph.add("scale", f"out_color_matrix={names[colours[0]]}:out_range={reach}"),
            graph.add("format", pixels),
            graph.add("buffersink"),
        ).configure()
        for index in range(3):
            source.pts, source.time_base = index, Fraction(1, FPS)
            graph.vpush(source)
            frame = graph.vpull()
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
