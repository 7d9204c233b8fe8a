"""What admins and the operator decided: amounts and bounds, settings, pauses, bonuses, alerts."""

import json
import sqlite3

from bot.domain.guilds import GuildSettings
from bot.domain.quota import Owner, OwnerKind, Period, Unit, amount_words, window_at
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Bounds, Pool, Rule
from bot.ports.books import By
from bot.storage.audit import Audit
from bot.storage.balances import Balances
from bot.storage.journal import Cause
from bot.storage.pools import Pools
from bot.storage.settings import Settings

_EVERYWHERE = 0
_NO_SUBJECT = 0
_NO_RULE = "no rule"
_KEY = "guild_id = ? AND audience = ? AND subject_id = ? AND unit = ? AND period = ?"
_PUT = """
INSERT INTO rule (guild_id, audience, subject_id, unit, period, amount, tiers, resolution_max, seconds_max)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (guild_id, audience, subject_id, unit, period) DO UPDATE SET
    amount = excluded.amount, tiers = excluded.tiers, resolution_max = excluded.resolution_max,
    seconds_max = excluded.seconds_max
"""


class SqliteRules:
    """The statements on rules, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._audit = Audit(connection)
        self._balances = Balances(connection)
        self._settings = Settings(connection)
        self._pools = Pools(connection)

    def of_guild(self, guild_id: int) -> list[Rule]:
        rows = self._connection.execute(
            "SELECT * FROM rule WHERE guild_id = ? ORDER BY audience, subject_id, unit, period", (guild_id,)
        )
        return [_rule(row) for row in rows]

    def put(self, rule: Rule, *, by: By) -> None:
        before, bounds = self._known(rule), rule.bounds
        tiers = None if bounds.tiers is None else json.dumps(sorted(bounds.tiers))
        self._connection.execute(_PUT, (*_key(rule), rule.amount, tiers, bounds.resolution_max, bounds.seconds_max))
        self._limit(rule, rule.amount, by)
        if before != rule:
            self._note(rule, before=_words(before), after=_words(rule), by=by)

    def remove(self, rule: Rule, *, by: By) -> bool:
        before = self._known(rule)
        if before is None:
            return False
        self._connection.execute(f"DELETE FROM rule WHERE {_KEY}", _key(rule))  # noqa: S608  our own text
        self._limit(rule, None, by)
        self._note(rule, before=_words(before), after=_NO_RULE, by=by)
        return True

    def settings(self, guild_id: int) -> GuildSettings:
        return self._settings.of_guild(guild_id)

    def longest_retention_days(self) -> int:
        return self._settings.longest_retention_days()

    def put_setting(self, guild_id: int, name: str, value: object, *, by: By) -> None:
        self._settings.put(guild_id, name, value, by=by)

    def paused_by(self, guild_id: int | None) -> str | None:
        row = self._connection.execute(
            "SELECT paused_by FROM pause WHERE guild_id IN (?, ?) ORDER BY guild_id LIMIT 1",
            (_EVERYWHERE, _place(guild_id)),
        ).fetchone()
        return None if row is None else str(row[0])

    def pause(self, *, guild_id: int | None, paused: bool, by: By) -> None:
        """Whoever paused first stays named; nothing changes, nothing is noted."""
        if self._pause(guild_id, by.actor) if paused else self._resume(guild_id):
            before, after = ("running", "paused") if paused else ("paused", "running")
            self._audit.note(guild_id, "new work", before=before, after=after, by=by)

    def add_pool(self, pool: Pool, *, by: By) -> Pool:
        return self._pools.add(pool, by=by)

    def pools(self, guild_id: int, *, now_ms: int) -> list[tuple[Pool, int]]:
        return self._pools.open_in(guild_id, now_ms=now_ms)

    def note(self, guild_id: int | None, what: str, *, before: str, after: str, by: By) -> None:
        self._audit.note(guild_id, what, before=before, after=after, by=by)

    def first_alert(self, guild_id: int, *, window: str, percent: int) -> bool:
        added = self._connection.execute(
            "INSERT INTO alert (guild_id, name, percent) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (guild_id, window, percent),
        ).rowcount
        return bool(added)

    def _pause(self, guild_id: int | None, actor: str) -> bool:
        added = self._connection.execute(
            "INSERT INTO pause (guild_id, paused_by) VALUES (?, ?) ON CONFLICT DO NOTHING", (_place(guild_id), actor)
        ).rowcount
        return bool(added)

    def _resume(self, guild_id: int | None) -> bool:
        gone = self._connection.execute("DELETE FROM pause WHERE guild_id = ?", (_place(guild_id),)).rowcount
        return bool(gone)

    def _known(self, rule: Rule) -> Rule | None:
        row = self._connection.execute(f"SELECT * FROM rule WHERE {_KEY}", _key(rule)).fetchone()  # noqa: S608  our own text
        return None if row is None else _rule(row)

    def _limit(self, rule: Rule, limit: int | None, by: By) -> None:
        """Rules for a role or everyone bind by the roles that a member has then: their next hold applies them."""
        owner = _owner(rule)
        if owner is None:
            return
        window = window_at(rule.period, by.at_ms, self.settings(rule.guild_id).zone)
        cause = Cause(actor=self._balances.actor(by.actor), at_ms=by.at_ms)
        self._balances.relimit(owner, rule.unit, window, limit, cause)

    def _note(self, rule: Rule, *, before: str, after: str, by: By) -> None:
        subject = _owner(rule) if rule.audience is Audience.MEMBER else None
        what = f"rule for {_audience(rule)}: {rule.unit.value} per {rule.period.value}"
        self._audit.note(rule.guild_id, what, before=before, after=after, by=by, subject=subject)


def _place(guild_id: int | None) -> int:
    return _EVERYWHERE if guild_id is None else guild_id


def _key(rule: Rule) -> tuple[int, str, int, str, str]:
    subject_id = _NO_SUBJECT if rule.subject_id is None else rule.subject_id
    return (rule.guild_id, rule.audience.value, subject_id, rule.unit.value, rule.period.value)


def _owner(rule: Rule) -> Owner | None:
    """Whose balance this rule limits directly."""
    match rule.audience:
        case Audience.SERVER:
            return Owner(kind=OwnerKind.GUILD, guild_id=rule.guild_id)
        case Audience.MEMBER:
            return Owner(kind=OwnerKind.MEMBER, guild_id=rule.guild_id, member_id=str(rule.subject_id))
        case Audience.ROLE | Audience.EVERYONE:
            return None


def _audience(rule: Rule) -> str:
    return f"<@&{rule.subject_id}>" if rule.audience is Audience.ROLE else rule.audience.value


def _words(rule: Rule | None) -> str:
    if rule is None:
        return _NO_RULE
    bounds = rule.bounds
    parts = [amount_words(rule.unit, rule.amount)]
    if bounds.tiers is not None:
        parts.append(f"tiers {', '.join(tier for tier in Tier if tier in bounds.tiers) or 'none'}")
    if bounds.resolution_max is not None:
        parts.append(f"up to {bounds.resolution_max}")
    if bounds.seconds_max is not None:
        parts.append(f"up to {bounds.seconds_max} s a clip")
    return "; ".join(parts)


def _rule(row: sqlite3.Row) -> Rule:
    return Rule(
        guild_id=row["guild_id"],
        audience=Audience(row["audience"]),
        subject_id=row["subject_id"] or None,
        unit=Unit(row["unit"]),
        period=Period(row["period"]),
        amount=row["amount"],
        bounds=Bounds(
            tiers=None if row["tiers"] is None else frozenset(map(Tier, json.loads(row["tiers"]))),
            resolution_max=row["resolution_max"],
            seconds_max=row["seconds_max"],
        ),
    )
