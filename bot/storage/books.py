"""The store as a whole: opened once per process, changed one transaction at a time."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from bot.ports.books import Transaction
from bot.storage.jobs import SqliteJobs
from bot.storage.ledger import SqliteLedger
from bot.storage.outbox import SqliteOutbox
from bot.storage.providers import SqliteProviderNotes
from bot.storage.rules import SqliteRules
from bot.storage.sqlite import database_path, only_process, open_for_writing
from bot.storage.writer import Writer

T = TypeVar("T")


class SqliteTransaction:
    """The parts of the store over one connection, inside one transaction; most work needs one or two."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @cached_property
    def jobs(self) -> SqliteJobs:
        return SqliteJobs(self._connection)

    @cached_property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self._connection)

    @cached_property
    def rules(self) -> SqliteRules:
        return SqliteRules(self._connection)

    @cached_property
    def providers(self) -> SqliteProviderNotes:
        return SqliteProviderNotes(self._connection)

    @cached_property
    def outbox(self) -> SqliteOutbox:
        return SqliteOutbox(self._connection)


class SqliteBooks:
    """Everything that is ever changed, in one SQLite file behind one writer."""

    def __init__(self, *, writer: Writer) -> None:
        self._writer = writer

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.run(lambda connection: work(SqliteTransaction(connection)))


@asynccontextmanager
async def open_books(data_dir: Path, *, database: Path | None = None) -> AsyncIterator[SqliteBooks]:
    """Own the data directory, bring the database up to date, check it, and close it well at the end.

    Raises AlreadyRunningError, DatabaseError.
    """
    path = database or database_path(data_dir)
    with only_process(data_dir, path):
        writer = Writer(path=path, open_connection=partial(open_for_writing, path))
        await writer.start()
        try:
            yield SqliteBooks(writer=writer)
        finally:
            await writer.close()
