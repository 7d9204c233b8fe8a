"""The clips of a film looked at before they are joined. Only a child process loads this module."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from PIL.Image import Image, Resampling

from bot.media.frames import check_whole, picture
from bot.media.joints import JOINT_HEIGHT, JOINT_WIDTH
from bot.media.reading import UnreadableError
from bot.media.streams import RATE_USUAL, Colours, colours_of, decoding, displayed, opened, plays_everywhere

SECONDS_MAX = 1800
_RATES = tuple(
    Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_RATE_MIN, _RATE_MAX = Fraction(1), Fraction(60)
_RATE_TOLERANCE = 0.001
_RATE_PARTS_MAX = 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A clip of the film. `width` and `height` as displayed; `begin` and `length` of its picture in seconds."""

    number: int
    path: Path
    ending: Path | None
    """A picture of its last frame, where one is kept."""
    width: int
    height: int
    squeeze: float
    colours: Colours
    rate: Fraction
    time_base: Fraction
    first: int
    """The first frame's time in the clip's own ticks."""
    begin: Fraction
    length: Fraction
    frames: int
    decode_first: int
    decode_last: int
    has_sound: bool
    is_copyable: bool
    agreement: tuple[object, ...]
    """Clips can be copied behind one another when it is equal."""
    head: bytes
    """The first frame's luma, small."""

    def beats(self, ticks: int, rate: Fraction) -> Fraction:
        """A time in its own ticks as a number of frames since the first."""
        return (ticks - self.first) * self.time_base * rate


@contextmanager
def faults_of(number: int) -> Iterator[None]:
    """Refusals that say which clip it is."""
    try:
        with decoding():
            yield
    except UnreadableError as error:
        raise UnreadableError(f"clip {number} {error}") from error


def look(path: Path, number: int, ending: Path | None = None) -> Take:
    """Decodes one frame and reads every packet. Raises UnreadableError."""
    with faults_of(number):
        check_whole(path)
        with opened(path) as container:
            first = next(container.decode(container.streams.video[0]), None)
        if first is None:
            raise UnreadableError("has no frame that can be decoded")
        with opened(path) as container:
            return replace(_take(path, container, first), number=number, ending=ending)


def _take(path: Path, container: Any, first: av.VideoFrame) -> Take:  # Any: demux types no stream
    video = container.streams.video[0]
    packets = [_Packet(packet) for packet in container.demux(video) if packet.size]
    shown = [packet for packet in packets if packet.is_shown]
    if not shown:
        raise UnreadableError("has no frame that is shown")
    times = sorted(packet.time for packet in shown)
    rate, is_even = _beat(times, video)
    is_whole = len(shown) == len(packets) and packets[0].is_key and None not in {one.decode for one in packets}
    squeeze = float(video.sample_aspect_ratio or 1)
    width, height = displayed(first, squeeze)
    decode = [packet.decode for packet in packets if packet.decode is not None]
    return Take(
        number=0,
        path=path,
        ending=None,
        width=width,
        height=height,
        squeeze=squeeze,
        colours=colours_of(first),
        rate=rate,
        time_base=video.time_base,
        first=times[0],
        begin=times[0] * video.time_base,
        length=len(times) / rate if is_even else _length(shown, rate, video.time_base),
        frames=len(times),
        decode_first=min(decode, default=0),
        decode_last=max(decode, default=0),
        has_sound=bool(container.streams.audio),
        is_copyable=is_whole and is_even and plays_everywhere(video, first) and not first.rotation,
        agreement=(first.width, first.height, rate, video.sample_aspect_ratio, video.codec_context.extradata),
        head=luma_of(picture(first, squeeze)),
    )


class _Packet:
    """What is remembered of one, without its bytes."""

    __slots__ = ("decode", "duration", "is_key", "is_shown", "time")

    def __init__(self, packet: Any) -> None:  # Any: as above
        self.time: int = packet.pts or 0
        self.decode: int | None = packet.dts
        self.duration: int = packet.duration or 0
        self.is_key: bool = packet.is_keyframe
        self.is_shown: bool = packet.pts is not None and not packet.is_discard


def _length(shown: list[_Packet], rate: Fraction, time_base: Fraction) -> Fraction:
    begin, last = min(one.time for one in shown), max(shown, key=lambda one: one.time)
    length = (last.time - begin) * time_base + max(last.duration * time_base, 1 / rate)
    if length > SECONDS_MAX:
        raise UnreadableError(f"is longer than {SECONDS_MAX // 60} minutes")
    return length


def _beat(times: list[int], video: Any) -> tuple[Fraction, bool]:  # Any: the stream is typed by kind only
    """Frames per second, and whether each frame stands within a tick of its place."""
    gaps = sorted(after - before for before, after in pairwise(times) if after > before)
    if not gaps:
        return _usual(video.average_rate or RATE_USUAL), len(times) == 1
    rate = _usual((len(times) - 1) / ((times[-1] - times[0]) * video.time_base))
    tick = video.time_base * rate
    places = ((time - times[0]) * tick for time in times)
    if all(abs(place - at) <= min(tick, Fraction(1, 4)) for at, place in enumerate(places)):
        return rate, True
    return _usual(1 / (gaps[len(gaps) // 2] * video.time_base)), False


def _usual(rate: Fraction) -> Fraction:
    near = min(_RATES, key=lambda one: abs(one - rate))
    if abs(near / rate - 1) <= _RATE_TOLERANCE:
        return near
    return min(max(rate, _RATE_MIN), _RATE_MAX).limit_denominator(_RATE_PARTS_MAX)


def luma_of(image: Image) -> bytes:
    """Small, for comparing."""
    return image.convert("L").resize((JOINT_WIDTH, JOINT_HEIGHT), Resampling.BILINEAR).tobytes()
