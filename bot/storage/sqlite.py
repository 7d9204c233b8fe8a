"""SQLite as it is used here: who may open the file, how, and what its errors become."""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bot.domain.errors import AlreadyRunningError, DatabaseError
from bot.storage.migrations import check_not_newer, migrate, newest, version_of

DATABASE_NAME = "dailies.db"
LOCK_NAME = "dailies.lock"
BUSY_SECONDS_MAX = 5.0
WAL_BYTES_KEPT = 64 * 1024 * 1024
STATEMENTS_CACHED = 256
OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables (https://www.sqlite.org/stricttables.html)."""

WRITER_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Else REPLACE would pass by the triggers that forbid to delete: https://www.sqlite.org/lang_conflict.html.
    "PRAGMA recursive_triggers = ON",
    f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}",
    # What a savepoint may have to undo is kept in memory: in a file it would cost a third of the time of a batch.
    "PRAGMA temp_store = MEMORY",
)
READER_PRAGMAS = (
    "PRAGMA query_only = ON",
    # Only the writer's connection checkpoints: https://www.sqlite.org/wal.html, section "The WAL-Reset Bug".
    "PRAGMA wal_autocheckpoint = 0",
)
OUR_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""Errors that say nothing about the file; they are not for the operator to mend."""


def database_path(data_dir: Path) -> Path:
    """Where the database is unless the operator put it elsewhere."""
    return data_dir / DATABASE_NAME


@contextmanager
def only_process(data_dir: Path, database: Path) -> Iterator[None]:
    """Own the data directory and the database until the end, or until this process dies.

    Raises AlreadyRunningError. The database has a lock of its own: it may lie elsewhere, where two directories meet.
    """
    with _locked(data_dir / LOCK_NAME), _locked(database.with_name(f"{database.name}.lock")):
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with faults_told(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(directory=str(path.parent)) from error
        yield


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes, on a database that is up to date and sound. Raises DatabaseError."""
    check_sqlite(sqlite3.sqlite_version_info, path)
    with faults_told(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS_MAX, isolation_level=None, cached_statements=STATEMENTS_CACHED
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise DatabaseError(path=str(path), reason="this file system keeps no write-ahead log. Use a local disk.")
    for pragma in WRITER_PRAGMAS:
        connection.execute(pragma)
    migrate(connection, path=str(path))
    check_sound(connection, path)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that can only look, also beside a running bot. Raises DatabaseError."""
    check_readable(path)
    with faults_told(path):
        connection = sqlite3.connect(read_only_uri(path), uri=True, timeout=BUSY_SECONDS_MAX, isolation_level=None)
        connection.row_factory = sqlite3.Row
        for pragma in READER_PRAGMAS:
            connection.execute(pragma)
    return connection


def read_only_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def check_readable(path: Path) -> None:
    """Say what is wrong before a reader stumbles over it. Raises DatabaseError."""
    check_sqlite(sqlite3.sqlite_version_info, path)
    if not path.exists():
        raise DatabaseError(path=str(path), reason="it does not exist yet. The first start makes it.")
    with faults_told(path), closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
        version = version_of(connection)
    check_not_newer(version, path=str(path))
    if version < newest():
        reason = f"an older Dailies wrote it (version {version}). Start the bot once to bring it up to date."
        raise DatabaseError(path=str(path), reason=reason)


def check_sqlite(version: tuple[int, int, int], path: Path) -> None:
    if version < OLDEST_SQLITE:
        found, oldest = (".".join(map(str, one)) for one in (version, OLDEST_SQLITE))
        reason = f"this Python brings SQLite {found}, and {oldest} is the oldest that will do. Use a newer Python."
        raise DatabaseError(path=str(path), reason=reason)


def check_sound(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DatabaseError(path=str(path), reason=f"it is damaged ({found}). Restore a backup.")


@contextmanager
def faults_told(path: Path) -> Iterator[None]:
    """What SQLite or the file system says of the file becomes a DatabaseError; our own bugs stay what they are."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise in_words(error, path) from error


def in_words(error: Exception, path: Path) -> Exception:
    if isinstance(error, OUR_BUGS) or not isinstance(error, sqlite3.Error | OSError):
        return error
    return DatabaseError(path=str(path), reason=f"{str(error).rstrip('.')}.")


@contextmanager
def all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside a transaction: what fails here is undone here, whatever its caller makes of the error."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO part")
        connection.execute("RELEASE part")
        raise
    connection.execute("RELEASE part")


@contextmanager
def only_tried(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside a transaction: whatever happens here is undone here."""
    connection.execute("SAVEPOINT trial")
    try:
        yield
    finally:
        connection.execute("ROLLBACK TO trial")
        connection.execute("RELEASE trial")


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """All rows in one statement, which is a third less work for the database than one for each."""
    if rows:
        marks = f"({', '.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        connection.execute(f"{into} VALUES {', '.join([marks] * len(rows))}", values)
