"""A clip's last frame while the clip is still on its way. Only a child process loads this module."""

import contextlib
import io
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from bot.media.frames import Ending
from bot.media.parts import PART_SUFFIX
from bot.media.reading import UnreadableError
from bot.media.streams import opened

PAUSE_SECONDS = 0.005
REORDERED_MAX = 17
"""The frame shown last is among the last so many to be decoded: https://www.itu.int/rec/T-REC-H.264 (A.3.1, at most 16
frames wait in a decoder) and one more."""


class Arriving:
    """A file read from its beginning while somebody writes it: its end is there when it has its own name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART_SUFFIX)
        self._file = self._begun()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, count: int, /) -> bytes:
        while not (data := self._file.read(count)):
            if self._path.exists():
                return self._file.read(count) or b""
            time.sleep(PAUSE_SECONDS)
        return data

    def became_whole(self) -> bool:
        """Waits until the file is there; whether it is the one that was read here. A transfer may begin anew."""
        wait_until_whole(self._path)
        return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))

    def _begun(self) -> io.FileIO:
        """Without a buffer of its own: what comes later belongs to the file too."""
        while True:
            for path in (self._part, self._path):
                with contextlib.suppress(FileNotFoundError):
                    return io.FileIO(path)
            time.sleep(PAUSE_SECONDS)


def wait_until_whole(path: Path) -> None:
    while not path.exists():
        time.sleep(PAUSE_SECONDS)


def last_frame_arriving(path: Path) -> av.VideoFrame | None:
    """The last frame of an MP4 whose index stands first, at the moment when the file is whole.

    None: it has to be looked for in the whole file, for whatever reason. Either way the file is there now.
    """
    with Arriving(path) as reader:
        frame = _decoded(reader)
        return frame if reader.became_whole() else None


def _decoded(reader: Arriving) -> av.VideoFrame | None:
    try:
        with opened(reader) as container:
            return _decoded_to_end(container)
    except (av.FFmpegError, UnreadableError, MemoryError):  # the look at the whole file says what is wrong
        return None


def _decoded_to_end(container: Any) -> av.VideoFrame | None:  # Any: demux types no stream
    """From the last key frame that the index tells of; None where it does not tell of every frame, or lies."""
    video = container.streams.video[0]
    index = list(video.index_entries)
    keys = [number for number, entry in enumerate(index) if entry.is_keyframe]
    if not keys or len(index) != video.frames:
        return None
    skips = video.codec_context.name == "h264"
    ending, wanted = Ending(), None
    for number, packet in enumerate(container.demux(video)):
        if packet.size and not packet.is_discard and packet.pts is not None:
            wanted = max(packet.pts, wanted or packet.pts)
        if number < keys[-1]:
            continue
        is_needed = not skips or number >= len(index) - REORDERED_MAX
        video.codec_context.skip_frame = "DEFAULT" if is_needed else "NONREF"
        ending.add(packet.decode())
    return ending.at(wanted)
