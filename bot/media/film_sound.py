"""The sound of a film: every clip's own under its picture, faded into the next. Only a child process loads this."""

from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from bot.media.joints import CHANNELS, FADE_SECONDS, faded, going_on
from bot.media.streams import opened
from bot.media.takes import Take, faults_of

RATE = 48_000
_BITS = 192_000
_FADE_SAMPLES = round(FADE_SECONDS * RATE)
_CHUNK_SAMPLES = 4_096
_GAP_SAMPLES = RATE // 50
"""A file's times are coarse: sound moves only where it is further off than this."""


class FilmSound:
    """Clips come in order, and one clip's sound at a time is held in memory."""

    def __init__(self, made: OutputContainer) -> None:
        self._made = made
        self._stream = made.add_stream("aac", rate=RATE, layout="stereo")
        self._stream.bit_rate = _BITS
        self._written = 0
        self._over = array("h")

    def add(self, take: Take, *, seconds: Fraction, end: Fraction) -> None:
        """`seconds`: how long its picture is; `end`: when the next one's begins in the film."""
        with faults_of(take.number):
            own = clip_sound(take.path, take.begin, _samples(seconds))
        fade = min(len(self._over), len(own))
        own[:fade] = faded(self._over[:fade], own[:fade])
        length = max(_samples(end) - self._written, 0)
        self._over = going_on(own, length, _FADE_SAMPLES)
        self._write(going_on(own, 0, length))

    def close(self) -> None:
        self._made.mux(self._stream.encode(None))

    def _write(self, samples: "array[int]") -> None:
        for start in range(0, len(samples), _CHUNK_SAMPLES * CHANNELS):
            chunk = samples[start : start + _CHUNK_SAMPLES * CHANNELS]
            frame = av.AudioFrame("s16", "stereo", len(chunk) // CHANNELS)
            plane = frame.planes[0]  # longer than its samples, for the sake of alignment
            plane.update(chunk.tobytes().ljust(plane.buffer_size, b"\0"))
            frame.sample_rate, frame.pts, frame.time_base = RATE, self._written, Fraction(1, RATE)
            self._made.mux(self._stream.encode(frame))
            self._written += frame.samples


def clip_sound(path: Path, begin: Fraction, count: int) -> "array[int]":
    """So many stereo samples from `begin` on, each at its own time; silence where the clip has none."""
    sound = array("h", bytes(count * CHANNELS * 2))
    with opened(path) as container:
        if not container.streams.audio:
            return sound
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
        at = None
        for frame in _resampled(container, resampler):
            told = _samples(frame.pts * frame.time_base - begin)
            at = told if at is None or abs(told - at) > _GAP_SAMPLES else at
            _place(sound, at, bytes(frame.planes[0])[: frame.samples * CHANNELS * 2])
            at += frame.samples
    return sound


def _resampled(container: Any, resampler: av.AudioResampler) -> Any:  # Any: frames of a stream typed by kind only
    for frame in container.decode(container.streams.audio[0]):
        if frame.pts is not None:
            yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _place(sound: "array[int]", at: int, data: bytes) -> None:
    samples = array("h", data)
    begin, skipped = max(at, 0), max(-at, 0)
    fitting = samples[skipped * CHANNELS : max(len(sound) - at * CHANNELS, 0)]
    sound[begin * CHANNELS : begin * CHANNELS + len(fitting)] = fitting


def _samples(seconds: Fraction) -> int:
    return round(seconds * RATE)
