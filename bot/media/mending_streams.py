"""Videos and sounds made anew with FFmpeg: cut, upright, scaled, as H.264. Only a child process loads this module."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from bot.domain.changes import Change
from bot.media.fit import rate_within, x264_under
from bot.media.reading import UnreadableError
from bot.media.streams import ORDINARY, RATE_USUAL, add_h264, begun, graph, opened, scaled

FRAMES_PER_SECOND_MAX = 60
"""What slow motion has beyond it shows nothing to a model: https://docs.byteplus.com/en/docs/ModelArk/1520757."""
_TICKS = 90_000
_INDEX_SHARE = 0.98
_BITS_MIN = 100_000
_SOUND_BITS = 192_000
_RATE_MAX = 48_000
_MP3_RATES = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_SCALING = "lanczos"


def mend_video(path: Path, output: Path, change: Change) -> None:
    """H.264 with 8 bits and AAC in an MP4 whose index stands first. Raises UnreadableError, av.FFmpegError."""
    with opened(path) as source, begun(output) as container:
        video = source.streams.video[0]
        begin = Fraction(video.start_time or 0) * (video.time_base or 0)
        picture = _Picture(container, video, change, begin)
        tracks: dict[int, _Picture | _Sound] = {video.index: picture}
        for sound in source.streams.audio[:1]:
            stream = container.add_stream("aac", rate=_sound_rate(sound), layout=_layout(sound))
            stream.bit_rate = _SOUND_BITS
            tracks[sound.index] = _Sound(stream, sound, change.duration_ms, begin)
        _pour(source, container, tracks)
        if not picture.frames:
            raise UnreadableError("has no frame that can be decoded")


def mend_sound(path: Path, output: Path, change: Change) -> None:
    """WAV stays WAV, as 16-bit PCM; MP3 stays MP3. Raises UnreadableError, av.FFmpegError."""
    with opened(path, change.before.format) as source, begun(output, change.format) as container:
        if not source.streams.audio:
            raise UnreadableError("has no sound in it")
        sound = source.streams.audio[0]
        codec = "libmp3lame" if change.format == "mp3" else "pcm_s16le"
        stream: Any = container.add_stream(
            codec, rate=_sound_rate(sound), layout=_layout(sound)
        )  # Any: typed by codec name
        if change.format == "mp3":
            stream.bit_rate = _SOUND_BITS
        track = _Sound(stream, sound, change.duration_ms)
        _pour(source, container, {sound.index: track})
        if not track.samples:
            raise UnreadableError("has no sound that can be decoded")


def _pour(source: InputContainer, container: OutputContainer, tracks: "dict[int, _Picture | _Sound]") -> None:
    """Every track until it has enough; the rest of a long file is not even read."""
    chosen = [stream for stream in source.streams if stream.index in tracks]
    for packet in source.demux(*chosen):
        track = tracks[packet.stream_index]
        if not track.is_full:
            container.mux(track.take(packet))
        if all(one.is_full for one in tracks.values()):
            break
    for track in tracks.values():
        container.mux(track.end())


class _Picture:
    """Frames turned, scaled and made 8-bit 4:2:0, then encoded at their own times, `begin` being zero."""

    def __init__(
        self, container: OutputContainer, source: Any, change: Change, begin: Fraction
    ) -> None:  # Any: typed by kind
        rate = min(source.average_rate or RATE_USUAL, Fraction(FRAMES_PER_SECOND_MAX))
        self._stream = add_h264(
            container,
            (change.width, change.height),
            rate=rate,
            time_base=Fraction(1, _TICKS),
            colours=ORDINARY,
            options=_x264(change),
        )
        self._change, self._rate, self._begin = change, rate, begin
        self._graph: av.filter.Graph | None = None
        self._next = Fraction(0)
        self.frames = 0
        self.is_full = False

    def take(self, packet: Any) -> list[Any]:
        return [one for frame in packet.decode() for one in self._encoded(frame)]

    def end(self) -> list[Any]:
        return self._stream.encode(None) if self.frames else []

    def _encoded(self, frame: av.VideoFrame) -> list[Any]:
        if frame.pts is None or frame.time_base is None:
            return []
        time = frame.pts * frame.time_base - self._begin
        # A frame lasts until the next: the last one, too, must end within the length.
        if time + 1 / self._rate > Fraction(self._change.duration_ms + 1, 1000):
            self.is_full = True
        if self.is_full or time < self._next:
            return []
        self._next = time + Fraction(9, 10 * FRAMES_PER_SECOND_MAX)
        self.frames += 1
        return list(self._stream.encode(self._shaped(frame, time)))

    def _shaped(self, frame: av.VideoFrame, time: Fraction) -> av.VideoFrame:
        if self._graph is None:
            size = (self._change.width, self._change.height)
            self._graph = graph(frame, scaled(frame, size, flags=_SCALING, matrix=ORDINARY.matrix))
        self._graph.vpush(frame)
        shaped = self._graph.vpull()
        shaped.pict_type = 0  # else the source's own kinds of frames are forced on the encoder
        shaped.pts, shaped.time_base = int(time * _TICKS), Fraction(1, _TICKS)
        return shaped


def _x264(change: Change) -> dict[str, str]:
    seconds = change.duration_ms / 1000
    bits = change.bytes_max * 8 * _INDEX_SHARE - _SOUND_BITS * seconds
    return x264_under(max(rate_within(bits, seconds), _BITS_MIN))


class _Sound:
    """Samples as mono or stereo, silence where the source has holes, exactly as many as the length takes.

    `begin` is the source's time that becomes zero; None: that of its first sample.
    """

    def __init__(self, stream: Any, source: Any, duration_ms: int, begin: Fraction | None = None) -> None:
        self._stream, self._source, self._begin = stream, source, begin
        self._samples_max = duration_ms * stream.rate // 1000
        self._graph: av.filter.Graph | None = None
        self.samples = 0
        self.is_full = False

    def take(self, packet: Any) -> list[Any]:
        return [one for frame in packet.decode() for one in self._encoded(frame)]

    def end(self) -> list[Any]:
        if self._graph is None:
            return []
        if not self.is_full:
            self._graph.push(None)
        return [*self._drawn(), *self._stream.encode(None)]

    def _encoded(self, frame: av.AudioFrame) -> list[Any]:
        if self.is_full:
            return []
        self._graph = self._graph or self._filters(frame)
        self._graph.push(frame)
        return list(self._drawn())

    def _drawn(self) -> Iterable[Any]:
        while self._graph is not None:
            try:
                frame: Any = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            frame.pts, frame.time_base = self.samples, Fraction(1, self._stream.rate)
            self.samples += frame.samples
            self.is_full = self.samples >= self._samples_max
            yield from self._stream.encode(frame)

    def _filters(self, frame: av.AudioFrame) -> av.filter.Graph:
        begin = self._begin
        if begin is None:
            begin = Fraction(frame.pts or 0) * (frame.time_base or 0)
        first = round(begin * self._stream.rate)
        graph = av.filter.Graph()
        kind, layout = self._stream.format.name, self._stream.layout.name
        graph.link_nodes(
            graph.add_abuffer(template=self._source),
            graph.add("aresample", f"{self._stream.rate}:async=1:first_pts={first}"),
            graph.add("aformat", f"sample_fmts={kind}:channel_layouts={layout}"),
            graph.add("atrim", f"end_sample={self._samples_max}"),
            graph.add("abuffersink"),
        ).configure()
        return graph


def _sound_rate(source: Any) -> int:  # Any: as above
    return source.rate if source.rate in _MP3_RATES else _RATE_MAX


def _layout(source: Any) -> str:
    return "mono" if source.channels == 1 else "stereo"
