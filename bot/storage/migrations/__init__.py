"""The schema, step by step and forward only: each numbered file here is one step."""

import re
import sqlite3
from importlib.resources import files

from bot.domain.errors import DatabaseError

_NAME = re.compile(r"(\d{4})_\w+\.sql")


def steps() -> list[tuple[int, str]]:
    """Number and text of every step, in order."""
    found = ((_NAME.fullmatch(entry.name), entry) for entry in files(__name__).iterdir())
    return sorted((int(match[1]), entry.read_text(encoding="utf-8")) for match, entry in found if match)


def newest() -> int:
    return steps()[-1][0]


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, *, path: str) -> None:
    """Bring the database up to this code. Raises DatabaseError for one that newer code has written."""
    check_not_newer(version_of(connection), path=path)
    for number, text in steps():
        if number > version_of(connection):
            # One transaction a step, its number included: a crash leaves the step undone.
            connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")


def check_not_newer(version: int, *, path: str) -> None:
    if version > newest():
        reason = f"a newer Dailies wrote it (version {version}; this one knows {newest()}). Install that one again."
        raise DatabaseError(path=path, reason=reason)
