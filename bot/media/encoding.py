"""Clips looked at, copied and encoded with FFmpeg. Only a child process loads this module."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import ThreadType
from av.container import InputContainer, OutputContainer

from bot.media.fit import BUFFER_SECONDS, Plan
from bot.media.reading import UnreadableError

THREADS = 2
_QUALITY = "18"
_PRESET = "superfast"
_RATE_MAX = 240
_RATE_USUAL = Fraction(24)
_SQUEEZE_MAX = 4
"""Pixels that are not square beyond this are a mistake of the file."""
_UNSPECIFIED, _RGB = 2, 0
_BT709, _SMPTE170M = 1, 6
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
"""By number in ISO/IEC 23091-2, as FFmpeg's `scale` calls them."""
_TV, _FULL = 1, 2
_HD_LINES = 720
_TURNS = {90: ("cclock",), 180: ("clock", "clock"), -180: ("clock", "clock"), -90: ("clock",)}
"""By degrees counterclockwise, as the display matrix says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a clip is. `width` and `height` as displayed: turned, with square pixels. `sound_codec` "": no sound."""

    width: int
    height: int
    turn: int
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


@contextlib.contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The format is pinned: guessing would let a text file name other files to open."""
    options = {"protocol_whitelist": "file"}
    with av.open(str(path), format="mov", options=options, metadata_errors="replace") as container:
        if not container.streams.video:
            raise UnreadableError("has no video")
        for stream in container.streams.video:
            stream.thread_count, stream.thread_type = THREADS, ThreadType.AUTO
        yield container


def _look(container: InputContainer, first: av.VideoFrame) -> Look:
    video, sounds = container.streams.video[0], container.streams.audio
    counted = {index: _Count() for index in range(len(container.streams))}
    for packet in container.demux():
        counted[packet.stream_index].add(packet)
    pictures, sound = counted[video.index], counted[sounds[0].index] if sounds else _Count()
    width, height, turn = _displayed(video, first)
    return Look(
        width=width,
        height=height,
        turn=turn,
        seconds=pictures.seconds(video.time_base or Fraction(1, 1000)),
        frames=pictures.packets,
        rate=min(video.average_rate or _RATE_USUAL, Fraction(_RATE_MAX)),
        fits_inline=_fits_inline(video, first),
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


def _fits_inline(video: Any, first: av.VideoFrame) -> bool:  # Any: the context is typed by kind only
    is_plain = video.codec_context.name == "h264" and first.format.name == "yuv420p" and first.color_range != _FULL
    return is_plain and first.width % 2 == 0 and first.height % 2 == 0


def _displayed(video: Any, first: av.VideoFrame) -> tuple[int, int, int]:  # Any: as above
    squeeze = float(video.sample_aspect_ratio or 1)
    width, height = first.width, first.height
    if 1 / _SQUEEZE_MAX <= squeeze <= _SQUEEZE_MAX:
        width = round(width * squeeze)
    turn = first.rotation if first.rotation in _TURNS else 0
    return (height, width, turn) if abs(turn) == 90 else (width, height, turn)  # noqa: PLR2004 (degrees)


# -- copied


def copy(path: Path, output: Path) -> None:
    """The first picture and the first sound in a new file whose index stands first."""
    with opened(path) as source, _made(output) as made:
        chosen = (source.streams.video[0], *source.streams.audio[:1])
        copies = {stream.index: made.add_stream_from_template(stream) for stream in chosen}
        for packet in source.demux(*chosen):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                made.mux(packet)


@contextlib.contextmanager
def _made(output: Path) -> Iterator[OutputContainer]:
    with av.open(str(output), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        yield container


# -- encoded


def encode(path: Path, output: Path, look: Look, plan: Plan) -> None:
    """H.264 in one pass at a steady quality, under a rate that a file of this plan cannot exceed."""
    with opened(path) as source, _made(output) as made:
        picture, sounds = source.streams.video[0], source.streams.audio[:1]
        tracks: dict[int, _Picture | _Sound | _Copied] = {picture.index: _Picture(made, picture, look, plan)}
        for sound in sounds:
            tracks[sound.index] = _Sound(made, sound, plan) if plan.sound_bits else _Copied(made, sound)
        for packet in source.demux(picture, *sounds):
            made.mux(tracks[packet.stream_index].take(packet))
        for track in tracks.values():
            made.mux(track.end())


class _Copied:
    """Sound that stays as it is."""

    def __init__(self, made: OutputContainer, source: Any) -> None:  # Any: PyAV types a template by its kind
        self._stream = made.add_stream_from_template(source)

    def take(self, packet: Any) -> list[Any]:  # Any: demux types no stream
        if packet.dts is None:
            return []
        packet.stream = self._stream
        return [packet]

    def end(self) -> list[Any]:
        return []


class _Sound:
    """Sound made anew as AAC, mono or stereo."""

    def __init__(self, made: OutputContainer, source: Any, plan: Plan) -> None:
        rate = 44_100 if source.rate == 44_100 else 48_000  # noqa: PLR2004 (hertz)
        self._stream = made.add_stream("aac", rate=rate, layout="mono" if source.channels == 1 else "stereo")
        self._stream.bit_rate = plan.sound_bits

    def take(self, packet: Any) -> list[Any]:
        return [made for frame in packet.decode() for made in self._stream.encode(frame)]

    def end(self) -> list[Any]:
        return self._stream.encode(None)


class _Picture:
    """Frames turned, scaled and made 8-bit 4:2:0, then encoded."""

    def __init__(self, made: OutputContainer, source: Any, look: Look, plan: Plan) -> None:
        self._source, self._look, self._plan = source, look, plan
        self._stream = made.add_stream("libx264", rate=look.rate, options=_x264(plan))
        self._stream.width, self._stream.height, self._stream.pix_fmt = plan.width, plan.height, "yuv420p"
        self._stream.codec_context.time_base = source.time_base
        self._stream.thread_count = THREADS
        self._graph: av.filter.Graph | None = None
        self._last = -(2**62)

    def take(self, packet: Any) -> list[Any]:
        return [made for frame in packet.decode() for made in self._encoded(frame)]

    def end(self) -> list[Any]:
        return self._stream.encode(None)

    def _encoded(self, frame: av.VideoFrame) -> list[Any]:
        if frame.pts is None or frame.pts <= self._last:
            return []
        if self._last == -(2**62):
            self._begin(frame)
        self._last = frame.pts
        shaped = self._shaped(frame)
        shaped.pict_type = 0  # else the source's own kinds of frames are forced on the encoder
        return self._stream.encode(shaped)

    def _begin(self, frame: av.VideoFrame) -> None:
        """The colours stay the source's own: only the range is changed."""
        usual = _usual_colours(frame)
        context = self._stream.codec_context
        context.colorspace = frame.colorspace if frame.colorspace in _MATRICES else usual
        context.color_primaries = usual if frame.color_primaries == _UNSPECIFIED else frame.color_primaries
        context.color_trc = usual if frame.color_trc == _UNSPECIFIED else frame.color_trc
        context.color_range = _TV
        as_is = frame.format.name == "yuv420p" and frame.color_range != _FULL and not self._look.turn
        if not (as_is and (frame.width, frame.height) == (self._plan.width, self._plan.height)):
            self._graph = _graph(frame, self._look.turn, self._plan)

    def _shaped(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._graph is None:
            return frame
        self._graph.vpush(frame)
        return self._graph.vpull()


def _x264(plan: Plan) -> dict[str, str]:
    kilobits = plan.video_bits // 1000
    vbv = f"vbv-maxrate={kilobits}:vbv-bufsize={int(kilobits * BUFFER_SECONDS)}"
    return {"preset": _PRESET, "crf": _QUALITY, "x264-params": vbv}


def _usual_colours(frame: av.VideoFrame) -> int:
    """What players take a picture for that does not say."""
    return _BT709 if frame.height >= _HD_LINES or frame.colorspace == _RGB else _SMPTE170M


def _graph(frame: av.VideoFrame, turn: int, plan: Plan) -> av.filter.Graph:
    """Both matrices are named: `scale` would turn one it is not told into BT.601."""
    matrix = _MATRICES.get(frame.colorspace, _MATRICES[_usual_colours(frame)])
    read_as = "" if frame.colorspace == _RGB else f":in_color_matrix={matrix}"
    ranges = f"in_range={'full' if frame.color_range == _FULL else 'auto'}:out_range=tv"
    graph = av.filter.Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
        *(graph.add("transpose", direction) for direction in _TURNS.get(turn, ())),
        graph.add("scale", f"{plan.width}:{plan.height}:flags=bicubic:{ranges}{read_as}:out_color_matrix={matrix}"),
        graph.add("setsar", "1"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph
