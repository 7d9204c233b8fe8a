"""The soundtrack: references laid out in time, mixed, peak limited, encoded."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.audio.resampler import AudioResampler
from av.filter.context import FilterContext

from bot.domain.slots import Slot
from bot.media.reading import UnreadableError
from bot.providers.animatic.shots import FRAMES_PER_SECOND, Sounding

RATE = 48_000
LAYOUT = "stereo"
FORMAT = "fltp"

_FADE_SECONDS = 0.02
_PEAK = 0.9
_DEMUXERS = {"mp3": "mp3", "wav": "wav", "mp4": "mov", "mov": "mov"}
_SAMPLES_PER_FRAME = RATE // FRAMES_PER_SECOND


def mixed(
    soundings: Sequence[Sounding], sources: Mapping[Slot, tuple[Path, str]], frames: int
) -> Iterator[av.AudioFrame]:
    """Everything at its time over silence, to the exact sample."""
    graph = av.filter.Graph()
    laid = [(one, _stretch(one, *sources[one.slot])) for one in soundings]
    heard = [(one, parts) for one, parts in laid if parts]
    seconds = Fraction(frames, FRAMES_PER_SECOND)
    mix = graph.add("amix", f"inputs={len(heard) + 1}:normalize=0:duration=first")
    silence = graph.add("anullsrc", f"r={RATE}:cl={LAYOUT}:d={float(seconds)}")
    silence.link_to(mix, 0, 0)
    entries = [_laid(graph, one, parts) for one, parts in heard]
    for place, (_, end) in enumerate(entries, start=1):
        end.link_to(mix, 0, place)
    limiter = graph.add("alimiter", f"limit={_PEAK}:level=0:latency=1")
    exact = graph.add("atrim", f"end_sample={frames * _SAMPLES_PER_FRAME}")
    shape = graph.add("aformat", f"sample_fmts={FORMAT}:sample_rates={RATE}:channel_layouts={LAYOUT}")
    sink = graph.add("abuffersink")
    graph.link_nodes(mix, limiter, exact, shape, sink).configure()
    for (entry, _), (_, parts) in zip(entries, heard, strict=True):
        _fill(entry, parts)
    yield from _drained(sink)


def _laid(graph: av.filter.Graph, one: Sounding, parts: Sequence[av.AudioFrame]) -> tuple[FilterContext, FilterContext]:
    """A stretch from its entry to its end: faded at both sides, at its loudness, moved to its start."""
    entry = graph.add_abuffer(sample_rate=RATE, format=FORMAT, layout=LAYOUT, time_base=Fraction(1, RATE))
    length = min(sum(part.samples for part in parts), one.frames * _SAMPLES_PER_FRAME)
    chain = [
        entry,
        graph.add("atrim", f"end_sample={length}"),
        graph.add("afade", f"t=in:d={_FADE_SECONDS}"),
        graph.add("afade", f"t=out:st={max(0.0, length / RATE - _FADE_SECONDS):.6f}:d={_FADE_SECONDS}"),
        graph.add("volume", f"{one.gain}"),
        graph.add("adelay", f"delays={one.start * _SAMPLES_PER_FRAME}S:all=1"),
    ]
    graph.link_nodes(*chain)
    return entry, chain[-1]


def _fill(entry: FilterContext, parts: Sequence[av.AudioFrame]) -> None:
    at = 0
    for part in parts:
        part.pts, part.time_base = at, Fraction(1, RATE)
        entry.push(part)
        at += part.samples
    entry.push(None)


def _drained(sink: FilterContext) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = sink.pull()
        except (av.EOFError, av.BlockingIOError):
            return
        if isinstance(frame, av.AudioFrame):
            yield frame


def _stretch(one: Sounding, path: Path, kind: str) -> list[av.AudioFrame]:
    try:
        return _decoded(path, kind, one.frames * _SAMPLES_PER_FRAME)
    except av.FFmpegError as error:
        raise UnreadableError(f"{one.slot} has no sound that can be decoded") from error


def _decoded(path: Path, kind: str, samples_max: int) -> list[av.AudioFrame]:
    """The beginning of a file's sound in our shape; nothing for a silent clip, what there is of a torn one."""
    parts: list[av.AudioFrame] = []
    with av.open(str(path), format=_DEMUXERS[kind], options={"protocol_whitelist": "file"}) as container:
        if not container.streams.audio:
            return []
        try:
            _resample(container, parts, samples_max)
        except av.FFmpegError:
            if not parts:
                raise
    return parts


def _resample(container: av.container.InputContainer, parts: list[av.AudioFrame], samples_max: int) -> None:
    resampler = AudioResampler(format=FORMAT, layout=LAYOUT, rate=RATE)
    for frame in container.decode(container.streams.audio[0]):
        frame.pts = None
        parts.extend(resampler.resample(frame))
        if sum(part.samples for part in parts) >= samples_max:
            return
    parts.extend(resampler.resample(None))
