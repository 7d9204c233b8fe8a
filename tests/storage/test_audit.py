"""Everything that was decided, by whom, from what to what."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.domain.quota import Period, Unit
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Bounds, Pool, Rule
from bot.ports.books import By, Transaction
from bot.ports.views import Decision
from bot.storage.books import SqliteBooks, open_books
from bot.storage.sqlite import database_path
from bot.storage.verify import verify
from bot.storage.views import SqliteViews, open_views
from tests.storage.making import NOON_MS

ADMIN = By(actor="9", at_ms=NOON_MS)
RULE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.USD, period=Period.WEEK, amount=5_000_000)
POOL = Pool(id=0, guild_id=1, audience=Audience.ROLE, subject_id=4, unit=Unit.CLIPS, amount=3, ends_ms=None)


async def told(views: SqliteViews, guild_id: int | None = 1) -> list[tuple[str, str, str]]:
    return [(one.what, one.before, one.after) for one in await views.audit(guild_id, limit=50, before_seq=None)][::-1]


async def test_a_rule_is_told_from_what_to_what(books: SqliteBooks, views: SqliteViews) -> None:
    bounded = replace(
        RULE,
        amount=4_600_000,
        bounds=Bounds(tiers=frozenset({Tier.PRO, Tier.FAST}), resolution_max="720p", seconds_max=15),
    )

    def decide(tx: Transaction) -> None:
        for rule in (RULE, RULE, bounded):
            tx.rules.put(rule, by=ADMIN)
        tx.rules.remove(RULE, by=ADMIN)
        tx.rules.put(replace(RULE, audience=Audience.ROLE, subject_id=4, bounds=Bounds(tiers=frozenset())), by=ADMIN)

    await books.write(decide)
    words = "$4.60; tiers fast, pro; up to 720p; up to 15 s a clip"
    assert await told(views) == [
        ("rule for everyone: usd per week", "no rule", "$5.00"),
        ("rule for everyone: usd per week", "$5.00", words),
        ("rule for everyone: usd per week", words, "no rule"),
        ("rule for <@&4>: usd per week", "no rule", "$5.00; tiers none"),
    ]


async def test_pauses_bonuses_and_notes_are_told(books: SqliteBooks, views: SqliteViews) -> None:
    def decide(tx: Transaction) -> None:
        for paused in (True, True, False, False):
            tx.rules.pause(guild_id=1, paused=paused, by=ADMIN)
        tx.rules.add_pool(POOL, by=ADMIN)
        tx.rules.add_pool(replace(POOL, ends_ms=NOON_MS), by=ADMIN)
        tx.rules.note(1, "job 5", before="waiting", after="approved", by=ADMIN)
        tx.rules.pause(guild_id=None, paused=True, by=replace(ADMIN, actor="operator"))

    await books.write(decide)
    assert await told(views) == [
        ("new work", "running", "paused"),
        ("new work", "paused", "running"),
        ("bonus 1 for <@&4>", "none", "3 clips"),
        ("bonus 2 for <@&4>", "none", "3 clips until 2026-11-18 12:00 UTC"),
        ("job 5", "waiting", "approved"),
    ]
    assert await told(views, None) == [("new work", "running", "paused")]


async def test_a_member_is_named_beside_the_text_and_can_be_forgotten(
    books: SqliteBooks, views: SqliteViews, tmp_path: Path
) -> None:
    def decide(tx: Transaction) -> None:
        tx.rules.put(replace(RULE, audience=Audience.MEMBER, subject_id=7), by=ADMIN)
        tx.rules.add_pool(replace(POOL, audience=Audience.MEMBER, subject_id=7), by=ADMIN)

    await books.write(decide)
    found = await views.audit(1, limit=9, before_seq=None)
    assert [(one.what, one.subject_id, one.actor) for one in found] == [
        ("bonus 1 for a member", "7", "9"),
        ("rule for member: usd per week", "7", "9"),
    ]
    with closing(sqlite3.connect(database_path(tmp_path))) as connection, connection:
        assert "'7'" not in repr(connection.execute("SELECT * FROM decision").fetchall())
        connection.execute("DELETE FROM owner WHERE kind IN ('actor', 'member')")
    found = await views.audit(1, limit=9, before_seq=None)
    assert [(one.subject_id, one.actor) for one in found] == [(None, None)] * 2
    assert verify(tmp_path).ok


async def test_pages_go_back_from_the_newest_and_stay_in_their_server(books: SqliteBooks, views: SqliteViews) -> None:
    for number in range(1, 8):
        await books.write(partial(_note, guild_id=1 + number % 2, what=f"{number}"))
    first = await views.audit(1, limit=2, before_seq=None)
    assert first[0] == Decision(
        seq=6, guild_id=1, at_ms=NOON_MS, actor="9", what="6", subject_id=None, before="a", after="b"
    )
    second = await views.audit(1, limit=2, before_seq=first[-1].seq)
    assert [one.what for one in (*first, *second)] == ["6", "4", "2"]
    assert [line["what"] async for line in views.audit_trail()] == list("1234567")


def _note(tx: Transaction, guild_id: int, what: str) -> None:
    tx.rules.note(guild_id, what, before="a", after="b", by=ADMIN)


async def test_a_decision_that_is_undone_with_its_transaction_is_not_told(
    books: SqliteBooks, views: SqliteViews
) -> None:
    def fail(tx: Transaction) -> None:
        tx.rules.put(RULE, by=ADMIN)
        raise KeyError

    with pytest.raises(KeyError):
        await books.write(fail)
    assert await told(views) == []


@pytest.mark.parametrize("statement", ["UPDATE decision SET after = ''", "DELETE FROM decision"])
async def test_the_trail_is_only_added_to(tmp_path: Path, statement: str) -> None:
    async with open_books(tmp_path) as books:
        await books.write(lambda tx: tx.rules.put(RULE, by=ADMIN))
    refused = pytest.raises(sqlite3.IntegrityError, match="only added to")
    with closing(sqlite3.connect(database_path(tmp_path))) as connection, refused:
        connection.execute(statement)
    async with open_views(tmp_path) as views:
        assert len(await told(views)) == 1
