"""A file that arrives in pieces: under another name until it is whole, and gone when it never is."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PART_SUFFIX = ".part"


class OverLimitError(Exception):
    """More bytes arrived than allowed."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes")
        self.size_bytes = size_bytes


class Part:
    """`<name>.part`, hashed while it is written. Its methods block: call them in a thread.

    A cancelled wait leaves its thread at work: the lock lets that piece end before the file is closed.
    """

    def __init__(self, destination: Path, *, bytes_max: int) -> None:
        self._destination = destination
        self._path = destination.with_name(destination.name + PART_SUFFIX)
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._file = self._path.open("xb")
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            with suppress(OSError):  # what found no room before finds none now
                self._file.close()
            self._path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def take(self, chunk: bytes) -> None:
        """Raises OverLimitError."""
        with self._lock:
            if self._file.closed:
                return
            self.size_bytes += len(chunk)
            if self.size_bytes > self._bytes_max:
                raise OverLimitError(self.size_bytes)
            self._file.write(chunk)
            self._hash.update(chunk)

    def begin_anew(self) -> None:
        """Forget what has come so far: in another file, for somebody may be reading this one already."""
        with self._lock:
            if self._file.closed:
                return
            self._file.close()
            self._path.unlink()
            self._file = self._path.open("xb")
            self._hash = hashlib.sha256()
            self.size_bytes = 0

    def keep(self) -> None:
        """Bring it to disk for good and give it its name."""
        with self._lock:
            if self._file.closed:
                return
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            settle(self._path, self._destination)


def settle(path: Path, destination: Path) -> None:
    """Rename so that it outlives a power cut."""
    path.replace(destination)
    folder = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
