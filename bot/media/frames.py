"""Single frames of a clip: the last one exactly, and any as it is shown. Only a child process loads this module."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL.Image import Image

from bot.domain.slots import Kind
from bot.media.probe import probe
from bot.media.reading import UnreadableError
from bot.media.streams import RGB, Size, displayed, graph, opened, scaled

_END = 2**40
"""In ticks: behind the end of every file."""
_PNG_LEVEL = 1
"""Higher ones take several times as long and save nothing on grain."""
_SCALING = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How frames are to become: RGB, or YUV with a matrix by its number in H.273."""

    width: int
    height: int
    pixels: str = "rgb24"
    matrix: int = RGB


def check_whole(path: Path) -> None:
    """A cut file often opens without a fault: its index must agree with its length. Raises UnreadableError."""
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    if info.kind is not Kind.VIDEO:
        raise UnreadableError(f"is {info.format.upper()}, not a video")


# -- the last frame


@dataclass(slots=True)
class Ending:
    """What came last out of a decoder, and whether anything was damaged since a key frame."""

    last: av.VideoFrame | None = None
    is_damaged: bool = False

    def add(self, frames: Iterable[av.VideoFrame]) -> None:
        for frame in frames:
            self.is_damaged = frame.is_corrupt or (self.is_damaged and not frame.key_frame)
            self.last = frame

    def at(self, wanted: int | None) -> av.VideoFrame | None:
        """None unless it is the frame of this time, and whole."""
        last = self.last
        return last if last is not None and last.pts == wanted and not self.is_damaged else None


def final_frame(path: Path) -> av.VideoFrame:
    """The frame shown last, as a decoder makes it that began at the first. Raises UnreadableError, av.FFmpegError."""
    frame = _final_frame(path, from_last_key=True) or _final_frame(path, from_last_key=False)
    if frame is None:
        raise UnreadableError("is damaged: its last frame cannot be decoded")
    return frame


def _final_frame(path: Path, *, from_last_key: bool) -> av.VideoFrame | None:
    try:
        with opened(path) as container:
            return _decoded_to_end(container, from_last_key=from_last_key)
    except av.error.InvalidDataError:
        return None


def _decoded_to_end(container: Any, *, from_last_key: bool) -> av.VideoFrame | None:  # Any: demux types no stream
    """None unless the frame with the greatest time came out, and nothing was damaged since the last key frame."""
    video = container.streams.video[0]
    wanted = _greatest_time(container, video, from_last_key=from_last_key)
    # In H.264 what no frame refers to need not be decoded. HEVC says so within a layer only.
    skips = from_last_key and video.codec_context.name == "h264"
    _go(container, video, from_last_key=from_last_key)
    ending = Ending()
    for packet in container.demux(video):
        video.codec_context.skip_frame = "NONREF" if skips and packet.pts != wanted else "DEFAULT"
        ending.add(packet.decode())
    return ending.at(wanted)


def _go(container: Any, video: Any, *, from_last_key: bool) -> None:  # Any: as above
    container.seek(_END if from_last_key else video.start_time or 0, stream=video)


def _greatest_time(container: Any, video: Any, *, from_last_key: bool) -> int | None:  # Any: as above
    """Of what the edit list leaves. Reading on to the end also completes the index of a file in fragments."""
    _go(container, video, from_last_key=from_last_key)
    shown = [packet for packet in container.demux(video) if packet.size and not packet.is_discard]
    return max((packet.pts for packet in shown if packet.pts is not None), default=None)


# -- as it is shown


def squeeze_of(path: Path) -> float:
    """A pixel's own width over its height, as the file says."""
    with opened(path) as container:
        return float(container.streams.video[0].sample_aspect_ratio or 1)


def save_frame(frame: av.VideoFrame, squeeze: float, output: Path) -> Image:
    """As a PNG. Twice the same frame gives the same bytes."""
    image = picture(frame, squeeze)
    image.save(output, format="PNG", compress_level=_PNG_LEVEL)
    return image


def picture(frame: av.VideoFrame, squeeze: float) -> Image:
    width, height = displayed(frame, squeeze)
    rgb: Any = Shaper(frame, squeeze, Shape(width=width, height=height)).shaped(frame)
    image: Image = rgb.to_image()  # PyAV gives it no types
    return image


class Shaper:
    """Frames that all look like `first`, turned, scaled inside black bars, and converted."""

    def __init__(self, first: av.VideoFrame, squeeze: float, shape: Shape) -> None:
        size = _inside(displayed(first, squeeze), shape)
        steps = scaled(first, size, flags=_SCALING, matrix=shape.matrix, pixels=shape.pixels)
        bars = f"{shape.width}:{shape.height}:(ow-iw)/2:(oh-ih)/2"
        self._graph = graph(first, [*steps, ("pad", bars)])

    def shaped(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._graph.vpush(frame)
        return self._graph.vpull()


def _inside(size: Size, shape: Shape) -> Size:
    """As large as it goes; whole pairs of pixels unless nothing has to be scaled."""
    if size == (shape.width, shape.height):
        return size
    scale = min(shape.width / size[0], shape.height / size[1])
    return min(_even(size[0] * scale), shape.width), min(_even(size[1] * scale), shape.height)


def _even(length: float) -> int:
    return max(round(length / 2) * 2, 2)
