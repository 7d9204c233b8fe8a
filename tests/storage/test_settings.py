import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.domain.guilds import CHOICES, GuildSettings, default_of
from bot.domain.requests import Tier
from bot.ports.books import By, Transaction
from bot.storage.books import SqliteBooks, open_books
from bot.storage.sqlite import database_path
from bot.storage.views import SqliteViews
from tests.storage.making import NOON_MS

ADMIN = By(actor="9", at_ms=NOON_MS)
ids = st.integers(10**14, 2**63 - 1)
micros = st.none() | st.integers(0, 10**12)
decided = st.builds(
    GuildSettings,
    default_tier=st.sampled_from(Tier),
    allowed_tiers=st.frozensets(st.sampled_from(Tier)),
    longest_seconds=st.none() | st.integers(1, 60),
    channels=st.lists(ids, max_size=3).map(tuple),
    confirm_above_micros=micros,
    approve_above_micros=micros,
    approval_channel=st.none() | ids,
    approver_role=st.none() | ids,
    alert_channel=st.none() | ids,
    watermark=st.booleans(),
    blocklist=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    retention_days=st.integers(1, 365),
    time_zone=st.sampled_from(["UTC", "Asia/Tokyo"]),
)


def _put(tx: Transaction, name: str, value: object) -> None:
    tx.rules.put_setting(1, name, value, by=ADMIN)


async def test_a_server_that_decided_nothing_has_the_defaults(books: SqliteBooks) -> None:
    assert await books.write(lambda tx: tx.rules.settings(1)) == GuildSettings()


@run(deadline=None)  # every example waits for the disk
@given(settings=decided)
async def test_every_setting_comes_back_as_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, settings: GuildSettings
) -> None:
    async with open_books(tmp_path_factory.mktemp("books")) as books:
        for name in CHOICES:
            await books.write(partial(_put, name=name, value=getattr(settings, name)))
        assert await books.write(lambda tx: tx.rules.settings(1)) == settings
        assert await books.write(lambda tx: tx.rules.settings(2)) == GuildSettings()


async def test_a_setting_can_go_back_to_its_default(books: SqliteBooks) -> None:
    for value in (12, default_of("longest_seconds")):
        await books.write(partial(_put, name="longest_seconds", value=value))
    assert await books.write(lambda tx: tx.rules.settings(1)) == GuildSettings()


async def test_a_change_is_noted_and_what_stays_is_not(books: SqliteBooks, views: SqliteViews) -> None:
    for value in (2_500_000, 2_500_000, None):
        await books.write(partial(_put, name="confirm_above_micros", value=value))
    found = [(one.what, one.before, one.after) for one in await views.audit(1, limit=9, before_seq=None)]
    assert found == [
        ("setting confirm_above", "$2.50", "none"),
        ("setting confirm_above", "none", "$2.50"),
    ]


async def test_a_value_of_another_type_is_our_own_bug(books: SqliteBooks) -> None:
    with pytest.raises(ValidationError):
        await books.write(lambda tx: tx.rules.put_setting(1, "retention_days", "a month", by=ADMIN))
    with pytest.raises(AttributeError):
        await books.write(lambda tx: tx.rules.put_setting(1, "colour", "red", by=ADMIN))
    assert await books.write(lambda tx: tx.rules.settings(1)) == GuildSettings()


async def test_a_field_that_another_version_wrote_is_left_alone(tmp_path: Path) -> None:
    async with open_books(tmp_path) as books:
        await books.write(lambda tx: tx.rules.put_setting(1, "watermark", True, by=ADMIN))
    with closing(sqlite3.connect(database_path(tmp_path))) as connection, connection:
        connection.execute("INSERT INTO setting VALUES (1, 'colour', '\"red\"')")
    async with open_books(tmp_path) as books:
        assert await books.write(lambda tx: tx.rules.settings(1)) == GuildSettings(watermark=True)
