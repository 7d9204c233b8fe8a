"""The one thread that writes: many callers' functions in one commit, and nobody is answered before it."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bot.domain.errors import DatabaseError
from bot.storage.sqlite import in_words

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

CALLS_MAX = 256
"""So many callers share one commit at most, so that the first of them does not wait for ever."""
_PRIMARY_CODE = 0xFF
_DISTRUSTED = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERNAL,
    }
)
"""After these the outcome of a commit is unknown, and what the system caches of the file may be wrong."""


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's function, and how to answer on the caller's own loop."""

    work: Work[Any]  # Any: every caller has its own answer
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]  # Any: as above
    value: object = None
    error: BaseException | None = None

    def settle(self) -> None:
        """On the caller's loop."""
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.value)
        elif isinstance(self.error, StopIteration):  # a future cannot carry one, and its caller would wait for ever
            self.answer.set_exception(RuntimeError("StopIteration from a transaction's function"))
        else:
            self.answer.set_exception(self.error)


class Writer:
    """Runs plain functions of a connection on its own thread, each in a savepoint, many to a commit.

    A function may run twice: when the commit of its batch is refused, each caller is tried again alone.
    """

    def __init__(self, *, path: Path, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._open_connection = open_connection
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        self._broken: Exception | None = None
        """Why there is no connection."""
        # A daemon: a process that dies without closing must not hang here, and a kill at any moment is harmless.
        self._thread = threading.Thread(target=self._serve, name="books-writer", daemon=True)

    async def start(self) -> None:
        """Open the database on the writer's thread. Raises what opening raised."""
        self._thread.start()
        try:
            await self.run(lambda _: None)
        except BaseException:
            await self.close()
            raise

    async def run(self, work: Work[T]) -> T:
        """Answered after the commit; a caller that is cancelled meanwhile does not take its work back."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        with self._gate:
            if self._is_closed:
                raise DatabaseError(path=str(self._path), reason="it was closed.")
            self._calls.put(_Call(work, loop, answer))
        # Cancelling this await gives up the answer alone: the work is the queue's, and is committed or not as a whole.
        return await answer

    async def close(self) -> None:
        """Finish what is queued, then end the thread. Closing twice is fine."""
        with self._gate:
            if not self._is_closed:
                self._is_closed = True
                self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    # -- on the writer's thread

    def _serve(self) -> None:
        self._open()
        while calls := self._next_calls():
            self._settle(calls)
            _tell(calls)
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> None:
        try:
            self._connection = self._open_connection()
        except Exception as error:  # noqa: BLE001  every caller from now on gets it
            self._connection, self._broken = None, error

    def _next_calls(self) -> list[_Call]:
        """All that waits, once there is any: what came during a commit shares the next. Empty: the end."""
        calls: list[_Call] = []
        with contextlib.suppress(queue.Empty):
            while len(calls) < CALLS_MAX:
                call = self._calls.get(block=not calls)
                if call is None:
                    if calls:
                        self._calls.put(None)
                    break
                calls.append(call)
        return calls

    def _settle(self, calls: list[_Call]) -> None:
        """Give every call its value or its error."""
        if self._connection is None:
            _fail(calls, self._broken)
            return
        fault = _commit_together(self._connection, calls)
        if fault is None:
            return
        _roll_back(self._connection)
        if _is_distrusted(fault):
            self._connection.close()
            self._open()
            _fail(calls, in_words(fault, self._path))
        elif len(calls) == 1:
            _fail(calls, in_words(fault, self._path))
        else:
            for call in calls:
                self._settle([call])


def _tell(calls: list[_Call]) -> None:
    """Answer every caller; a loop is woken once for all of its own."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in calls:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, mine)


def _settle_all(calls: list[_Call]) -> None:
    for call in calls:
        call.settle()


def _commit_together(connection: sqlite3.Connection, calls: list[_Call]) -> sqlite3.Error | None:
    """One transaction for all; returns what broke it as a whole."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for call in calls:
            _attempt(connection, call)
        connection.execute("COMMIT")
    except sqlite3.Error as fault:
        return fault
    return None


def _attempt(connection: sqlite3.Connection, call: _Call) -> None:
    call.value = call.error = None
    connection.execute("SAVEPOINT caller")
    try:
        call.value = call.work(connection)
    except BaseException as error:  # whatever it is belongs to the caller
        if not connection.in_transaction or _is_distrusted(error):
            raise
        call.error = error
        connection.execute("ROLLBACK TO caller")
    connection.execute("RELEASE caller")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _is_distrusted(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY_CODE in _DISTRUSTED


def _fail(calls: list[_Call], error: BaseException | None) -> None:
    for call in calls:
        call.error = error
