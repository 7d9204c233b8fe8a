"""Files on disk: parts that arrive, attachments that stay, and what their bytes say about themselves."""

import hashlib
import mimetypes
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

from bot.sandbox.records import Upload

CHUNK_BYTES = 256 * 1024


class IncomingFile:
    """Writes one part to disk as it arrives, keeping only its size and its hash in memory."""

    def __init__(self, *, folder: Path, bytes_kept: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / uuid4().hex
        self._bytes_kept = bytes_kept
        self._file = self.path.open("wb")
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Count everything; beyond what any guild may upload, nothing more is kept."""
        self._size += len(chunk)
        self._hash.update(chunk)
        if self._size <= self._bytes_kept:
            self._file.write(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def upload(self, *, index: int, filename: str) -> Upload:
        self._file.close()
        return Upload(index=index, filename=filename, path=self.path, size=self._size, sha256=self._hash.hexdigest())


def copy_in(source: Path, *, folder: Path, index: int = 0) -> Upload:
    """Take a copy of a file that a member attaches."""
    with source.open("rb") as file, IncomingFile(folder=folder, bytes_kept=source.stat().st_size) as incoming:
        while chunk := file.read(CHUNK_BYTES):
            incoming.write(chunk)
        return incoming.upload(index=index, filename=source.name)


def keep(upload: Upload, *, folder: Path, filename: str) -> Path:
    folder.mkdir(parents=True)
    return Path(shutil.move(upload.path, folder / filename))


def safe_name(filename: str) -> str:
    """Clean a file name as Discord does: anything unusual becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", filename).lstrip(".")[:120] or "unknown"


def content_type(filename: str) -> str:
    """Discord goes by the file's name."""
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What an image or a video says about itself; nothing for other bytes."""

    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


def measure(path: Path) -> Measures:
    """Read dimensions as Discord's own side does; without them a client draws a plain file."""
    try:
        with path.open("rb") as file:
            head = file.read(32)
            file.seek(0)
            if head.startswith(b"\x89PNG\r\n\x1a\n"):
                return Measures(width=int.from_bytes(head[16:20]) or None, height=int.from_bytes(head[20:24]) or None)
            if head.startswith(b"GIF8"):
                return Measures(width=int.from_bytes(head[6:8], "little"), height=int.from_bytes(head[8:10], "little"))
            if head.startswith(b"\xff\xd8"):
                return _measure_jpeg(file)
            if head[4:8] == b"ftyp":
                return _measure_mp4(file, path.stat().st_size)
    except (struct.error, IndexError, ZeroDivisionError):
        return Measures()
    return Measures()


def _measure_jpeg(file: BinaryIO) -> Measures:
    """Walk the segments to the frame header (SOF0-SOF15 without the tables between them)."""
    file.seek(2)
    while (marker := file.read(2)) and marker[0] == 0xFF:  # noqa: PLR2004 - a JPEG marker's first byte
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):  # noqa: PLR2004 - frame headers
            _, height, width = struct.unpack(">BHH", file.read(5))
            return Measures(width=width, height=height)
        file.seek(length - 2, 1)
    return Measures()


def _measure_mp4(file: BinaryIO, size: int) -> Measures:
    """Take the duration from moov/mvhd and the picture from the first moov/trak/tkhd that has one."""
    width = height = duration = None
    for kind, start, end in _boxes(file, 0, size):
        if kind != b"moov":
            continue
        for inner, inner_start, inner_end in _boxes(file, start, end):
            if inner == b"mvhd":
                duration = _mvhd_seconds(file, inner_start)
            elif inner == b"trak" and not width:
                width, height = _track_size(file, inner_start, inner_end)
    return Measures(width=width or None, height=height or None, duration_seconds=duration)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            header = 16
        size = size or end - start
        if size < header:
            return
        yield kind, start + header, start + size
        start += size


def _mvhd_seconds(file: BinaryIO, start: int) -> float:
    file.seek(start)
    if file.read(4)[0] == 1:
        scale, duration = struct.unpack(">16xIQ", file.read(28))
    else:
        scale, duration = struct.unpack(">8xII", file.read(16))
    return round(float(duration / scale), 3)


def _track_size(file: BinaryIO, start: int, end: int) -> tuple[int, int]:
    """Width and height are the last eight bytes of a tkhd, 16.16 fixed point."""
    for kind, _, box_end in _boxes(file, start, end):
        if kind == b"tkhd":
            file.seek(box_end - 8)
            width, height = struct.unpack(">II", file.read(8))
            return width >> 16, height >> 16
    return 0, 0
