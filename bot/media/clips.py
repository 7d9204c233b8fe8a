"""Whether a finished clip plays: opened, decoded and counted. Only a child process loads this module."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from bot.domain.references import MediaInfo
from bot.media.boxes import plays_while_it_loads
from bot.media.fit import FITTING_SOUND
from bot.media.probe import UnreadableError, foreign_clause, is_mp4, probe
from bot.media.streams import displayed, opened, plays_everywhere

FRAMES_DECODED = 3
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A clip that plays. `width` and `height` as displayed; `plays_everywhere`: as it is, inside a message.

    `squeeze` is a pixel's own width over its height.
    """

    frames: int
    seconds: float
    width: int
    height: int
    squeeze: float
    codec: str
    has_sound: bool
    plays_everywhere: bool


def playing(path: Path) -> Playing:
    """What an MP4 is that plays from its first frame to its last; UnreadableError for any other.

    A clip cut at 80 % whose index stands first opens without a fault and claims its full length: only where its
    samples lie, or counting them, shows that they are not all there.
    """
    _check_kind(path)
    try:
        with opened(path, ignore_editlist="1") as container:  # edits change the count
            return _check_streams(container, path)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        _header(path)
        raise UnreadableError("cannot be decoded") from error


def _check_kind(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise UnreadableError("is empty")
    if not is_mp4(head):
        clause = foreign_clause(head, wanted="video")
        if not clause:
            info = _header(path)
            clause = f"is {info.format.upper()}, not a video"
        raise UnreadableError(clause)


def _header(path: Path) -> MediaInfo:
    with path.open("rb") as file:
        return probe(file, path.stat().st_size)


def _check_streams(container: InputContainer, path: Path) -> Playing:
    video = container.streams.video[0]
    video.thread_count = 1
    found = _indexed(container, path.stat().st_size) or _counted(container)
    _check_counts(container, found)
    decoded = _first_frames(container, video)
    if found[video.index] == 0 or len(decoded) < min(FRAMES_DECODED, found[video.index]):
        raise UnreadableError("has no frame that can be decoded")
    seconds = float((container.duration or 0) / 1_000_000)
    if seconds <= 0:
        raise UnreadableError("has no length")
    squeeze = float(video.sample_aspect_ratio or 1)
    width, height = displayed(decoded[0], squeeze)
    return Playing(
        frames=found[video.index],
        seconds=seconds,
        width=width,
        height=height,
        squeeze=squeeze,
        codec=video.codec_context.name,
        has_sound=bool(container.streams.audio),
        plays_everywhere=_plays_everywhere(container, decoded[0]) and plays_while_it_loads(path),
    )


def _indexed(container: InputContainer, size_bytes: int) -> dict[int, int]:
    """Samples of each stream that lie inside the file; nothing where the index does not tell of all (fragments)."""
    streams = (*container.streams.video, *container.streams.audio)
    if any(not stream.frames or len(stream.index_entries) < stream.frames for stream in streams):
        return {}
    return {
        stream.index: sum(0 <= entry.pos <= size_bytes - entry.size for entry in stream.index_entries)
        for stream in streams
    }


def _counted(container: InputContainer) -> dict[int, int]:
    """Whole packets of each stream, by reading every one; then back at the beginning."""
    found = dict.fromkeys(range(len(container.streams)), 0)
    for packet in container.demux():
        if packet.size and not packet.is_corrupt:
            found[packet.stream_index] += 1
    container.seek(0)
    return found


def _first_frames(container: InputContainer, video: VideoStream) -> list[av.VideoFrame]:
    frames: list[av.VideoFrame] = []
    for packet in container.demux(video):
        with contextlib.suppress(EOFError):
            frames += packet.decode()
        if len(frames) >= FRAMES_DECODED:
            break
    return frames


def _plays_everywhere(container: InputContainer, first: av.VideoFrame) -> bool:
    sounds = [_codec_of(stream) for stream in container.streams.audio]
    is_all = len(container.streams) == 1 + bool(sounds)
    return is_all and FITTING_SOUND.issuperset(sounds) and plays_everywhere(container.streams.video[0], first)


def _codec_of(stream: Any) -> str | None:  # Any: PyAV's types deny that the codec may be unknown
    return stream.codec_context.name if stream.codec_context else None


def _check_counts(container: InputContainer, found: dict[int, int]) -> None:
    """`frames` is the index's own number of samples, 0 where the file is in fragments."""
    for stream in (*container.streams.video, *container.streams.audio):
        if found[stream.index] < stream.frames:
            what = "frames" if stream.type == "video" else "pieces of sound"
            raise UnreadableError(f"is cut off ({found[stream.index]} of {stream.frames} {what})")
