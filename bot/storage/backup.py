"""A consistent copy of the database, taken beside a running bot."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.errors import DatabaseError
from bot.storage.sqlite import check_sound, database_path, faults_told, open_for_reading


def backup(data_dir: Path, destination: Path, *, database: Path | None = None) -> None:
    """Copy the database to `destination`, whole or not at all; a file that is there is replaced.

    Raises DatabaseError.
    """
    source = database or database_path(data_dir)
    if destination.resolve() in {one.resolve() for one in _files_of(source)}:
        raise DatabaseError(path=str(destination), reason="it is the database itself; name another file.")
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    with faults_told(source), closing(open_for_reading(source)) as connection, faults_told(destination):
        try:
            _copy(connection, partial)
            partial.replace(destination)
            _sync(destination.parent)
        finally:
            partial.unlink(missing_ok=True)


def _files_of(database: Path) -> list[Path]:
    return [database, *(database.with_name(f"{database.name}-{end}") for end in ("wal", "shm"))]


def _copy(source: sqlite3.Connection, partial: Path) -> None:
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        source.backup(copy)
        # One file without companions, whatever moves it next.
        copy.execute("PRAGMA journal_mode = DELETE")
        check_sound(copy, partial)
    _sync(partial)


def _sync(path: Path) -> None:
    """Onto the disk itself; for a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
