"""Bonus pools: granted in full when they are made, drained by holds like any other balance."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

from bot.domain.quota import Owner, OwnerKind, Period, Unit, amount_words, window_at
from bot.domain.rules import Audience, Pool
from bot.ports.books import By
from bot.storage.audit import Audit
from bot.storage.balances import Balances
from bot.storage.journal import Cause

_OPEN = """
SELECT pool.*, balance.granted - balance.spent - balance.held AS amount_left
FROM pool
JOIN owner ON owner.kind = 'pool' AND owner.guild_id = pool.guild_id AND owner.member_id = CAST(pool.id AS TEXT)
JOIN balance ON balance.owner = owner.id AND balance.unit = pool.unit AND balance.period = 'total'
WHERE pool.guild_id = ? AND (pool.ends_ms IS NULL OR pool.ends_ms > ?) ORDER BY pool.id
"""


class Pools:
    """The statements on pools, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._balances = Balances(connection)
        self._audit = Audit(connection)

    def add(self, pool: Pool, *, by: By) -> Pool:
        added = replace(pool, id=self._insert(pool))
        cause = Cause(actor=self._balances.actor(by.actor), at_ms=by.at_ms)
        window = window_at(Period.TOTAL, by.at_ms, UTC)
        balance = self._balances.opened(added.owner, added.unit, window)
        self._balances.limit(balance, added.unit, added.amount, cause)
        is_members = pool.audience is Audience.MEMBER
        whom = "a member" if is_members else f"<@&{pool.subject_id}>"
        subject = Owner(kind=OwnerKind.MEMBER, guild_id=pool.guild_id, member_id=str(pool.subject_id))
        self._audit.note(
            pool.guild_id,
            f"bonus {added.id} for {whom}",
            before="none",
            after=_words(pool),
            by=by,
            subject=subject if is_members else None,
        )
        return added

    def open_in(self, guild_id: int, *, now_ms: int) -> list[tuple[Pool, int]]:
        rows = self._connection.execute(_OPEN, (guild_id, now_ms))
        return [(_pool(row), row["amount_left"]) for row in rows]

    def _insert(self, pool: Pool) -> int:
        (added,) = self._connection.execute(
            "INSERT INTO pool (guild_id, audience, subject_id, unit, amount, ends_ms) VALUES (?, ?, ?, ?, ?, ?) "
            "RETURNING id",
            (pool.guild_id, pool.audience.value, pool.subject_id, pool.unit.value, pool.amount, pool.ends_ms),
        ).fetchall()
        return int(added["id"])


def _words(pool: Pool) -> str:
    amount = amount_words(pool.unit, pool.amount)
    if pool.ends_ms is None:
        return amount
    return f"{amount} until {datetime.fromtimestamp(pool.ends_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"


def _pool(row: sqlite3.Row) -> Pool:
    return Pool(
        id=row["id"],
        guild_id=row["guild_id"],
        audience=Audience(row["audience"]),
        subject_id=row["subject_id"],
        unit=Unit(row["unit"]),
        amount=row["amount"],
        ends_ms=row["ends_ms"],
    )
