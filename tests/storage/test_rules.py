from dataclasses import replace
from datetime import UTC
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import QuotaExceededError
from bot.domain.quota import Leg, Owner, Period, Unit, window_at
from bot.domain.requests import RESOLUTIONS, Tier
from bot.domain.rules import Audience, Bounds, Rule
from bot.ports.books import By, Transaction
from bot.storage.books import SqliteBooks, open_books
from bot.storage.verify import verify
from bot.storage.views import SqliteViews
from tests.storage.making import DAY_MS, GUILD, MEMBER, NOON_MS, a_leg, give_up, queue

ADMIN = By(actor="9", at_ms=NOON_MS)
EVERYONE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=5)
SERVER = replace(EVERYONE, audience=Audience.SERVER)
SEVEN = replace(EVERYONE, audience=Audience.MEMBER, subject_id=7)
ARTISTS = replace(EVERYONE, audience=Audience.ROLE, subject_id=2**62)


def daily(owner: Owner, *, limit: int | None, amount: int = 1) -> list[Leg]:
    return [a_leg(owner=owner, amount=amount), a_leg(owner=owner, period=Period.DAY, limit=limit, amount=amount)]


async def granted(views: SqliteViews, period: Period = Period.DAY) -> tuple[object, object, object]:
    (found,) = [line for line in await views.balances() if line["period"] == period]
    return bool(found["limited"]), found["granted"], found["held"]


async def last_entry(views: SqliteViews) -> tuple[object, ...]:
    line = [line async for line in views.journal()][-1]
    return line["kind"], line["direction"], line["amount"], line["reason"], line["actor"]


async def test_a_rule_replaces_the_one_for_the_same_thing(books: SqliteBooks) -> None:
    elsewhere = replace(EVERYONE, guild_id=2)
    weekly = replace(EVERYONE, period=Period.WEEK)

    def put(tx: Transaction) -> None:
        for rule in (EVERYONE, ARTISTS, elsewhere, weekly, replace(EVERYONE, amount=0)):
            tx.rules.put(rule, by=ADMIN)

    await books.write(put)
    found = await books.write(lambda tx: tx.rules.of_guild(1))
    assert sorted(found, key=repr) == sorted([replace(EVERYONE, amount=0), ARTISTS, weekly], key=repr)
    assert await books.write(lambda tx: tx.rules.of_guild(2)) == [elsewhere]


@settings(deadline=None)  # every example waits for the disk
@given(
    bounds=st.builds(
        Bounds,
        tiers=st.none() | st.frozensets(st.sampled_from(Tier)),
        resolution_max=st.none() | st.sampled_from(RESOLUTIONS),
        seconds_max=st.none() | st.integers(0, 60),
    )
)
async def test_bounds_come_back_as_they_were_put(tmp_path_factory: pytest.TempPathFactory, bounds: Bounds) -> None:
    rule = replace(EVERYONE, bounds=bounds)
    async with open_books(tmp_path_factory.mktemp("books")) as books:
        await books.write(lambda tx: tx.rules.put(EVERYONE, by=ADMIN))
        await books.write(lambda tx: tx.rules.put(rule, by=ADMIN))
        assert await books.write(lambda tx: tx.rules.of_guild(1)) == [rule]


async def test_only_the_rule_with_the_key_is_removed(books: SqliteBooks) -> None:
    for rule in (EVERYONE, ARTISTS):
        await books.write(lambda tx, rule=rule: tx.rules.put(rule, by=ADMIN))  # type: ignore[misc] # bound now
    assert await books.write(lambda tx: tx.rules.remove(replace(EVERYONE, amount=99), by=ADMIN))
    assert not await books.write(lambda tx: tx.rules.remove(EVERYONE, by=ADMIN))
    assert await books.write(lambda tx: tx.rules.of_guild(1)) == [ARTISTS]


@pytest.mark.parametrize(("rule", "owner"), [(SERVER, GUILD), (SEVEN, MEMBER)])
async def test_a_changed_rule_limits_the_open_balance_at_once(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path, rule: Rule, owner: Owner
) -> None:
    await books.write(lambda tx: queue(tx, 1, daily(owner, limit=5)))
    await books.write(lambda tx: tx.rules.put(replace(rule, amount=8), by=ADMIN))
    assert await granted(views) == (True, 8, 1)
    assert await last_entry(views) == ("adjust", "in", 3, "limit", "9")
    await books.write(lambda tx: tx.rules.put(replace(rule, amount=2), by=ADMIN))
    assert await last_entry(views) == ("adjust", "out", 6, "limit", "9")
    assert verify(tmp_path).ok


async def test_a_limit_below_what_is_held_refuses_the_next_and_keeps_the_holds(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    await books.write(lambda tx: queue(tx, 1, daily(GUILD, limit=5, amount=4)))
    await books.write(lambda tx: tx.rules.put(replace(SERVER, amount=1), by=ADMIN))
    assert await granted(views) == (True, 1, 4)
    with pytest.raises(QuotaExceededError, match="This server has 0 clips left of 1 clip today"):
        await books.write(lambda tx: queue(tx, 2, daily(GUILD, limit=1)))
    await books.write(lambda tx: give_up(tx, 1))
    await books.write(lambda tx: queue(tx, 2, daily(GUILD, limit=1)))
    assert await granted(views) == (True, 1, 1)
    assert verify(tmp_path).ok


@pytest.mark.parametrize(("rule", "owner"), [(SERVER, GUILD), (SEVEN, MEMBER)])
async def test_without_its_rule_a_balance_limits_nothing(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path, rule: Rule, owner: Owner
) -> None:
    await books.write(lambda tx: tx.rules.put(rule, by=ADMIN))
    await books.write(lambda tx: queue(tx, 1, daily(owner, limit=5)))
    await books.write(lambda tx: tx.rules.remove(rule, by=ADMIN))
    assert await granted(views) == (False, 0, 1)
    assert await last_entry(views) == ("adjust", "out", 5, "no limit", "9")
    await books.write(lambda tx: queue(tx, 2, daily(owner, limit=None, amount=100)))
    assert verify(tmp_path).ok


@pytest.mark.parametrize("rule", [EVERYONE, ARTISTS, replace(SEVEN, subject_id=8), replace(SERVER, guild_id=2)])
async def test_a_rule_that_does_not_name_the_owner_leaves_its_balance(
    books: SqliteBooks, views: SqliteViews, rule: Rule
) -> None:
    await books.write(lambda tx: queue(tx, 1, daily(MEMBER, limit=3)))
    await books.write(lambda tx: tx.rules.put(rule, by=ADMIN))
    await books.write(lambda tx: tx.rules.remove(rule, by=ADMIN))
    assert await granted(views) == (True, 3, 1)


async def test_a_rule_without_a_balance_books_nothing(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: tx.rules.put(SERVER, by=ADMIN))
    await books.write(lambda tx: tx.rules.put(SEVEN, by=ADMIN))
    assert [line async for line in views.journal()] == []


async def test_the_balance_that_is_open_is_the_one_of_the_servers_own_day(
    books: SqliteBooks, views: SqliteViews
) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    late = NOON_MS + 4 * 60 * 60 * 1000  # 16:00 in London, and tomorrow in Tokyo
    days = {name: window_at(Period.DAY, late, tz) for name, tz in (("utc", UTC), ("tokyo", zone))}
    await books.write(lambda tx: tx.rules.put_setting(1, "time_zone", "Asia/Tokyo", by=ADMIN))
    for job_id, window in enumerate(days.values(), start=1):
        legs = [Leg(owner=GUILD, unit=Unit.CLIPS, window=window, amount=1, limit=5)]
        await books.write(partial(queue, job_id=job_id, legs=legs, now_ms=late))
    await books.write(lambda tx: tx.rules.put(replace(SERVER, amount=2), by=replace(ADMIN, at_ms=late)))
    found = {line["name"]: line["granted"] for line in await views.balances()}
    assert found == {days["utc"].name: 5, days["tokyo"].name: 2}


async def test_yesterdays_balance_keeps_its_limit(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, daily(GUILD, limit=5)))
    tomorrow = replace(ADMIN, at_ms=NOON_MS + DAY_MS)
    await books.write(lambda tx: tx.rules.put(replace(SERVER, amount=1), by=tomorrow))
    assert await granted(views) == (True, 5, 1)


async def test_a_pause_holds_for_its_guild_and_the_operators_for_all(books: SqliteBooks) -> None:
    admin, operator = By(actor="an admin", at_ms=NOON_MS), By(actor="the operator", at_ms=NOON_MS)
    await books.write(lambda tx: tx.rules.pause(guild_id=1, paused=True, by=admin))
    assert await books.write(lambda tx: tx.rules.paused_by(1)) == "an admin"
    assert await books.write(lambda tx: tx.rules.paused_by(2)) is None
    assert await books.write(lambda tx: tx.rules.paused_by(None)) is None
    await books.write(lambda tx: tx.rules.pause(guild_id=None, paused=True, by=operator))
    everywhere = await books.write(lambda tx: {tx.rules.paused_by(guild_id) for guild_id in (1, 2, None)})
    assert everywhere == {"the operator"}
    await books.write(lambda tx: tx.rules.pause(guild_id=None, paused=False, by=ADMIN))
    await books.write(lambda tx: tx.rules.pause(guild_id=1, paused=False, by=ADMIN))
    assert await books.write(lambda tx: tx.rules.paused_by(1)) is None


async def test_whoever_paused_first_stays_named(books: SqliteBooks) -> None:
    for name in ("first", "second"):
        await books.write(partial(_pause, name=name))
    assert await books.write(lambda tx: tx.rules.paused_by(1)) == "first"


def _pause(tx: Transaction, name: str) -> None:
    tx.rules.pause(guild_id=1, paused=True, by=By(actor=name, at_ms=NOON_MS))


async def test_an_alert_is_told_once_per_server_window_and_threshold(books: SqliteBooks) -> None:
    def tell(tx: Transaction) -> list[bool]:
        every = [(1, "2026-11", 50), (1, "2026-11", 80), (1, "2026-12", 50), (2, "2026-11", 50)]
        return [tx.rules.first_alert(guild_id, window=name, percent=percent) for guild_id, name, percent in every]

    assert await books.write(tell) == [True] * 4
    assert await books.write(tell) == [False] * 4
