"""What a child process may use; apart from the parent's side, for a child loads as little as it can."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use. `seconds` is time on the wall, for the whole of it."""

    seconds: float = 60
    cpu_seconds: int = 60
    memory_bytes: int = 1024 * 1024 * 1024
    file_bytes: int = 512 * 1024 * 1024
    files_open: int = 64
