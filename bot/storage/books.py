"""The store as a whole: opened once per process, changed one transaction at a time."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from bot.ports.books import Transaction
from bot.storage.jobs import SqliteJobs
from bot.storage.ledger import SqliteLedger
from bot.storage.outbox import SqliteOutbox
from bot.storage.rules import SqliteRules
from bot.storage.sqlite import database_path, only_process, open_for_writing
from bot.storage.writer import Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteTransaction:
    """The four parts of the store over one connection, inside one transaction."""

    jobs: SqliteJobs
    ledger: SqliteLedger
    rules: SqliteRules
    outbox: SqliteOutbox


class SqliteBooks:
    """Everything that is ever changed, in one SQLite file behind one writer."""

    def __init__(self, *, writer: Writer) -> None:
        self._writer = writer

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.run(lambda connection: work(transaction_on(connection)))


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


def transaction_on(connection: sqlite3.Connection) -> SqliteTransaction:
    return SqliteTransaction(
        jobs=SqliteJobs(connection),
        ledger=SqliteLedger(connection),
        rules=SqliteRules(connection),
        outbox=SqliteOutbox(connection),
    )
