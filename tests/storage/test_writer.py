import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from bot.domain.errors import DatabaseError
from bot.storage.writer import Writer

NAMES = "SELECT name FROM thing ORDER BY name"


def opener(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS part (thing TEXT REFERENCES thing (name) DEFERRABLE INITIALLY DEFERRED)"
    )
    return connection


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Writer]:
    writer = Writer(path=path, open_connection=lambda: opener(path))
    await writer.start()
    try:
        yield writer
    finally:
        await writer.close()


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as reader:
        return [row[0] for row in reader.execute(NAMES)]


def put(connection: sqlite3.Connection, name: str) -> str:
    connection.execute("INSERT INTO thing VALUES (?)", (name,))
    return name


def putting(name: str) -> Callable[[sqlite3.Connection], str]:
    return lambda connection: put(connection, name)


def poison(connection: sqlite3.Connection) -> None:
    """Passes as a statement and fails the commit of the whole batch."""
    connection.execute("INSERT INTO part VALUES ('nowhere')")


class Gate:
    """Holds the writer inside a transaction, so that a batch gathers behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def hold(self, _: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def held(writer: Writer) -> tuple[Gate, asyncio.Task[None]]:
    gate = Gate()
    task = asyncio.create_task(writer.run(gate.hold))
    assert await asyncio.to_thread(gate.entered.wait, 10)
    return gate, task


async def test_nobody_is_answered_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "db"

    async def ask(writer: Writer, name: str) -> bool:
        await writer.run(putting(name))
        # No await between the answer and the look: another connection must see the row already.
        return name in names(path)

    async with writing(path) as writer:
        assert all(await asyncio.gather(*(ask(writer, f"{number:03}") for number in range(100))))


async def test_callers_that_wait_share_one_commit(tmp_path: Path) -> None:
    path = tmp_path / "db"
    seen: list[int] = []

    def look(connection: sqlite3.Connection, name: str) -> None:
        put(connection, name)
        seen.append(len(names(path)))

    async with writing(path) as writer:
        gate, first = await held(writer)
        others = [asyncio.create_task(writer.run(partial(look, name=str(n)))) for n in range(20)]
        await asyncio.sleep(0)
        gate.opened.set()
        await asyncio.gather(first, *others)
    assert seen == [0] * 20


async def test_an_error_undoes_its_own_caller_only(tmp_path: Path) -> None:
    path = tmp_path / "db"

    def fail(connection: sqlite3.Connection) -> None:
        put(connection, "bad")
        raise KeyError("mine")

    async with writing(path) as writer:
        gate, first = await held(writer)
        calls = [
            asyncio.create_task(writer.run(putting("good"))),
            asyncio.create_task(writer.run(fail)),
            asyncio.create_task(writer.run(putting("fine"))),
        ]
        await asyncio.sleep(0)
        gate.opened.set()
        await first
        good, bad, fine = await asyncio.gather(*calls, return_exceptions=True)
    assert (good, fine) == ("good", "fine")
    assert isinstance(bad, KeyError)
    assert names(path) == ["fine", "good"]


async def test_when_a_commit_is_refused_each_caller_is_tried_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with writing(path) as writer:
        gate, first = await held(writer)
        calls = [
            asyncio.create_task(writer.run(putting("a"))),
            asyncio.create_task(writer.run(poison)),
            asyncio.create_task(writer.run(putting("b"))),
        ]
        await asyncio.sleep(0)
        gate.opened.set()
        await first
        a, poisoned, b = await asyncio.gather(*calls, return_exceptions=True)
    assert (a, b) == ("a", "b")
    assert isinstance(poisoned, sqlite3.IntegrityError)
    assert names(path) == ["a", "b"]


async def test_a_cancelled_caller_leaves_no_open_transaction(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with writing(path) as writer:
        for number in range(50):
            gate, first = await held(writer)
            waiting = asyncio.create_task(writer.run(putting(f"{number:02}")))
            await asyncio.sleep(0)
            first.cancel()
            waiting.cancel()
            gate.opened.set()
            await asyncio.gather(first, waiting, return_exceptions=True)
            assert first.cancelled()
            assert waiting.cancelled()
        assert not await writer.run(lambda connection: connection.total_changes == 0)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
    # What was queued is done all the same.
    assert len(names(path)) == 50


async def test_closing_finishes_what_is_queued_and_may_be_done_twice(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with writing(path) as writer:
        calls = [asyncio.create_task(writer.run(putting(str(n)))) for n in range(300)]
        await asyncio.sleep(0)
        await writer.close()
        await writer.close()
        assert len(await asyncio.gather(*calls)) == 300
        with pytest.raises(DatabaseError, match="it was closed"):
            await writer.run(lambda _: None)
    assert len(names(path)) == 300


async def test_what_opening_raises_is_raised_at_the_start(tmp_path: Path) -> None:
    def refuse() -> sqlite3.Connection:
        raise DatabaseError(path="db", reason="no.")

    with pytest.raises(DatabaseError, match="no"):
        await Writer(path=tmp_path, open_connection=refuse).start()


def test_a_loop_that_closes_first_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "db"
    gate = Gate()

    async def leave() -> Writer:
        writer = Writer(path=path, open_connection=lambda: opener(path))
        await writer.start()
        task = asyncio.create_task(writer.run(gate.hold))
        other = asyncio.create_task(writer.run(putting("late")))
        assert await asyncio.to_thread(gate.entered.wait, 10)
        task.cancel()
        other.cancel()
        return writer

    writer = asyncio.run(leave())
    gate.opened.set()

    async def close() -> None:
        assert await writer.run(lambda c: [row[0] for row in c.execute(NAMES)]) == ["late"]
        await writer.close()

    asyncio.run(close())


async def test_a_stray_stop_iteration_does_not_leave_its_caller_waiting(tmp_path: Path) -> None:
    empty: list[int] = []
    async with writing(tmp_path / "db") as writer:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(writer.run(lambda _: next(iter(empty))), 10)


def fill(connection: sqlite3.Connection) -> None:
    """A disk that is full for this connection: https://www.sqlite.org/pragma.html#pragma_max_page_count."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    put(connection, "x" * 100_000)


async def test_a_full_disk_is_told_and_the_file_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "db"
    large = "y" * 100_000
    async with writing(path) as writer:
        await writer.run(putting("before"))
        with pytest.raises(DatabaseError, match="full"):
            await writer.run(fill)
        await writer.run(putting(large))
    assert names(path) == ["before", large]


async def test_what_cannot_be_opened_anew_takes_no_more_work(tmp_path: Path) -> None:
    path = tmp_path / "db"
    openings = iter([opener])

    def open_once() -> sqlite3.Connection:
        for opening in openings:
            return opening(path)
        raise DatabaseError(path=str(path), reason="it is damaged.")

    writer = Writer(path=path, open_connection=open_once)
    await writer.start()
    with pytest.raises(DatabaseError, match="full"):
        await writer.run(fill)
    for _ in range(2):
        with pytest.raises(DatabaseError, match="damaged"):
            await writer.run(putting("after"))
    await writer.close()
    assert names(path) == []


DISK_FAULT = """
import asyncio, resource, sys
from pathlib import Path
from bot.domain.errors import DatabaseError
from bot.ports.books import By
from bot.storage.books import open_books
from bot.storage.verify import verify

def pause(name):
    def work(tx):
        tx.rules.pause(guild_id=1, paused=False, by=By(actor=name, at_ms=1))
        tx.rules.pause(guild_id=1, paused=True, by=By(actor=name, at_ms=1))
    return work

async def main(data_dir):
    async with open_books(data_dir) as books:
        await books.write(pause("x"))
        none = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, none))
        try:
            await books.write(pause("y" * 100_000))
        except DatabaseError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, none))
        try:
            await books.write(pause("z"))
        except DatabaseError as error:
            print("refuses:", error)
        else:
            print(await books.write(lambda tx: tx.rules.paused_by(1)))
    print(verify(data_dir).ok)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_after_a_write_error_the_file_is_opened_anew_and_goes_on(tmp_path: Path) -> None:
    told = subprocess.run(  # noqa: S603  our own interpreter and our own text
        [sys.executable, "-c", DISK_FAULT, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()
    assert told[0].endswith(("disk I/O error.", "database or disk is full."))
    assert told[-1] == "True"
    assert told[1] == "z" or told[1].startswith("refuses:")
