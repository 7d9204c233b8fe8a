"""The audit trail: what was decided, from what to what, each line hashed together with the one before."""

import sqlite3

from bot.domain.quota import Owner
from bot.ports.books import By
from bot.storage.balances import NO_GUILD, Balances
from bot.storage.journal import FIRST_CHAIN, chained


class Audit:
    """Adds to the trail, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._balances = Balances(connection)

    def note(
        self, guild_id: int | None, what: str, *, before: str, after: str, by: By, subject: Owner | None = None
    ) -> None:
        """A `subject` is kept as an opaque id, so that the trail names nobody by itself."""
        seq, chain = self._last()
        row = (
            seq + 1,
            NO_GUILD if guild_id is None else guild_id,
            self._balances.actor(by.actor),
            what,
            None if subject is None else self._balances.owner_id(subject),
            before,
            after,
            by.at_ms,
        )
        self._connection.execute(
            "INSERT INTO decision (seq, guild_id, actor, what, subject, before, after, at_ms, chain) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, chained(chain, row)),
        )

    def _last(self) -> tuple[int, bytes]:
        row = self._connection.execute("SELECT seq, chain FROM decision ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, FIRST_CHAIN) if row is None else (row[0], row[1])
