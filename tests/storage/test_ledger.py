import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.jobs import Job, JobState
from bot.domain.quota import OPERATOR, Leg, Period, Unit
from bot.ports.books import By, Transaction
from bot.storage.books import SqliteBooks, SqliteTransaction
from bot.storage.journal import JOBS, Cause, Journal, Kind, Transfer, TransferConflictError
from bot.storage.ledger import NothingHeldError
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from bot.storage.views import Line, SqliteViews
from tests.storage.making import DAY_MS, GUILD, MEMBER, NOON_MS, a_leg, finish, give_up, new_job, queue, usual_legs


async def balance(
    views: SqliteViews, owner: str, unit: Unit, period: Period = Period.MONTH, name: str | None = None
) -> tuple[int | None, int, int]:
    """Limit, spent, held."""
    wanted = (owner, unit, period)
    (found,) = [
        line
        for line in await views.balances()
        if (line["owner"], line["unit"], line["period"]) == wanted and name in {None, line["name"]}
    ]
    return (number(found, "granted") if found["limited"] else None), number(found, "spent"), number(found, "held")


def number(line: Line, key: str) -> int:
    value = line[key]
    assert isinstance(value, int)
    return value


async def kinds(views: SqliteViews) -> list[str]:
    return [str(line["kind"]) async for line in views.journal()]


def holding(legs: list[Leg], job_id: int) -> partial[Job]:
    return partial(queue, job_id=job_id, legs=legs)


async def test_a_hold_is_on_every_leg(books: SqliteBooks, views: SqliteViews, tmp_path: Path) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs(micros=400_000)))
    assert await balance(views, "member", Unit.USD) == (None, 0, 400_000)
    assert await balance(views, "member", Unit.SECONDS) == (None, 0, 5)
    assert await balance(views, "member", Unit.CLIPS) == (None, 0, 1)
    assert await balance(views, "guild", Unit.USD) == (10_000_000, 0, 400_000)
    assert await balance(views, "operator", Unit.USD, Period.DAY) == (50_000_000, 0, 400_000)
    assert verify(tmp_path).open_holds == 5


async def test_a_refused_leg_leaves_nothing_of_the_others(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    with pytest.raises(QuotaExceededError):
        await books.write(lambda tx: queue(tx, 1, usual_legs(limit=100)))
    assert await views.balances() == []
    assert await views.job(1) is None
    assert verify(tmp_path).entries == 0


async def test_a_refusal_that_is_caught_inside_leaves_no_part_of_the_hold(
    books: SqliteBooks, views: SqliteViews
) -> None:
    def ask(tx: Transaction) -> None:
        tx.jobs.add(new_job(1))
        with pytest.raises(QuotaExceededError):
            tx.ledger.hold(job_id=1, legs=usual_legs(limit=100), actor="7", now_ms=NOON_MS)

    await books.write(ask)
    assert await kinds(views) == []
    assert await views.job(1) is not None


async def test_holding_the_same_job_again_is_the_first_hold(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    before = await kinds(views)
    await books.write(lambda tx: tx.ledger.hold(job_id=1, legs=usual_legs(micros=9), actor="7", now_ms=NOON_MS))
    assert await kinds(views) == before


async def test_of_a_thousand_at_once_exactly_the_budget_is_held(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    legs = usual_legs(micros=100, limit=100 * 100)
    answers = await asyncio.gather(
        *(books.write(holding(legs, job_id)) for job_id in range(1, 1001)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, QuotaExceededError)]
    assert (len(answers) - len(refused), len(refused)) == (100, 900)
    assert await balance(views, "guild", Unit.USD) == (10_000, 0, 10_000)
    assert verify(tmp_path).ok


async def test_a_charge_below_the_hold_frees_the_rest(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs(micros=400_000)))
    assert await books.write(lambda tx: finish(tx, 1, cost_micros=150_000)) == 150_000
    assert await balance(views, "guild", Unit.USD) == (10_000_000, 150_000, 0)
    assert await balance(views, "member", Unit.SECONDS) == (None, 5, 0)
    assert await balance(views, "member", Unit.CLIPS) == (None, 1, 0)


async def test_what_the_provider_took_beyond_the_hold_is_the_operators_loss(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs(micros=400_000)))
    assert await books.write(lambda tx: finish(tx, 1, cost_micros=1_000_000)) == 400_000
    assert await balance(views, "guild", Unit.USD) == (10_000_000, 400_000, 0)
    assert await balance(views, "operator", Unit.USD, Period.TOTAL, "loss") == (None, 600_000, 0)
    assert (await kinds(views))[-1] == "loss"
    assert verify(tmp_path).ok


async def test_without_a_known_cost_all_that_was_held_is_charged(books: SqliteBooks) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs(micros=400_000)))
    assert await books.write(lambda tx: finish(tx, 1, cost_micros=None)) == 400_000


async def test_a_charge_happens_once(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: finish(tx, 1, cost_micros=300_000))
    before = await kinds(views)
    again = await books.write(lambda tx: tx.ledger.charge(job_id=1, cost_micros=9, actor="x", now_ms=NOON_MS))
    await books.write(lambda tx: tx.ledger.release(job_id=1, actor="x", now_ms=NOON_MS))
    assert again == 300_000
    assert await kinds(views) == before


async def test_a_released_job_cannot_be_charged(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: give_up(tx, 1))
    assert await balance(views, "guild", Unit.USD) == (10_000_000, 0, 0)
    for job_id in (1, 2):
        with pytest.raises(NothingHeldError):
            await books.write(partial(charge_all, job_id=job_id))


def charge_all(tx: Transaction, job_id: int) -> int:
    return tx.ledger.charge(job_id=job_id, cost_micros=None, actor="x", now_ms=NOON_MS)


async def test_releasing_what_holds_nothing_changes_nothing(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: tx.ledger.release(job_id=1, actor="x", now_ms=NOON_MS))
    assert await kinds(views) == []


async def test_a_check_refuses_like_a_hold_and_changes_nothing(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: tx.ledger.check(legs=usual_legs()))
    with pytest.raises(QuotaExceededError):
        await books.write(lambda tx: tx.ledger.check(legs=usual_legs(limit=1)))
    assert await kinds(views) == []
    assert await views.balances() == []


async def test_a_limit_of_nothing_forbids_all_but_the_free(books: SqliteBooks, views: SqliteViews) -> None:
    with pytest.raises(QuotaExceededError):
        await books.write(lambda tx: queue(tx, 1, usual_legs(micros=1, limit=0)))
    await books.write(lambda tx: queue(tx, 2, usual_legs(micros=0, limit=0)))
    assert await balance(views, "guild", Unit.USD) == (0, 0, 0)


async def test_a_new_limit_is_granted_and_a_changed_one_adjusted(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    for job_id, limit in enumerate((100, 300, 300, 200, None, 200, 100, 300), start=1):
        legs = [a_leg(owner=GUILD, unit=Unit.USD, amount=1, limit=limit)]
        await books.write(holding(legs, job_id))
    limits = [
        (line["kind"], line["direction"], line["amount"], line["reason"])
        async for line in views.journal()
        if line["kind"] in {"grant", "adjust"}
    ]
    assert limits == [
        ("grant", "in", 100, "limit"),
        ("adjust", "in", 200, "limit"),
        ("adjust", "out", 100, "limit"),
        ("adjust", "out", 200, "no limit"),
        ("adjust", "in", 200, "limit"),
        ("adjust", "out", 100, "limit"),
        ("adjust", "in", 200, "limit"),
    ]
    assert await balance(views, "guild", Unit.USD) == (300, 0, 8)
    assert verify(tmp_path).ok


async def test_a_limit_below_what_is_used_refuses_but_lets_the_free_pass(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs(micros=1_000, limit=5_000)))
    with pytest.raises(QuotaExceededError, match=r"This server has \$0\.00 left"):
        await books.write(lambda tx: queue(tx, 2, usual_legs(micros=1, limit=500)))
    await books.write(lambda tx: queue(tx, 3, usual_legs(micros=0, limit=500)))
    assert await balance(views, "guild", Unit.USD) == (500, 0, 1_000)
    assert verify(tmp_path).ok


async def test_a_new_period_is_a_new_balance(books: SqliteBooks, views: SqliteViews) -> None:
    today = [a_leg(period=Period.DAY, limit=1)]
    tomorrow = [a_leg(period=Period.DAY, limit=1, at_ms=NOON_MS + DAY_MS)]
    await books.write(lambda tx: queue(tx, 1, today))
    with pytest.raises(QuotaExceededError):
        await books.write(lambda tx: queue(tx, 2, today))
    await books.write(lambda tx: queue(tx, 3, tomorrow, now_ms=NOON_MS + DAY_MS))
    # The first job ends tomorrow, on the balance where it began.
    await books.write(lambda tx: finish(tx, 1, now_ms=NOON_MS + DAY_MS))
    assert await balance(views, "member", Unit.CLIPS, Period.DAY, "2026-11-18") == (1, 1, 0)
    assert await balance(views, "member", Unit.CLIPS, Period.DAY, "2026-11-19") == (1, 0, 1)


MONTH_END = "It resets on 1 December 2026, 00:00 UTC."


@pytest.mark.parametrize(
    ("leg", "sentence"),
    [
        (
            a_leg(unit=Unit.USD, amount=400_000, limit=250_000),
            (
                f"You have $0.25 left of $0.25 this month; this clip takes $0.40. {MONTH_END} "
                "An admin of this server can raise it."
            ),
        ),
        (
            a_leg(owner=GUILD, unit=Unit.SECONDS, period=Period.WEEK, amount=5, limit=3),
            (
                "This server has 3 s left of 3 s this week; this clip takes 5 s. "
                "It resets on 23 November 2026, 00:00 UTC. An admin of this server can raise it."
            ),
        ),
        (
            a_leg(period=Period.TOTAL, amount=1, limit=0),
            (
                "You have 0 clips left of 0 clips in total; this clip takes 1 clip. It does not reset. "
                "An admin of this server can raise it."
            ),
        ),
        (
            a_leg(owner=OPERATOR, unit=Unit.USD, period=Period.DAY, amount=2_000_000, limit=1_500_000),
            (
                "The operator has $1.50 left of $1.50 today; this clip takes $2.00. "
                "It resets on 19 November 2026, 00:00 UTC. Only whoever hosts the bot can raise it."
            ),
        ),
    ],
)
async def test_a_refusal_says_whose_what_until_when_and_who_can_help(
    books: SqliteBooks, leg: Leg, sentence: str
) -> None:
    with pytest.raises(QuotaExceededError) as refused:
        await books.write(lambda tx: tx.ledger.check(legs=[leg]))
    assert str(refused.value) == sentence


async def test_the_first_leg_that_lacks_refuses(books: SqliteBooks) -> None:
    short = [a_leg(owner=owner, limit=0) for owner in (MEMBER, GUILD, OPERATOR)]
    for legs, whose in ((short, "You have"), (short[1:], "This server has"), (short[2:], "The operator has")):
        with pytest.raises(QuotaExceededError, match=whose):
            await books.write(partial(check, legs=legs))


def check(tx: Transaction, legs: list[Leg]) -> None:
    tx.ledger.check(legs=legs)


async def test_the_journal_can_neither_be_changed_nor_deleted(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    with closing(sqlite3.connect(database_path(tmp_path))) as other:
        for statement in (
            "UPDATE transfer SET amount = 0",
            "DELETE FROM transfer",
            "UPDATE transfer SET seq = seq + 9",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                other.execute(statement)


def test_nothing_of_record_can_be_replaced(tmp_path: Path) -> None:
    """REPLACE deletes without asking, unless triggers are told to be asked: then by nobody who writes here."""
    with closing(open_for_writing(database_path(tmp_path))) as connection:
        tx = SqliteTransaction(connection)
        queue(tx, 1, usual_legs())
        tx.rules.note(1, "x", before="a", after="b", by=By(actor="9", at_ms=NOON_MS))
        for table in ("transfer", "event", "decision"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                connection.execute(f"REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")  # noqa: S608  our own names


def test_a_movement_asked_for_twice_at_once_is_booked_once(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        journal, cause = Journal(connection), Cause(actor="a", at_ms=1)
        one = Transfer(id="x", kind=Kind.LOSS, debit=JOBS[Unit.USD], credit=1, amount=5)
        other = replace(one, id="y")
        assert journal.book_all([one, other, one], cause) == [1, 2, 1]
        assert journal.book_all([replace(one, id="z"), other], cause) == [3, 2]
        assert journal.book_all([], cause) == []
        with pytest.raises(TransferConflictError):
            journal.book_all([replace(one, id="new"), replace(other, amount=6)], cause)
        assert connection.execute("SELECT COUNT(*) FROM transfer").fetchone()[0] == 3


def test_one_id_has_one_body(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        journal, cause = Journal(connection), Cause(actor="a", at_ms=1)
        transfer = Transfer(id="x", kind=Kind.LOSS, debit=JOBS[Unit.USD], credit=1, amount=5)
        first = journal.book(transfer, cause)
        assert journal.book(transfer, replace(cause, at_ms=2)) == first
        with pytest.raises(TransferConflictError):
            journal.book(replace(transfer, amount=6), cause)
        assert connection.execute("SELECT COUNT(*) FROM transfer").fetchone()[0] == 1


def test_a_hold_is_resolved_once_whatever_the_id(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        journal, cause = Journal(connection), Cause(actor="a", at_ms=1)
        hold = journal.book(Transfer(id="h", kind=Kind.HOLD, debit=1, credit=2, amount=5), cause)
        charge = Transfer(id="c", kind=Kind.CHARGE, debit=1, credit=2, amount=5, hold=hold)
        journal.book(charge, cause)
        for other in (replace(charge, id="c2"), replace(charge, id="r", kind=Kind.RELEASE)):
            with pytest.raises(sqlite3.IntegrityError):
                journal.book(other, cause)


async def test_the_journal_knows_people_by_opaque_ids_that_can_be_forgotten(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    assert {line["actor"] async for line in views.journal()} == {"7"}
    with closing(open_for_writing(database_path(tmp_path))) as connection:
        rows = connection.execute("SELECT * FROM transfer").fetchall()
        assert all("7" not in row["actor"].split() for row in rows)
        connection.execute("DELETE FROM owner WHERE member_id = '7'")
    assert verify(tmp_path).ok
    assert {line["actor"] async for line in views.journal()} == {None}
    assert "7" not in {line["member_id"] for line in await views.balances()}


async def test_a_month_ends_where_the_guild_says_not_where_the_charge_falls(
    books: SqliteBooks, views: SqliteViews
) -> None:
    last_minute = round(datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp() * 1000)
    await books.write(lambda tx: queue(tx, 1, usual_legs(at_ms=last_minute), now_ms=last_minute))
    await books.write(lambda tx: finish(tx, 1, now_ms=last_minute + 600_000))
    assert await balance(views, "guild", Unit.USD, Period.MONTH, "2026-11") == (10_000_000, 400_000, 0)
    job = await views.job(1)
    assert job is not None
    assert job.state is JobState.DELIVERED
