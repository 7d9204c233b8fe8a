"""Whether a finished clip plays: opened, decoded and counted. Only a child process loads this module."""

import contextlib
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from bot.domain.references import MediaInfo
from bot.media.probe import UnreadableError, foreign_clause, is_mp4, probe
from bot.media.streams import opened

FRAMES_DECODED = 3
_HEAD_BYTES = 512


def check_playable(path: str) -> dict[str, object]:
    """Frames, seconds and shape of an MP4 that plays from its first frame to its last; UnreadableError otherwise.

    A clip cut at 80 % whose index stands first opens without a fault and claims its full length: only the count of
    what is really in the file shows it.
    """
    _check_kind(Path(path))
    try:
        with opened(Path(path), ignore_editlist="1") as container:  # edits change the count
            return _check_streams(container)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        _header(Path(path))
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


def _check_streams(container: InputContainer) -> dict[str, object]:
    video = container.streams.video[0]
    video.thread_count = 1
    found, decoded = _count(container, video)
    _check_counts(container, found)
    if found[video.index] == 0 or decoded < min(FRAMES_DECODED, found[video.index]):
        raise UnreadableError("has no frame that can be decoded")
    seconds = float((container.duration or 0) / 1_000_000)
    if seconds <= 0:
        raise UnreadableError("has no length")
    return {
        "frames": found[video.index],
        "seconds": seconds,
        "width": video.width,
        "height": video.height,
        "codec": video.codec_context.name,
        "has_sound": bool(container.streams.audio),
    }


def _count(container: InputContainer, video: VideoStream) -> tuple[dict[int, int], int]:
    """Whole packets of each stream, and how many of the first frames decoded."""
    found = dict.fromkeys(range(len(container.streams)), 0)
    decoded = 0
    for packet in container.demux():
        if packet.size and not packet.is_corrupt:
            found[packet.stream_index] += 1
        if packet.stream_index == video.index and decoded < FRAMES_DECODED:
            decoded += len(_decoded(video, packet))
    return found, decoded


def _decoded(video: VideoStream, packet: "Packet[Any]") -> list[av.VideoFrame]:  # Any: demux types no stream
    frames: list[av.VideoFrame] = []
    with contextlib.suppress(EOFError):
        frames = list(video.decode(packet))
    return frames


def _check_counts(container: InputContainer, found: dict[int, int]) -> None:
    """`frames` is the index's own number of samples, 0 where the file is in fragments."""
    for stream in (*container.streams.video, *container.streams.audio):
        if found[stream.index] < stream.frames:
            what = "frames" if stream.type == "video" else "pieces of sound"
            raise UnreadableError(f"is cut off ({found[stream.index]} of {stream.frames} {what})")
