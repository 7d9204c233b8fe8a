"""FFmpeg as it is used here: files opened and made, frames upright and in known colours, H.264 set up.

Only a child process loads this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
from av.codec.context import ThreadType
from av.container import InputContainer, OutputContainer

from bot.domain.changes import PIXELS_MAX
from bot.domain.slots import Kind
from bot.media.reading import UnreadableError

THREADS = 2
RATE_USUAL = Fraction(24)
RGB, BT709 = 0, 1
"""Matrices by their number in H.273: https://www.itu.int/rec/T-REC-H.273."""

_SMPTE170M, _BT2020, _BT2020_CONSTANT = 6, 9, 10
_MATRICES = {BT709: "bt709", 4: "fcc", 5: "bt470bg", _SMPTE170M: "smpte170m", 7: "smpte240m", _BT2020: "bt2020"}
"""What FFmpeg's `scale` knows of them."""
_UNSPECIFIED = 2
_TV, _FULL = 1, 2
_WIDE_TRANSFERS = frozenset({16, 18})
"""PQ and HLG, in which phones film."""
_HD_LINES = 720
_TURNS = {90: ("cclock",), 180: ("clock", "clock"), -180: ("clock", "clock"), -90: ("clock",)}
"""By degrees counterclockwise, as the display matrix says."""
_QUARTER = 90
_SQUEEZE_MIN, _SQUEEZE_MAX = 0.01, 4
"""Pixels less oblong than this are left as they are, beyond four to one they are a mistake of the file."""

Size = tuple[int, int]
Step = tuple[str, str]


class Reader(Protocol):
    """A file that can only be read on and on."""

    def read(self, count: int, /) -> bytes: ...


class Colours(NamedTuple):
    """By their numbers in H.273."""

    matrix: int
    primaries: int
    transfer: int


ORDINARY = Colours(BT709, BT709, BT709)
"""An HD screen's."""


# -- files


@contextmanager
def opened(source: Path | Reader, demuxer: str = "mov", **options: str) -> Iterator[InputContainer]:
    """A clip must have video of a size that can be worked on.

    The format is pinned: guessing would let a text file name other files to open.
    """
    safe = {"protocol_whitelist": "file"}
    file: Any = str(source) if isinstance(source, Path) else source  # Any: PyAV's types ask for a whole file object
    with av.open(file, format=demuxer, options=options | safe, metadata_errors="replace") as container:
        if demuxer == "mov":
            _check_video(container)
        for stream in container.streams.video:
            stream.thread_count, stream.thread_type = THREADS, ThreadType.AUTO
        yield container


def _check_video(container: InputContainer) -> None:
    if not container.streams.video:
        raise UnreadableError("has no video")
    video: Any = container.streams.video[0]  # Any: PyAV's types deny that the codec may be unknown
    if video.codec_context is None:
        raise UnreadableError("is a video of a kind that cannot be decoded")
    width, height = video.width, video.height
    if width * height > PIXELS_MAX[Kind.VIDEO]:
        raise UnreadableError(f"is a video of {width:,}×{height:,} pixels, which is more than can be worked on")


@contextmanager
def decoding() -> Iterator[None]:
    """What FFmpeg makes no sense of becomes a refusal; what this machine lacks stays what it is."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError | MemoryError):
            raise
        raise UnreadableError("cannot be decoded") from error


@contextmanager
def begun(output: Path, muxer: str = "mp4", **options: str) -> Iterator[OutputContainer]:
    """An MP4's index stands first."""
    faststart = {"movflags": "+faststart"} if muxer == "mp4" else {}
    with av.open(str(output), "w", format=muxer, options=faststart | options) as container:
        yield container


def add_h264(
    container: OutputContainer,
    size: Size,
    *,
    rate: Fraction,
    time_base: Fraction,
    colours: Colours,
    options: Mapping[str, str],
) -> Any:  # Any: encoding and muxing are typed by kind only
    """8 bits, 4:2:0, limited range."""
    stream = container.add_stream("libx264", rate=rate, options=dict(options))
    stream.thread_count = THREADS
    context = stream.codec_context
    context.width, context.height, context.pix_fmt, context.time_base = *size, "yuv420p", time_base
    context.colorspace, context.color_primaries, context.color_trc = colours
    context.color_range = _TV
    return stream


# -- frames


def displayed(frame: av.VideoFrame, squeeze: float) -> Size:
    """Width and height, turned, with square pixels; `squeeze` is a pixel's own width over its height."""
    oblong = abs(squeeze - 1) > _SQUEEZE_MIN and 1 / _SQUEEZE_MAX <= squeeze <= _SQUEEZE_MAX
    width = round(frame.width * squeeze) if oblong else frame.width
    return (frame.height, width) if abs(frame.rotation) == _QUARTER else (width, frame.height)


def plays_everywhere(video: Any, first: av.VideoFrame) -> bool:  # Any: the stream is typed by kind only
    """As it is stored, H.264 that clients show in the right colours."""
    is_plain = video.codec_context.name == "h264" and first.format.name == "yuv420p" and not _is_full(first)
    return is_plain and not _is_wide(first) and first.width % 2 == 0 and first.height % 2 == 0


def matrix_of(frame: av.VideoFrame) -> int:
    """The matrix that turns it into RGB: HD that names none means BT.709."""
    if frame.colorspace in _MATRICES:
        return frame.colorspace
    if frame.colorspace == _BT2020_CONSTANT:  # the closest that FFmpeg knows
        return _BT2020
    return BT709 if frame.height >= _HD_LINES or frame.colorspace == RGB else _SMPTE170M


def colours_of(frame: av.VideoFrame) -> Colours:
    """What frames like it have once they are limited to 8 bits; what goes with the matrix where they do not tell."""
    if _is_wide(frame):
        return ORDINARY
    matrix = matrix_of(frame)
    told = (int(frame.color_primaries), int(frame.color_trc))
    return Colours(matrix, *(matrix if one == _UNSPECIFIED else one for one in told))


def graph(first: av.VideoFrame, steps: Sequence[Step]) -> av.filter.Graph:
    """For frames like `first`: upright, then through every step."""
    filters = av.filter.Graph()
    filters.threads = 1
    filters.link_nodes(
        filters.add_buffer(width=first.width, height=first.height, format=first.format, time_base=first.time_base),
        *(filters.add("transpose", direction) for direction in _TURNS.get(first.rotation, ())),
        *(filters.add(name, options) for name, options in steps),
        filters.add("setsar", "1"),
        filters.add("buffersink"),
    ).configure()
    return filters


def scaled(first: av.VideoFrame, size: Size, *, flags: str, matrix: int, pixels: str = "yuv420p") -> list[Step]:
    """Another size, matrix and layout. Everything is said outright: a filter would guess what the frame does not tell.

    What is wider than a screen's colours is brought into them.
    """
    into = "out_range=full" if matrix == RGB else f"out_color_matrix={_MATRICES[matrix]}:out_range=limited"
    shape = f"{size[0]}:{size[1]}:flags={flags}"
    if not _is_wide(first):
        return [("scale", f"{shape}:{_read_as(first)}:{into}"), ("format", pixels)]
    # Small first: what follows takes seconds to begin and then goes by the pixel.
    ordinary = f"{into}:out_primaries=bt709:out_transfer=bt709:intent=perceptual"
    return [("scale", shape), ("scale", ordinary), ("format", pixels)]


def _read_as(frame: av.VideoFrame) -> str:
    if frame.format.is_rgb:
        return "in_range=full"
    return f"in_color_matrix={_MATRICES[matrix_of(frame)]}:in_range={'full' if _is_full(frame) else 'limited'}"


def _is_full(frame: av.VideoFrame) -> bool:
    return frame.color_range == _FULL or frame.format.name.startswith("yuvj")


def _is_wide(frame: av.VideoFrame) -> bool:
    return frame.color_trc in _WIDE_TRANSFERS
