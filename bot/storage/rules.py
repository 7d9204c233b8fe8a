"""What admins and the operator decided: amounts and pauses."""

import sqlite3

from bot.domain.quota import Audience, Period, Rule, Unit

_EVERYWHERE = 0
_NO_SUBJECT = 0


class SqliteRules:
    """The statements on rules, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of_guild(self, guild_id: int) -> list[Rule]:
        rows = self._connection.execute(
            "SELECT * FROM rule WHERE guild_id = ? ORDER BY audience, subject_id, unit, period", (guild_id,)
        )
        return [_rule(row) for row in rows]

    def put(self, rule: Rule) -> None:
        subject_id = _NO_SUBJECT if rule.subject_id is None else rule.subject_id
        self._connection.execute(
            "INSERT INTO rule (guild_id, audience, subject_id, unit, period, amount) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (guild_id, audience, subject_id, unit, period) DO UPDATE SET amount = excluded.amount",
            (rule.guild_id, rule.audience.value, subject_id, rule.unit.value, rule.period.value, rule.amount),
        )

    def paused_by(self, guild_id: int | None) -> str | None:
        row = self._connection.execute(
            "SELECT paused_by FROM pause WHERE guild_id IN (?, ?) ORDER BY guild_id LIMIT 1",
            (_EVERYWHERE, _EVERYWHERE if guild_id is None else guild_id),
        ).fetchone()
        return None if row is None else str(row[0])

    def pause(self, *, guild_id: int | None, by: str | None) -> None:
        place = _EVERYWHERE if guild_id is None else guild_id
        if by is None:
            self._connection.execute("DELETE FROM pause WHERE guild_id = ?", (place,))
        else:
            self._connection.execute(
                "INSERT INTO pause (guild_id, paused_by) VALUES (?, ?) "
                "ON CONFLICT (guild_id) DO UPDATE SET paused_by = excluded.paused_by",
                (place, by),
            )


def _rule(row: sqlite3.Row) -> Rule:
    return Rule(
        guild_id=row["guild_id"],
        audience=Audience(row["audience"]),
        subject_id=row["subject_id"] or None,
        unit=Unit(row["unit"]),
        period=Period(row["period"]),
        amount=row["amount"],
    )
