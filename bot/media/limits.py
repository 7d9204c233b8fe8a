"""What a child process may use, and when a disk is full. Apart, for a child loads as little as it can."""

import errno
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use. `seconds` is time on the wall, for the whole of it."""

    seconds: float = 60
    cpu_seconds: int = 60
    memory_bytes: int = 1024 * 1024 * 1024
    file_bytes: int = 512 * 1024 * 1024
    files_open: int = 64


def is_disk_full(error: BaseException) -> bool:
    """FFmpeg's errors have a number too, whatever else they are."""
    return getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}


def is_file_full(error: BaseException) -> bool:
    """One file became larger than a process may make it."""
    return getattr(error, "errno", None) == errno.EFBIG
