"""Bounded reads from a file that nobody vouches for, and the one refusal of all header readers."""

from typing import BinaryIO

HEAD_BYTES = 16 * 1024
WINDOW_BYTES = 2 * 1024
WIDE_WINDOW_BYTES = 256 * 1024
READ_BYTES_MAX = 1024 * 1024
READS_MAX = 4_000
STEPS_MAX = 20_000
"""A real header has tens of parts; these bounds only end the walk through a hostile one."""


class UnreadableError(ValueError):
    """Why a file is not taken, as a clause that ends the sentence `@Image1: cat.png …`."""


class Source:
    """A file read at offsets through one small window; reads and steps are counted and end."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.window_bytes = WINDOW_BYTES
        self._file = file
        self._start = 0
        self._window = b""
        self._reads_left = READS_MAX
        self._steps_left = STEPS_MAX

    def at(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes."""
        data = self.some(offset, count)
        if len(data) < count:
            raise UnreadableError(
                f"is cut off: its header needs {offset + count:,} bytes but the file has {self.size_bytes:,}"
            )
        return data

    def some(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes: fewer at the end of the file."""
        count = max(min(count, self.size_bytes - offset), 0)
        begin = offset - self._start
        if begin < 0 or begin + count > len(self._window):
            self._fill(offset, count)
            begin = 0
        return self._window[begin : begin + count]

    def number(self, offset: int, count: int) -> int:
        """An unsigned big-endian number."""
        return int.from_bytes(self.at(offset, count), "big")

    def step(self) -> None:
        """Count one turn of a loop whose length the file decides."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise UnreadableError("has more parts than any real file")

    def _fill(self, offset: int, count: int) -> None:
        self._reads_left -= 1
        if self._reads_left < 0 or count > READ_BYTES_MAX:
            raise UnreadableError("has more parts than any real file")
        self._file.seek(offset)
        self._window = self._file.read(max(count, HEAD_BYTES if offset == 0 else self.window_bytes))
        self._start = offset
