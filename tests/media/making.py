"""Makes real media files, small ones, with the libraries that a member's own programs use."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

RATE = 44_100


def picture(path: Path, size: tuple[int, int] = (640, 400), **options: Any) -> Path:
    noise = np.random.default_rng(7).integers(0, 255, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    image.save(path, **options)
    return path


def turned_jpeg(path: Path, orientation: int) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    return picture(path, exif=exif)


def clip(
    path: Path,
    *,
    seconds: float = 2,
    size: tuple[int, int] = (160, 90),
    codec: str = "libx264",
    sound: bool = False,
    movflags: str = "",
    fps: int = 24,
) -> Path:
    """Moving noise, with a tone for sound; written by FFmpeg's own muxer."""
    with av.open(path, "w", options={"movflags": movflags} if movflags else {}) as container:
        video: Any = container.add_stream(codec, rate=fps)  # Any: typed by codec name, which is a variable here
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.thread_count = 1
        video.options = {"preset": "ultrafast"} if codec in {"libx264", "libx265"} else {}
        if codec == "libx264":
            video.options = {"preset": "superfast", "bf": "2", "g": "24"}
        if codec == "libx265":
            video.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        tone = container.add_stream("aac", rate=RATE) if sound else None
        noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0] * 2, 3), dtype=np.uint8)
        for index in range(round(seconds * fps)):
            moved = np.ascontiguousarray(noise[:, index % size[0] :][:, : size[0]])
            frame = av.VideoFrame.from_ndarray(moved, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone is not None:
            _sing(container, tone, seconds)
    return path


def plain_clip(path: Path, *, side: int) -> Path:
    """One plain picture three times: large to decode, small on disk."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width = stream.height = side
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        frame = av.VideoFrame(side, side, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for index in range(3):
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(
    path: Path,
    *,
    seconds: float = 3,
    codec: str = "pcm_s16le",
    muxer: dict[str, str] | None = None,
    encoder: dict[str, str] | None = None,
) -> Path:
    with av.open(path, "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options=encoder or {})
        _sing(container, stream, seconds)
    return path


def _sing(container: Any, stream: Any, seconds: float) -> None:
    """A tone that comes and goes, so that a variable bit rate varies."""
    total = round(seconds * RATE)
    at = np.arange(total) / RATE
    noise = np.random.default_rng(3).normal(0, 0.2, total) * (np.sin(at * 2) > 0)
    samples = ((np.sin(at * 2765) * 0.3 + noise).clip(-1, 1) * 32_000).astype(np.int16)
    for start in range(0, total, 4096):
        frame = av.AudioFrame.from_ndarray(samples[start : start + 4096].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def turn_clip(source: Path, path: Path) -> Path:
    """A phone held upright: the track's matrix says to turn by 90 degrees."""
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def with_endless_times(data: bytes) -> bytes:
    """An MP4 whose table of times says that it is longer than any memory."""
    count = data.index(b"stts") + 8
    return data[:count] + struct.pack(">I", 0x0FFFFFFF) + data[count + 4 :]


def tell_fragments_length(source: Path, path: Path, *, ticks: int) -> Path:
    """An mehd box put into a fragmented file's index."""
    data = bytearray(source.read_bytes())
    added = box(b"mehd", struct.pack(">II", 0, ticks))
    place = data.index(b"mvex") + 4
    for kind in (b"mvex", b"moov"):
        start = data.index(kind) - 4
        data[start : start + 4] = struct.pack(">I", int.from_bytes(data[start : start + 4], "big") + len(added))
    data[place:place] = added
    path.write_bytes(data)
    return path
