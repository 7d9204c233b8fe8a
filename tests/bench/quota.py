"""The ledger's figures as one table: `python tests/bench/quota.py [RUNS]`.

RUNS repeats the thousand parallel holds, 20 times unless told otherwise. All else is measured once or is a median;
comparisons are of one run on one machine.
"""

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from bot.delivery.report import DaySpend, MemberSpend, Report, draw
from bot.domain.errors import QuotaExceededError
from bot.domain.jobs import JobState
from bot.domain.quota import MICROS, Leg, Period, Unit
from bot.domain.rules import Audience, Caps, Rule, legs_of
from bot.ports.books import Transaction
from bot.services.paging import HISTORY_LINES_MAX
from bot.storage.books import SqliteBooks, SqliteTransaction, open_books
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from bot.storage.views import SqliteViews, open_views
from bot.storage.writer import CALLS_MAX, Writer
from tests.storage.making import DAY_MS, NOON_MS, new_job, queue, usual_legs

TIMES = 3
"""Of so many measurements the median counts."""
HOLDS, BUDGET = 1_000, 100
JOURNAL_ROWS = 1_000_000
GUILDS, MEMBERS, DAYS = 10, 50, 18
JOBS_PER_DAY = 3_500
READS = 21
DRAWS = 20
TICK_SECONDS = 0.005
LegsAt = Callable[[int], list[Leg]]
PRICES = {Unit.USD: 400_000, Unit.SECONDS: 5, Unit.CLIPS: 1}
COST_MICROS = 300_000
CAPS = Caps(guild_month_micros=10**12, operator_day_micros=10**12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; `is_met` None: nothing was asked, it only explains the others."""

    name: str
    found: str
    asked: str = ""
    is_met: bool | None = None


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 -- a bench prints


def show(figures: Sequence[Figure]) -> None:
    marks = {True: "ok", False: "MISSED", None: ""}
    rows = [("figure", "found", "asked", ""), *((f.name, f.found, f.asked, marks[f.is_met]) for f in figures)]
    names, found, asked = (max(len(row[at]) for row in rows) for at in range(3))
    for row in rows:
        say(f"{row[0]:<{names}}  {row[1]:>{found}}  {row[2]:>{asked}}  {row[3]}".rstrip())


def legs_for(guild_id: int, member_id: int, now_ms: int, rules: Sequence[Rule] = ()) -> list[Leg]:
    """What `/generate` books for a member: its meters, the server's with the month budget, the operator's day."""
    return legs_of(
        guild_id=guild_id,
        member_id=str(member_id),
        rules=rules,
        caps=CAPS,
        amounts=PRICES,
        now_ms=now_ms,
        zone=UTC,
    )


# -- a thousand at once against a budget for a hundred


async def exactly_the_budget(runs: int) -> list[Figure]:
    right = sum([await is_exact() for _ in range(runs)])
    name = f"{HOLDS:,} holds at once, budget for {BUDGET}: exactly {BUDGET} accepted"
    return [Figure(name=name, found=f"{right} of {runs} runs", asked=f"{runs} of {runs}", is_met=right == runs)]


async def is_exact() -> bool:
    legs = usual_legs(micros=100, limit=100 * BUDGET)
    with TemporaryDirectory() as made:
        async with open_books(Path(made)) as books:
            asked = (books.write(partial(queue, job_id=job_id, legs=legs)) for job_id in range(1, HOLDS + 1))
            answers = await asyncio.gather(*asked, return_exceptions=True)
        verdict = verify(Path(made))
    refused = sum(isinstance(answer, QuotaExceededError) for answer in answers)
    accepted = sum(not isinstance(answer, BaseException) for answer in answers)
    return (accepted, refused) == (BUDGET, HOLDS - BUDGET) and verdict.ok and verdict.open_holds == BUDGET * len(legs)


# -- many to a commit


def all_legs(job_id: int) -> list[Leg]:
    return legs_for(1, job_id % MEMBERS, NOON_MS)


def budget_leg(job_id: int) -> list[Leg]:
    """The server's month budget alone: the least that a hold can be."""
    return [leg for leg in all_legs(job_id) if leg.limit == CAPS.guild_month_micros and leg.owner.guild_id][:1]


def hold(tx: Transaction, job_id: int, legs: Sequence[Leg]) -> None:
    tx.ledger.hold(job_id=job_id, legs=legs, actor="7", now_ms=NOON_MS)


def charge(tx: Transaction, job_id: int) -> None:
    tx.ledger.charge(job_id=job_id, cost_micros=COST_MICROS, actor="runner", now_ms=NOON_MS)


async def pairs_of(books: SqliteBooks, job_ids: Sequence[int], legs_at: LegsAt) -> None:
    """One caller: each write is answered after its commit, and then comes the next."""
    for job_id in job_ids:
        await books.write(partial(hold, job_id=job_id, legs=legs_at(job_id)))
        await books.write(partial(charge, job_id=job_id))


async def pairs_a_second(*, callers: int, each: int, legs_at: LegsAt = all_legs) -> float:
    with TemporaryDirectory() as made:
        async with open_books(Path(made)) as books:
            await books.write(partial(hold, job_id=10**9, legs=legs_at(0)))
            began = time.perf_counter()
            await asyncio.gather(*(pairs_of(books, range(n * each, (n + 1) * each), legs_at) for n in range(callers)))
            return callers * each / (time.perf_counter() - began)


def open_as_sqlite_comes(path: Path) -> sqlite3.Connection:
    connection = open_for_writing(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    return connection


async def pairs_a_second_with_a_rollback_journal(each: int) -> float:
    """As a bot would be that never heard of a write-ahead log: the same statements, each operation its own commit."""
    with TemporaryDirectory() as made:
        path = database_path(Path(made))
        writer = Writer(path=path, open_connection=partial(open_as_sqlite_comes, path))
        await writer.start()
        books = SqliteBooks(writer=writer)
        await books.write(partial(hold, job_id=10**9, legs=all_legs(0)))
        began = time.perf_counter()
        await pairs_of(books, range(each), all_legs)
        took = time.perf_counter() - began
        await writer.close()
        return each / took


def raw_pairs_a_second(pairs: int) -> float:
    """The same statements without callers: as many to a transaction as the writer takes at most."""
    with TemporaryDirectory() as made, closing(open_for_writing(database_path(Path(made)))) as connection:
        tx = SqliteTransaction(connection)
        hold(tx, 10**9, all_legs(0))
        began = time.perf_counter()
        for work in (lambda tx, job_id: hold(tx, job_id, all_legs(job_id)), charge):
            for start in range(0, pairs, CALLS_MAX):
                connection.execute("BEGIN IMMEDIATE")
                for job_id in range(start, min(start + CALLS_MAX, pairs)):
                    work(tx, job_id)
                connection.execute("COMMIT")
        return pairs / (time.perf_counter() - began)


def sync_milliseconds() -> float:
    """What one sync of a small write takes on this disk."""
    took = []
    with TemporaryDirectory() as made, (Path(made) / "file").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return median(took)


async def gain_of(name: str, legs_at: LegsAt, asked: str) -> list[Figure]:
    """A hundred callers against one commit per operation, in pairs of measurements.

    The latter is one caller: to the same thread and the same file, each operation with a round trip of its own. A
    hundred that take turns come to the same rate.
    """
    alone, hundred = [], []
    for _ in range(TIMES):
        alone.append(await pairs_a_second(callers=1, each=150, legs_at=legs_at))
        hundred.append(await pairs_a_second(callers=100, each=15, legs_at=legs_at))
    gain = median(many / one for many, one in zip(hundred, alone, strict=True))
    return [
        Figure(name=f"hold + charge of {name}, one commit per operation", found=f"{median(alone):,.0f} /s"),
        Figure(name="  100 callers, group commit", found=f"{median(hundred):,.0f} /s"),
        Figure(name="  ratio of the two", found=f"{gain:.1f}", asked=asked, is_met=gain >= 10 if asked else None),
    ]


async def share_of_raw() -> list[Figure]:
    """A thousand callers against the same statements without any."""
    thousand, raw = [], []
    for _ in range(TIMES):
        thousand.append(await pairs_a_second(callers=1_000, each=2))
        raw.append(raw_pairs_a_second(2_000))
    share = median(many / most for many, most in zip(thousand, raw, strict=True))
    return [
        Figure(name="  1,000 callers, group commit", found=f"{median(thousand):,.0f} /s"),
        Figure(name=f"  no callers, {CALLS_MAX} to a transaction", found=f"{median(raw):,.0f} /s"),
        Figure(name="  ratio of the two", found=f"{share:.2f}", asked=">= 0.5", is_met=share >= 0.5),
    ]


async def rollback_journal() -> Figure:
    found = median([await pairs_a_second_with_a_rollback_journal(each=50) for _ in range(TIMES)])
    return Figure(
        name="  one commit per operation, journal_mode=DELETE (SQLite's own default)", found=f"{found:,.0f} /s"
    )


async def group_commit() -> list[Figure]:
    return [
        *await gain_of(f"a job's {len(all_legs(1))} legs", all_legs, ">= 10"),
        *await share_of_raw(),
        await rollback_journal(),
        *await gain_of("a single leg", budget_leg, ""),
        Figure(name="  one sync of this disk", found=f"{sync_milliseconds():.2f} ms"),
    ]


# -- a long journal


def fill(path: Path) -> int:
    """Delivered jobs of many members over a month's first days, until the journal is long enough; returns its rows."""
    with closing(open_for_writing(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        tx, job_ids = SqliteTransaction(connection), count(1)
        for day in range(DAYS * 10):
            at_ms = NOON_MS - (DAYS - 1 - min(day, DAYS - 1)) * DAY_MS
            connection.execute("BEGIN IMMEDIATE")
            fill_day(tx, job_ids, at_ms)
            connection.execute("COMMIT")
            rows = int(connection.execute("SELECT MAX(seq) FROM transfer").fetchone()[0])
            if rows >= JOURNAL_ROWS:
                return rows
    raise AssertionError("the journal did not grow")


def fill_day(tx: Transaction, job_ids: Iterator[int], at_ms: int) -> None:
    legs = [legs_for(guild, member, at_ms) for guild in range(1, GUILDS + 1) for member in range(1, MEMBERS + 1)]
    for _, job_id in zip(range(JOBS_PER_DAY), job_ids, strict=False):
        mine = legs[job_id % len(legs)]
        guild_id, member_id = mine[0].owner.guild_id, mine[0].owner.member_id or ""
        job = new_job(job_id, guild_id=guild_id, member_id=member_id)
        tx.jobs.add(replace(job, state=JobState.DELIVERED, created_ms=at_ms))
        tx.ledger.hold(job_id=job_id, legs=mine, actor=member_id, now_ms=at_ms)
        tx.ledger.charge(job_id=job_id, cost_micros=COST_MICROS, actor="runner", now_ms=at_ms, provider="animatic")


async def long_journal() -> list[Figure]:
    with TemporaryDirectory() as made:
        began = time.perf_counter()
        rows = fill(database_path(Path(made)))
        filled = time.perf_counter() - began
        began = time.perf_counter()
        verdict = verify(Path(made))
        seconds = time.perf_counter() - began
        async with open_views(Path(made)) as views:
            reads = await reading(views)
    sound = "sound" if verdict.ok else f"NOT SOUND: {verdict.problems[:1]}"
    name = f"ledger verify, {rows:,} rows ({sound}; filled in {filled:.0f} s)"
    met = seconds < 10 and verdict.ok and verdict.entries == rows
    return [Figure(name=name, found=f"{seconds:.1f} s", asked="< 10 s", is_met=met), *reads]


async def reading(views: SqliteViews) -> list[Figure]:
    usual = legs_for(1, 1, NOON_MS)
    new = [
        Rule(guild_id=1, audience=Audience.SERVER, unit=Unit.USD, period=Period.WEEK, amount=10**9),
        Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=10**6),
    ]
    ruled = legs_for(1, 1, NOON_MS, new)
    assert [one.spent for one in await views.standing(usual)].count(0) == 0
    shown = await milliseconds(lambda: views.standing(usual))
    caught_up = await milliseconds(lambda: views.standing(ruled))
    page = await milliseconds(
        lambda: views.history(guild_id=1, member_id="1", before_seq=None, limit=HISTORY_LINES_MAX)
    )
    return [
        Figure(
            name=f"  /quota show beside it, {len(usual)} legs",
            found=f"{shown:.1f} ms",
            asked="< 100 ms",
            is_met=shown < 100,
        ),
        Figure(
            name="  the same with a week's and a day's rule set just now",
            found=f"{caught_up:.1f} ms",
            asked="< 100 ms",
            is_met=caught_up < 100,
        ),
        Figure(name=f"  history of a member, {HISTORY_LINES_MAX:,} lines", found=f"{page:.1f} ms"),
    ]


async def milliseconds(read: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(READS):
        began = time.perf_counter()
        await read()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


# -- the picture beside the event loop


class Ticker:
    """Notes by how much the loop was late."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)
        self.late_ms: list[float] = []

    def _tick(self) -> None:
        now = self._loop.time()
        self.late_ms.append((now - self._due) * 1000)
        self._due = now + TICK_SECONDS
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def stop(self) -> None:
        self._timer.cancel()


def month_report() -> Report:
    first = date(2026, 11, 1)
    days = tuple(
        DaySpend(day=first + timedelta(days=at), spent_micros=500_000 + at * 9_000, failed=1, released=2, delivered=at)
        for at in range(30)
    )
    members = tuple(
        MemberSpend(name=f"Member {at}", spent_micros=at * 210_001, seconds=5 * at, clips=at, member_id=str(at))
        for at in range(1, 26)
    )
    return Report(
        title="Spending",
        period="November 2026",
        starts=first,
        ends=date(2026, 12, 1),
        today=date(2026, 11, 30),
        days=days,
        members=members,
        budget_micros=30 * MICROS,
    )


async def picture() -> list[Figure]:
    """The first draw, which imports matplotlib, is among them."""
    report, ticker, took = month_report(), Ticker(), []
    for _ in range(DRAWS):
        began = time.perf_counter()
        await asyncio.to_thread(draw, report)
        took.append((time.perf_counter() - began) * 1000)
    ticker.stop()
    late = quantiles(ticker.late_ms, n=100)[98]
    return [
        Figure(
            name=f"event loop late while {DRAWS} pictures are drawn, p99 of {len(ticker.late_ms):,} ticks",
            found=f"{late:.1f} ms",
            asked="< 50 ms",
            is_met=late < 50,
        ),
        Figure(name="  at worst", found=f"{max(ticker.late_ms):.1f} ms"),
        Figure(name="  one picture", found=f"{median(took):.0f} ms"),
    ]


async def main(runs: int) -> None:
    began = time.perf_counter()
    figures = [*await picture(), *await exactly_the_budget(runs), *await group_commit(), *await long_journal()]
    show([*figures, Figure(name="all of this", found=f"{time.perf_counter() - began:.0f} s")])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
