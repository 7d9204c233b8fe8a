"""A rule set in mid-period starts from what the period already used."""

from functools import partial
from pathlib import Path

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.quota import Leg, Period
from bot.storage.books import SqliteBooks
from bot.storage.verify import verify
from bot.storage.views import SqliteViews
from tests.storage.making import DAY_MS, NOON_MS, a_leg, finish, give_up, queue


def metered(at_ms: int = NOON_MS) -> list[Leg]:
    return [a_leg(at_ms=at_ms)]


def ruled(limit: int, period: Period = Period.DAY, at_ms: int = NOON_MS) -> list[Leg]:
    return [a_leg(at_ms=at_ms), a_leg(period=period, limit=limit, at_ms=at_ms)]


async def begin(books: SqliteBooks, *job_ids: int, legs: list[Leg], now_ms: int = NOON_MS) -> None:
    for job_id in job_ids:
        await books.write(partial(queue, job_id=job_id, legs=legs, now_ms=now_ms))


async def standing(views: SqliteViews, period: Period) -> tuple[object, object, object]:
    (found,) = [line for line in await views.balances() if line["period"] == period]
    return found["granted"], found["spent"], found["held"]


async def test_what_was_spent_before_counts(books: SqliteBooks, views: SqliteViews, tmp_path: Path) -> None:
    await begin(books, 1, 2, legs=metered())
    await books.write(lambda tx: finish(tx, 1))
    await books.write(lambda tx: finish(tx, 2))
    with pytest.raises(QuotaExceededError, match="You have 0 clips left of 2 clips today"):
        await begin(books, 3, legs=ruled(2))
    await begin(books, 4, legs=ruled(3))
    assert await standing(views, Period.DAY) == (3, 2, 1)
    assert verify(tmp_path).ok


async def test_what_was_held_before_counts_and_resolves_with_its_job(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await begin(books, 1, 2, 3, legs=metered())
    await begin(books, 4, legs=ruled(5))
    assert await standing(views, Period.DAY) == (5, 0, 4)
    await books.write(lambda tx: finish(tx, 1))
    await books.write(lambda tx: give_up(tx, 2))
    assert await standing(views, Period.DAY) == (5, 1, 2)
    assert verify(tmp_path).ok


async def test_more_held_before_than_the_new_limit_is_not_undone(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await begin(books, 1, 2, 3, legs=metered())
    with pytest.raises(QuotaExceededError):
        await begin(books, 4, legs=ruled(2))
    free = [a_leg(amount=0), a_leg(period=Period.DAY, limit=2, amount=0)]
    await begin(books, 5, legs=free)
    assert await standing(views, Period.DAY) == (2, 0, 3)
    assert verify(tmp_path).ok


async def test_what_was_released_before_does_not_count(books: SqliteBooks, views: SqliteViews) -> None:
    await begin(books, 1, legs=metered())
    await books.write(lambda tx: give_up(tx, 1))
    await begin(books, 2, legs=ruled(1))
    assert await standing(views, Period.DAY) == (1, 0, 1)


async def test_only_the_window_counts(books: SqliteBooks, views: SqliteViews) -> None:
    for days_ago, job_id in ((40, 1), (8, 2), (1, 3), (0, 4)):
        then = NOON_MS - days_ago * DAY_MS
        await begin(books, job_id, legs=metered(then), now_ms=then)
        await books.write(partial(finish, job_id=job_id, now_ms=NOON_MS))
    every = [a_leg(period=period, limit=10) for period in (Period.DAY, Period.WEEK, Period.TOTAL)]
    await begin(books, 5, legs=[a_leg(), *every])
    assert await standing(views, Period.DAY) == (10, 1, 1)
    assert await standing(views, Period.WEEK) == (10, 2, 1)
    assert await standing(views, Period.TOTAL) == (10, 4, 1)


async def test_a_rule_that_comes_back_has_missed_nothing(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await begin(books, 1, legs=ruled(9))
    await begin(books, 2, 3, legs=metered())
    await books.write(lambda tx: finish(tx, 2))
    await begin(books, 4, legs=ruled(9))
    assert await standing(views, Period.DAY) == (9, 1, 3)
    await begin(books, 5, legs=ruled(9))
    assert await standing(views, Period.DAY) == (9, 1, 4)
    assert verify(tmp_path).ok


async def test_a_check_sees_what_a_new_rule_has_missed(books: SqliteBooks, views: SqliteViews) -> None:
    await begin(books, 1, legs=metered())
    with pytest.raises(QuotaExceededError):
        await books.write(lambda tx: tx.ledger.check(legs=ruled(1)))
    await books.write(lambda tx: tx.ledger.check(legs=ruled(2)))
    assert [line["period"] for line in await views.balances()] == [Period.MONTH]
