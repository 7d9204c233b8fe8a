"""Clips joined into one film with FFmpeg. Only a child process loads this module.

A film's frames are those that are shown for a whole frame's time. A doubled frame at a joint is none of them: encoded
films do not have it, in copied ones it is there for one tick, because others refer to it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from PIL import Image

from bot.media.film_sound import FilmSound
from bot.media.frames import Shape, Shaper, final_frame, picture
from bot.media.joints import JOINT_HEIGHT, JOINT_WIDTH, is_doubled
from bot.media.streams import add_h264, begun, opened
from bot.media.takes import Take, faults_of, luma_of

_TICKS_MIN = 10_000
_QUALITY, _PRESET = "18", "veryfast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The film's time: every frame has whole ticks."""

    ticks_per_second: int
    ticks_per_frame: int

    def seconds(self, ticks: int) -> Fraction:
        return Fraction(ticks, self.ticks_per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What came out; `joints` counts the doubled frames that are not shown."""

    frames: int
    joints: int
    seconds: float
    width: int
    height: int


def clock_of(rate: Fraction) -> Clock:
    factor = 1
    while rate.numerator * factor < _TICKS_MIN:
        factor *= 2
    return Clock(ticks_per_second=rate.numerator * factor, ticks_per_frame=rate.denominator * factor)


def _made(output: Path, clock: Clock) -> AbstractContextManager[OutputContainer]:
    # A clip's picture comes before its sound: the muxer holds it until the sound has caught up.
    return begun(output, video_track_timescale=str(clock.ticks_per_second), max_interleave_delta="0")


def _sound(made: OutputContainer, takes: Sequence[Take]) -> FilmSound | None:
    return FilmSound(made) if any(take.has_sound for take in takes) else None


# -- copied


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A take in the film; `end` is where the next one begins. In ticks."""

    take: Take
    start: int
    end: int

    def at(self, ticks: int, clock: Clock) -> int:
        return self.start + round(self.take.beats(ticks, self.take.rate)) * clock.ticks_per_frame


def copied(takes: Sequence[Take], output: Path) -> Film | None:
    """The pictures as they are, the sound made anew; None where the streams do not agree."""
    if not all(take.is_copyable and take.agreement == takes[0].agreement for take in takes):
        return None
    clock = clock_of(takes[0].rate)
    doubled = [_meet(before, after) for before, after in pairwise(takes)]
    placed = _placed(takes, doubled, clock)
    if not _rises(placed, clock):
        return None
    with _made(output, clock) as made:
        with opened(takes[0].path) as template:
            track = made.add_stream_from_template(template.streams.video[0])
        sound = _sound(made, takes)
        for one in placed:
            _copy(one, made, track, clock)
            if sound:
                sound.add(one.take, seconds=one.take.length, end=clock.seconds(one.end))
        if sound:
            sound.close()
    return Film(
        frames=sum(take.frames for take in takes) - sum(doubled),
        joints=sum(doubled),
        seconds=float(clock.seconds(placed[-1].end)),
        width=takes[0].width,
        height=takes[0].height,
    )


def _meet(before: Take, after: Take) -> bool:
    with faults_of(before.number):
        ending = _kept_ending(before) or picture(final_frame(before.path), before.squeeze)
        return is_doubled(luma_of(ending), after.head)


def _kept_ending(take: Take) -> Image.Image | None:
    """Decoding a clip up to its last frame costs several times as much as all the rest."""
    if take.ending is None:
        return None
    with contextlib.suppress(OSError), Image.open(take.ending) as image:
        if image.size == (take.width, take.height):
            return image.convert("RGB")
    return None


def _placed(takes: Sequence[Take], doubled: Sequence[bool], clock: Clock) -> list[_Placed]:
    """Behind a doubled frame the next clip begins one frame early and one tick late."""
    starts = [0]
    for take, is_joint in zip(takes, [*doubled, False], strict=True):
        starts.append(starts[-1] + (take.frames - is_joint) * clock.ticks_per_frame + is_joint)
    return [
        _Placed(take=take, start=start, end=end) for take, (start, end) in zip(takes, pairwise(starts), strict=True)
    ]


def _rises(placed: Sequence[_Placed], clock: Clock) -> bool:
    """Whether the times of decoding do, across every joint."""
    return all(
        before.at(before.take.decode_last, clock) < after.at(after.take.decode_first, clock)
        for before, after in pairwise(placed)
    )


def _copy(placed: _Placed, made: OutputContainer, track: Any, clock: Clock) -> None:  # Any: typed by template only
    with faults_of(placed.take.number), opened(placed.take.path) as source:
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts, packet.dts = placed.at(packet.pts, clock), placed.at(packet.dts, clock)
            packet.duration, packet.time_base = clock.ticks_per_frame, Fraction(1, clock.ticks_per_second)
            packet.stream = track
            made.mux(packet)


# -- encoded


def encoded(takes: Sequence[Take], output: Path) -> Film:
    """Every frame made anew in the first clip's shape and rate, inside black bars where the shapes differ."""
    clock = clock_of(takes[0].rate)
    with _made(output, clock) as made:
        pictures, sound = _Picture(made, takes[0], clock), _sound(made, takes)
        pictures.add(takes[0])
        for before, take in pairwise(takes):
            own = pictures.own_seconds
            pictures.add(take)
            if sound:
                sound.add(before, seconds=own, end=pictures.start_seconds)
        pictures.close()
        if sound:
            sound.add(takes[-1], seconds=pictures.own_seconds, end=pictures.seconds)
            sound.close()
    return Film(
        frames=pictures.frames,
        joints=pictures.joints,
        seconds=float(pictures.seconds),
        width=pictures.shape.width,
        height=pictures.shape.height,
    )


class _Picture:
    """The newest frame is held back until it is known whether the next clip begins with it again."""

    def __init__(self, made: OutputContainer, first: Take, clock: Clock) -> None:
        self.frames = self.joints = 0
        self._start = self._own = 0
        self._made, self._clock, self._rate = made, clock, first.rate
        size = _even(first.width), _even(first.height)
        self.shape = Shape(width=size[0], height=size[1], pixels="yuv420p", matrix=first.colours.matrix)
        self._held: av.VideoFrame | None = None
        self._stream = add_h264(
            made,
            size,
            rate=first.rate,
            time_base=Fraction(1, clock.ticks_per_second),
            colours=first.colours,
            options={"preset": _PRESET, "crf": _QUALITY},
        )

    @property
    def seconds(self) -> Fraction:
        return self.frames / self._rate

    @property
    def start_seconds(self) -> Fraction:
        """Where the newest clip begins."""
        return self._start / self._rate

    @property
    def own_seconds(self) -> Fraction:
        """What the newest clip has, with a frame that may prove to be doubled."""
        return self._own / self._rate

    def add(self, take: Take) -> None:
        frames = _on_beat(take, self.shape, self._rate)
        first = next(frames)  # a take has one: it was decoded when the clip was looked at
        if self._held is not None and is_doubled(_small(self._held), _small(first)):
            self.joints += 1
        else:
            self._release()
        self._start, self._own, self._held = self.frames, 1, first
        for frame in frames:
            self._release()
            self._held = frame
            self._own += 1

    def close(self) -> None:
        self._release()
        self._made.mux(self._stream.encode(None))

    def _release(self) -> None:
        if self._held is None:
            return
        self._held.pts = self.frames * self._clock.ticks_per_frame
        self._held.time_base = Fraction(1, self._clock.ticks_per_second)
        self._held.pict_type = 0  # else the source's own kinds of frames are forced on the encoder
        self._made.mux(self._stream.encode(self._held))
        self._held = None
        self.frames += 1


def _on_beat(take: Take, shape: Shape, rate: Fraction) -> Iterator[av.VideoFrame]:
    """At each beat the newest frame; at least one."""
    length = max(round(take.length * rate), 1)
    beat, held = 0, None
    for frame in _shaped(take, shape):
        # A quarter of a frame is what coarse times are off.
        place = ceil(take.beats(frame.pts or 0, rate) - Fraction(1, 4))
        while held is not None and beat < min(place, length):
            yield held
            beat += 1
        held = frame
    while held is not None and beat < length:
        yield held
        beat += 1


def _shaped(take: Take, shape: Shape) -> Iterator[av.VideoFrame]:
    with faults_of(take.number), opened(take.path) as source:
        shaper = None
        for frame in source.decode(source.streams.video[0]):
            if frame.pts is None:
                continue
            shaper = shaper or Shaper(frame, take.squeeze, shape)
            pts = frame.pts
            made = shaper.shaped(frame)
            made.pts = pts
            yield made


def _even(length: int) -> int:
    return max(round(length / 2) * 2, 2)


def _small(frame: av.VideoFrame) -> bytes:
    """Its luma, for comparing."""
    plane = frame.reformat(width=JOINT_WIDTH, height=JOINT_HEIGHT, format="gray").planes[0]
    rows = bytes(plane)
    return b"".join(rows[at : at + JOINT_WIDTH] for at in range(0, JOINT_HEIGHT * plane.line_size, plane.line_size))
