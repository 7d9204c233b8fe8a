"""What providers took, beside what members were charged."""

from functools import partial
from pathlib import Path

import pytest

from bot.ports.books import Transaction
from bot.storage.books import SqliteBooks
from bot.storage.verify import verify
from bot.storage.views import SqliteViews
from tests.storage.making import DAY_MS, NOON_MS, queue, usual_legs


def settle(tx: Transaction, job_id: int, *, provider: str | None, cost: int | None, now_ms: int = NOON_MS) -> int:
    legs = usual_legs(micros=100)
    tx.ledger.hold(job_id=job_id, legs=legs, actor="7", now_ms=NOON_MS)
    return tx.ledger.charge(job_id=job_id, cost_micros=cost, actor="runner", now_ms=now_ms, provider=provider)


async def costs(views: SqliteViews) -> list[tuple[object, ...]]:
    return [tuple(line.values()) for line in await views.costs()]


async def test_costs_are_kept_per_provider_and_month(books: SqliteBooks, views: SqliteViews, tmp_path: Path) -> None:
    for job_id, (provider, cost, days) in enumerate(
        [("a", 100, 0), ("a", 130, 0), ("b", 40, 0), ("a", None, 20), (None, 90, 0)], start=1
    ):
        await books.write(partial(settle, job_id=job_id, provider=provider, cost=cost, now_ms=NOON_MS + days * DAY_MS))
    assert await costs(views) == [
        ("a", "2026-11", 200, 230, -30),
        ("b", "2026-11", 40, 40, 0),
        ("a", "2026-12", 100, 100, 0),
    ]
    assert verify(tmp_path).ok


async def test_a_charge_that_is_repeated_costs_once(books: SqliteBooks, views: SqliteViews) -> None:
    for _ in range(2):
        assert await books.write(partial(settle, job_id=1, provider="a", cost=40)) == 40
    assert await costs(views) == [("a", "2026-11", 40, 40, 0)]


async def test_what_was_taken_for_nothing_is_a_cost_too(books: SqliteBooks, views: SqliteViews, tmp_path: Path) -> None:
    def release(tx: Transaction, job_id: int, cost: int | None) -> None:
        tx.ledger.hold(job_id=job_id, legs=usual_legs(micros=100), actor="7", now_ms=NOON_MS)
        for _ in range(2):
            tx.ledger.release(job_id=job_id, actor="runner", now_ms=NOON_MS, cost_micros=cost, provider="a")

    for job_id, cost in enumerate((70, None, 0), start=1):
        await books.write(partial(release, job_id=job_id, cost=cost))
    assert await costs(views) == [("a", "2026-11", 0, 70, -70)]
    assert verify(tmp_path).ok


async def test_the_cost_ledger_is_no_ones_balance(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(partial(settle, job_id=1, provider="a", cost=130))
    operators = [(line["name"], line["spent"]) for line in await views.balances() if line["owner"] == "operator"]
    assert operators == [("loss", 30), ("2026-11-18", 100)]
    lines = [line async for line in views.journal() if line["member_id"] == "a"]
    assert [(line["kind"], line["direction"], line["amount"], line["reason"]) for line in lines] == [
        ("adjust", "in", 100, "charged to members"),
        ("adjust", "out", 130, "taken by the provider"),
    ]


async def test_costs_refuse_nothing(books: SqliteBooks) -> None:
    await books.write(partial(settle, job_id=1, provider="a", cost=10**12))
    await books.write(lambda tx: queue(tx, 2, usual_legs(micros=100)))


@pytest.mark.parametrize("cost", [0, 40, 100, 130])
async def test_without_a_provider_nothing_is_booked_beside(books: SqliteBooks, views: SqliteViews, cost: int) -> None:
    await books.write(partial(settle, job_id=1, provider=None, cost=cost))
    assert await costs(views) == []


@pytest.mark.parametrize("cost", [None, 40])
async def test_a_free_call_costs_nothing_and_is_charged_as_quoted(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path, cost: int | None
) -> None:
    def settle_free(tx: Transaction) -> int:
        tx.ledger.hold(job_id=1, legs=usual_legs(micros=100), actor="7", now_ms=NOON_MS)
        return tx.ledger.charge(job_id=1, cost_micros=cost, actor="runner", now_ms=NOON_MS, provider="a", is_free=True)

    charged = cost or 100
    assert await books.write(settle_free) == charged
    assert await costs(views) == [("a", "2026-11", charged, 0, charged)]
    assert verify(tmp_path).ok
