"""Clips looked at, copied and encoded to fit. Only a child process loads this module."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from bot.media.fit import Plan, x264_under
from bot.media.reading import UnreadableError
from bot.media.streams import (
    RATE_USUAL,
    Colours,
    add_h264,
    begun,
    colours_of,
    displayed,
    graph,
    opened,
    plays_everywhere,
    scaled,
)

_RATE_MAX = 240
_SCALING = "bicubic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a clip is. `width` and `height` as displayed: turned, with square pixels. `sound_codec` "": no sound."""

    width: int
    height: int
    colours: Colours
    seconds: float
    frames: int
    rate: Fraction
    fits_inline: bool
    has_more: bool
    sound_codec: str
    sound_bytes: int
    sound_packets: int
    sound_seconds: float


def look_at(path: Path) -> Look:
    """Decodes one frame and reads every packet. Raises UnreadableError, av.FFmpegError."""
    with opened(path) as container:
        video = container.streams.video[0]
        first = next(container.decode(video), None)
    if first is None:
        raise UnreadableError("has no frame that can be decoded")
    with opened(path) as container:
        return _look(container, first)


def _look(container: InputContainer, first: av.VideoFrame) -> Look:
    video, sounds = container.streams.video[0], container.streams.audio
    counted = {index: _Count() for index in range(len(container.streams))}
    for packet in container.demux():
        counted[packet.stream_index].add(packet)
    pictures, sound = counted[video.index], counted[sounds[0].index] if sounds else _Count()
    width, height = displayed(first, float(video.sample_aspect_ratio or 1))
    return Look(
        width=width,
        height=height,
        colours=colours_of(first),
        seconds=pictures.seconds(video.time_base or Fraction(1, 1000)),
        frames=pictures.packets,
        rate=min(video.average_rate or RATE_USUAL, Fraction(_RATE_MAX)),
        fits_inline=plays_everywhere(video, first),
        has_more=len(container.streams) > 1 + bool(sounds),
        sound_codec=sounds[0].codec_context.name if sounds else "",
        sound_bytes=sound.size_bytes,
        sound_packets=sound.packets,
        sound_seconds=sound.seconds((sounds[0].time_base if sounds else None) or Fraction(1, 1000)),
    )


@dataclass(slots=True)
class _Count:
    """What passed of one stream; times in its own ticks."""

    packets: int = 0
    size_bytes: int = 0
    begin: int | None = None
    end: int = 0

    def add(self, packet: Any) -> None:  # Any: demux types no stream
        if packet.pts is None or not packet.size:
            return
        self.packets += 1
        self.size_bytes += packet.size
        self.begin = packet.pts if self.begin is None else min(self.begin, packet.pts)
        self.end = max(self.end, packet.pts + (packet.duration or 0))

    def seconds(self, time_base: Fraction) -> float:
        """Never shorter than its frames could be: a file may say anything about time."""
        return max(float((self.end - (self.begin or 0)) * time_base), self.packets / _RATE_MAX, 1 / _RATE_MAX)


def copy(path: Path, output: Path, *, sound_bits: int = 0) -> None:
    """The first picture as it is, and the first sound: made anew where `sound_bits` says how, else as it is too."""
    with opened(path) as source, begun(output) as container:
        picture = source.streams.video[0]
        _pour(source, container, {picture.index: _Copied(container, picture)}, sound_bits)


def encode(path: Path, output: Path, look: Look, plan: Plan) -> None:
    """H.264 in one pass at a steady quality, under a rate that a file of this plan cannot exceed."""
    with opened(path) as source, begun(output) as container:
        picture = source.streams.video[0]
        _pour(source, container, {picture.index: _Picture(container, picture, look, plan)}, plan.sound_bits)


def _pour(
    source: InputContainer, container: OutputContainer, tracks: "dict[int, _Picture | _Sound | _Copied]", bits: int
) -> None:
    for sound in source.streams.audio[:1]:
        tracks[sound.index] = _Sound(container, sound, bits) if bits else _Copied(container, sound)
    for packet in source.demux(*(stream for stream in source.streams if stream.index in tracks)):
        container.mux(tracks[packet.stream_index].take(packet))
    for track in tracks.values():
        container.mux(track.end())


class _Copied:
    """What stays as it is."""

    def __init__(self, container: OutputContainer, source: Any) -> None:  # Any: PyAV types a template by its kind
        self._stream = container.add_stream_from_template(source)

    def take(self, packet: Any) -> list[Any]:  # Any: demux types no stream
        if packet.dts is None:
            return []
        packet.stream = self._stream
        return [packet]

    def end(self) -> list[Any]:
        return []


class _Sound:
    """Sound made anew as AAC, mono or stereo."""

    def __init__(self, container: OutputContainer, source: Any, bits: int) -> None:
        rate = 44_100 if source.rate == 44_100 else 48_000  # noqa: PLR2004 (hertz)
        self._stream = container.add_stream("aac", rate=rate, layout="mono" if source.channels == 1 else "stereo")
        self._stream.bit_rate = bits

    def take(self, packet: Any) -> list[Any]:
        return [one for frame in packet.decode() for one in self._stream.encode(frame)]

    def end(self) -> list[Any]:
        return self._stream.encode(None)


class _Picture:
    """Frames turned, scaled and made 8-bit 4:2:0, then encoded."""

    def __init__(self, container: OutputContainer, source: Any, look: Look, plan: Plan) -> None:  # Any: as above
        self._size, self._matrix = (plan.width, plan.height), look.colours.matrix
        self._stream = add_h264(
            container,
            self._size,
            rate=look.rate,
            time_base=source.time_base,
            colours=look.colours,
            options=x264_under(plan.video_bits),
        )
        self._graph: av.filter.Graph | None = None
        self._last = -(2**62)

    def take(self, packet: Any) -> list[Any]:
        return [one for frame in packet.decode() for one in self._encoded(frame)]

    def end(self) -> list[Any]:
        return list(self._stream.encode(None))

    def _encoded(self, frame: av.VideoFrame) -> list[Any]:
        if frame.pts is None or frame.pts <= self._last:
            return []
        self._last = frame.pts
        if self._graph is None:
            self._graph = graph(frame, scaled(frame, self._size, flags=_SCALING, matrix=self._matrix))
        self._graph.vpush(frame)
        shaped = self._graph.vpull()
        shaped.pict_type = 0  # else the source's own kinds of frames are forced on the encoder
        return list(self._stream.encode(shaped))
