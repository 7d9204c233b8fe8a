"""A bonus is drained first, by what it has left, and pays its part of what a clip really cost."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.jobs import Job, JobState
from bot.domain.quota import OPERATOR, Leg, Period, Unit
from bot.domain.rules import Audience, Pool, drained
from bot.ports.books import By, Transaction
from bot.storage.books import SqliteBooks
from bot.storage.verify import verify
from bot.storage.views import SqliteViews
from tests.storage.making import GUILD, MEMBER, NOON_MS, a_leg, finish, give_up, queue

ADMIN = By(actor="9", at_ms=NOON_MS)
POOL = Pool(id=0, guild_id=1, audience=Audience.MEMBER, subject_id=7, unit=Unit.USD, amount=60, ends_ms=None)


def usd_legs(micros: int, *, limit: int) -> list[Leg]:
    """The member's meter and week allowance, the server's meter, the operator's day."""
    return [
        a_leg(unit=Unit.USD, amount=micros),
        a_leg(unit=Unit.USD, period=Period.WEEK, amount=micros, limit=limit),
        a_leg(owner=GUILD, unit=Unit.USD, amount=micros),
        a_leg(owner=OPERATOR, unit=Unit.USD, period=Period.DAY, amount=micros, limit=1000),
    ]


def draw(tx: Transaction, job_id: int, micros: int, *, limit: int = 100) -> None:
    legs = drained(usd_legs(micros, limit=limit), tx.rules.pools(1, now_ms=NOON_MS), NOON_MS)
    queue(tx, job_id, legs)


async def left(books: SqliteBooks) -> list[int]:
    return [amount for _, amount in await books.write(lambda tx: tx.rules.pools(1, now_ms=NOON_MS))]


async def spent(views: SqliteViews) -> dict[tuple[object, object], tuple[object, object]]:
    return {(line["owner"], line["period"]): (line["spent"], line["held"]) for line in await views.balances()}


async def test_a_pool_is_granted_in_full_when_it_is_made(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    made = await books.write(lambda tx: [tx.rules.add_pool(replace(POOL, id=99), by=ADMIN) for _ in range(2)])
    assert [pool.id for pool in made] == [1, 2]
    assert await books.write(lambda tx: tx.rules.pools(1, now_ms=NOON_MS)) == [(pool, 60) for pool in made]
    lines = [line async for line in views.journal()]
    assert [(line["kind"], line["owner"], line["member_id"], line["amount"], line["actor"]) for line in lines] == [
        ("grant", "pool", "1", 60, "9"),
        ("grant", "pool", "2", 60, "9"),
    ]
    assert verify(tmp_path).ok


async def test_what_ended_and_what_is_elsewhere_is_not_listed(books: SqliteBooks) -> None:
    pools = [replace(POOL, ends_ms=NOON_MS), replace(POOL, ends_ms=NOON_MS + 1), replace(POOL, guild_id=2)]
    await books.write(lambda tx: [tx.rules.add_pool(pool, by=ADMIN) for pool in pools])
    assert [pool.id for pool, _ in await books.write(lambda tx: tx.rules.pools(1, now_ms=NOON_MS))] == [2]
    assert [pool.id for pool, _ in await books.write(lambda tx: tx.rules.pools(1, now_ms=NOON_MS - 1))] == [1, 2]


async def test_a_pool_is_held_charged_and_freed_like_any_balance(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: tx.rules.add_pool(POOL, by=ADMIN))
    await books.write(lambda tx: draw(tx, 1, 40))
    assert await left(books) == [20]
    await books.write(lambda tx: give_up(tx, 1))
    assert await left(books) == [60]
    await books.write(lambda tx: draw(tx, 2, 40))
    await books.write(lambda tx: finish(tx, 2))
    assert await left(books) == [20]
    assert verify(tmp_path).ok


@pytest.mark.parametrize(
    ("cost", "pool_left", "week"),
    [(None, 0, 40), (100, 0, 40), (70, 0, 10), (60, 0, 0), (50, 10, 0), (0, 60, 0), (130, 0, 40)],
)
async def test_pool_and_allowance_together_pay_what_it_cost(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path, cost: int | None, pool_left: int, week: int
) -> None:
    await books.write(lambda tx: tx.rules.add_pool(POOL, by=ADMIN))
    await books.write(lambda tx: draw(tx, 1, 100))
    charged = 100 if cost is None else min(cost, 100)
    assert await books.write(lambda tx: finish(tx, 1, cost_micros=cost)) == charged
    found = await spent(views)
    assert await left(books) == [pool_left]
    assert found["member", "week"] == (week, 0)
    assert {found[key][0] for key in (("member", "month"), ("guild", "month"), ("operator", "day"))} == {charged}
    assert verify(tmp_path).ok


async def test_the_pool_that_ends_first_is_charged_first(books: SqliteBooks) -> None:
    pools = [POOL, replace(POOL, ends_ms=NOON_MS + 9)]
    await books.write(lambda tx: [tx.rules.add_pool(pool, by=ADMIN) for pool in pools])
    await books.write(lambda tx: draw(tx, 1, 100))
    assert await left(books) == [20, 0]
    await books.write(lambda tx: finish(tx, 1, cost_micros=70))
    assert await left(books) == [50, 0]


async def test_a_pool_is_never_overdrawn_and_its_limit_is_what_was_granted(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    pool = await books.write(lambda tx: tx.rules.add_pool(POOL, by=ADMIN))
    stale = drained(usd_legs(50, limit=0), [(pool, 60)], NOON_MS)
    await books.write(partial(queue, job_id=1, legs=stale))
    with pytest.raises(QuotaExceededError, match=r"This bonus has \$0.00001 left"):
        await books.write(partial(queue, job_id=2, legs=stale))
    raised = [replace(leg, limit=None if leg.limit is None else 10**9) for leg in stale]
    with pytest.raises(QuotaExceededError):
        await books.write(partial(queue, job_id=3, legs=raised))
    assert [line["kind"] async for line in views.journal() if line["owner"] == "pool"] == ["grant", "hold"]
    assert verify(tmp_path).ok


async def test_a_spent_pool_leaves_the_allowance_to_decide(books: SqliteBooks) -> None:
    await books.write(lambda tx: tx.rules.add_pool(POOL, by=ADMIN))
    await books.write(lambda tx: draw(tx, 1, 60, limit=0))
    with pytest.raises(QuotaExceededError, match="this week"):
        await books.write(lambda tx: draw(tx, 2, 1, limit=0))


async def test_an_end_while_a_job_runs_changes_nothing_for_it(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await books.write(lambda tx: tx.rules.add_pool(replace(POOL, ends_ms=NOON_MS + 1), by=ADMIN))
    await books.write(lambda tx: draw(tx, 1, 50))
    assert await books.write(lambda tx: tx.rules.pools(1, now_ms=NOON_MS + 1)) == []
    await books.write(lambda tx: finish(tx, 1, now_ms=NOON_MS + 2))
    assert (await spent(views))["pool", "total"] == (50, 0)
    assert verify(tmp_path).ok


async def test_the_member_sees_the_bonus_of_own_jobs_only(books: SqliteBooks, views: SqliteViews) -> None:
    pool = await books.write(lambda tx: tx.rules.add_pool(replace(POOL, audience=Audience.ROLE), by=ADMIN))
    await books.write(lambda tx: draw(tx, 1, 40))
    other = replace(MEMBER, member_id="8")

    def draw_other(tx: Transaction) -> None:
        legs = [replace(leg, owner=other) if leg.owner == MEMBER else leg for leg in usd_legs(5, limit=9)]
        job = tx.jobs.add(replace(_job(tx), id=2, member_id="8"))
        tx.ledger.hold(job_id=job.id, legs=drained(legs, [(pool, 20)], NOON_MS), actor="8", now_ms=NOON_MS)

    await books.write(draw_other)
    for member_id, change in (("7", -40), ("8", -5)):
        lines = await views.history(guild_id=1, member_id=member_id, before_seq=None, limit=50)
        assert [(line.change, line.job_id is None) for line in lines if line.is_bonus] == [(change, False)]


def _job(tx: Transaction) -> Job:
    job = tx.jobs.get(1)
    assert job is not None
    return replace(job, state=JobState.COLLECTING)
