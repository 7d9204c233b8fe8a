"""A database of an older version keeps all it knows."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.quota import Period, Unit
from bot.domain.rules import Audience, Bounds, Rule
from bot.ports.books import By
from bot.storage.books import open_books
from bot.storage.migrations import newest, steps
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from bot.storage.views import open_views
from tests.storage.making import NOON_MS, usual_legs

FIRST_BOOKS = """
INSERT INTO owner VALUES ('o1', 'member', 1, '7'), ('o2', 'actor', 0, 'runner');
INSERT INTO balance (id, owner, unit, period, name, starts_ms, ends_ms)
    VALUES (7, 'o1', 'usd', 'month', '2026-11', 1793491200000, 1796083200000);
INSERT INTO rule VALUES (1, 'everyone', 0, 'clips', 'day', 5);
INSERT INTO pause VALUES (1, '9');
"""


def make_first(path: Path) -> None:
    """A database as the first step left it, with a member, a rule and a pause."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        number, text = steps()[0]
        connection.executescript(f"{text}{FIRST_BOOKS}PRAGMA user_version = {number};")


async def test_rules_owners_and_balances_of_the_first_version_are_kept(tmp_path: Path) -> None:
    make_first(database_path(tmp_path))
    async with open_books(tmp_path) as books:
        rules = await books.write(lambda tx: tx.rules.of_guild(1))
        assert rules == [
            Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=5, bounds=Bounds())
        ]
        assert await books.write(lambda tx: tx.rules.paused_by(1)) == "9"
        await books.write(lambda tx: tx.ledger.hold(job_id=1, legs=usual_legs()[:1], actor="runner", now_ms=NOON_MS))
        await books.write(lambda tx: tx.ledger.release(job_id=1, actor="runner", now_ms=NOON_MS))
        await books.write(lambda tx: tx.rules.put(rules[0], by=By(actor="9", at_ms=NOON_MS)))
    async with open_views(tmp_path) as views:
        assert [(line["owner"], line["member_id"]) for line in await views.balances()] == [("member", "7")]
    assert verify(tmp_path).problems == ()


def test_the_journal_of_the_first_version_gets_its_lines(tmp_path: Path) -> None:
    path = database_path(tmp_path)
    make_first(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executemany(
            "INSERT INTO transfer VALUES (?, ?, x'', 'hold', 7, 2, 0, NULL, NULL, NULL, 'o2', 1, x'')",
            [(1, "a"), (2, "b")],
        )
    with closing(open_for_writing(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == newest()
        assert [tuple(row) for row in connection.execute("SELECT * FROM line")] == [("o1", 1), ("o1", 2)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
