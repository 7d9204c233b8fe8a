"""Where a file may go, told before anything is spent on it."""

import os
from pathlib import Path

from bot.commandline.faults import PlaceUnusableError, reason_of


def check_place(path: Path, *, shown: str) -> None:
    """A device or a folder is not to be replaced by a file. Raises PlaceUnusableError."""
    reason = None if is_storable(path) else "its name is not text in UTF-8"
    try:
        reason = reason or _reason_against(path)
    except OSError as fault:
        reason = reason_of(fault)
    if reason is not None:
        raise PlaceUnusableError(place=printable(shown), reason=reason)


def is_storable(path: Path) -> bool:
    """A name that is no text comes from the system with stand-ins, which no database or link can hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _reason_against(path: Path) -> str | None:
    if path.exists() and not path.is_file():
        return "it is a folder" if path.is_dir() else "it is not a plain file"
    folder = next(one for one in path.parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"no file can be made in {folder}"
    return None
