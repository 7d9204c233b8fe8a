"""What the quota commands show: the statements, and what their rows become."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bot.domain.jobs import JobState
from bot.domain.quota import Leg, Period, Unit
from bot.ports.views import Decision, HistoryLine, Spending, Standing
from bot.storage.balances import who

# What is missing in a balance that came in mid-period is counted as its next hold would count it.
STANDING = """
WITH wanted AS (
    SELECT key AS place, value ->> 'kind' AS kind, value ->> 'guild_id' AS guild_id,
        value ->> 'member_id' AS member_id, value ->> 'unit' AS unit, value ->> 'period' AS period,
        value ->> 'name' AS name, value ->> 'starts_ms' AS starts_ms, value ->> 'ends_ms' AS ends_ms
    FROM json_each(?)
)
SELECT COALESCE(balance.spent, 0) AS spent, COALESCE(balance.held, 0) AS held, CASE
    WHEN wanted.period <> 'month' AND wanted.kind IN ('guild', 'member') THEN (
        SELECT json_array(COALESCE(SUM((
            SELECT SUM(CASE transfer.kind WHEN 'charge' THEN transfer.amount ELSE -transfer.amount END)
            FROM transfer WHERE transfer.hold = meter.id AND transfer.kind IN ('charge', 'refund')
        )), 0), COALESCE(SUM(CASE meter.state WHEN 'held' THEN meter.amount ELSE 0 END), 0))
        FROM balance AS month JOIN reservation AS meter ON meter.balance_id = month.id
        WHERE month.owner = owner.id AND month.unit = wanted.unit AND month.period = 'month'
            AND month.ends_ms > wanted.starts_ms AND meter.id > COALESCE(balance.caught_up, 0)
            AND meter.at_ms >= wanted.starts_ms AND (wanted.ends_ms IS NULL OR meter.at_ms < wanted.ends_ms)
            AND NOT EXISTS (
                SELECT 1 FROM reservation AS own
                WHERE own.job_id = meter.job_id AND own.balance_id = balance.id
            )
    ) ELSE '[0,0]' END AS missed
FROM wanted
LEFT JOIN owner
    ON owner.kind = wanted.kind AND owner.guild_id = wanted.guild_id AND owner.member_id = wanted.member_id
LEFT JOIN balance ON balance.owner = owner.id AND balance.unit = wanted.unit AND balance.period = wanted.period
    AND balance.name = wanted.name
ORDER BY wanted.place
"""
# A bonus may be many members': of its lines only those of the member's own jobs.
HISTORY = """
WITH own AS (
    SELECT line.seq FROM owner JOIN line ON line.owner = owner.id
    WHERE owner.kind = ?1 AND owner.guild_id = ?2 AND owner.member_id = ?3 AND line.seq < ?4
    ORDER BY line.seq DESC LIMIT ?5
), bonus AS (
    SELECT line.seq FROM owner JOIN line ON line.owner = owner.id JOIN transfer ON transfer.seq = line.seq
        JOIN job ON job.id = transfer.job_id AND job.member_id = ?3
    WHERE owner.kind = 'pool' AND owner.guild_id = ?2 AND line.seq < ?4
    ORDER BY line.seq DESC LIMIT ?5
)
SELECT transfer.seq, transfer.at_ms, transfer.kind, balance.unit, balance.period, balance.name,
    CASE WHEN transfer.credit = balance.id THEN transfer.amount ELSE -transfer.amount END AS change,
    transfer.job_id, transfer.reason, actor.member_id AS actor, owner.kind IS 'pool' AS is_bonus
FROM (SELECT seq FROM own UNION SELECT seq FROM bonus) AS found
JOIN transfer ON transfer.seq = found.seq
JOIN balance ON balance.id IN (transfer.debit, transfer.credit) AND balance.owner <> 'house'
LEFT JOIN owner ON owner.id = balance.owner
LEFT JOIN owner AS actor ON actor.id = transfer.actor
ORDER BY transfer.seq DESC LIMIT ?5
"""
AUDIT = """
SELECT decision.seq, NULLIF(decision.guild_id, 0) AS guild_id, decision.at_ms, actor.member_id AS actor,
    decision.what, subject.member_id AS subject_id, decision.before, decision.after
FROM decision
LEFT JOIN owner AS actor ON actor.id = decision.actor
LEFT JOIN owner AS subject ON subject.id = decision.subject
"""
AUDIT_OF_GUILD = f"{AUDIT} WHERE decision.guild_id = ? AND decision.seq < ? ORDER BY decision.seq DESC LIMIT ?"
AUDIT_IN_ORDER = f"{AUDIT} ORDER BY decision.seq"
# The server's month meters carry every unit of every job whole, whoever's bonus or allowance paid.
ENDED = """
SELECT job.member_id, job.created_ms, job.state,
    COALESCE(SUM(CASE WHEN balance.unit = 'usd' THEN reservation.charged END), 0) AS spent_micros,
    COALESCE(SUM(CASE WHEN balance.unit = 'seconds' THEN reservation.charged END), 0) AS seconds,
    COALESCE(SUM(CASE WHEN balance.unit = 'clips' THEN reservation.charged END), 0) AS clips,
    COALESCE(MAX(reservation.state = 'released'), 0) AS released
FROM job
LEFT JOIN owner ON owner.kind = 'guild' AND owner.guild_id = job.guild_id AND owner.member_id = ''
LEFT JOIN reservation ON reservation.job_id = job.id AND EXISTS (
    SELECT 1 FROM balance AS month
    WHERE month.id = reservation.balance_id AND month.owner = owner.id AND month.period = 'month'
)
LEFT JOIN balance ON balance.id = reservation.balance_id
WHERE job.guild_id = ? AND job.created_ms >= ? AND job.created_ms < ? AND job.is_open = 0
    AND job.work = 'clip' AND job.is_late = 0
GROUP BY job.id
"""
COSTS = """
SELECT owner.member_id AS provider, balance.name AS month, balance.granted AS charged_micros,
    balance.spent AS cost_micros, balance.granted - balance.spent AS difference_micros
FROM owner JOIN balance ON balance.owner = owner.id
WHERE owner.kind = 'operator' AND owner.member_id <> '' ORDER BY balance.starts_ms, owner.member_id
"""
_FAILED = frozenset({JobState.FAILED, JobState.ABANDONED, JobState.UNDELIVERABLE})


def wanted(legs: Iterable[Leg]) -> str:
    """Legs as the one parameter of `STANDING`."""
    return json.dumps([_wanted(leg) for leg in legs])


def _wanted(leg: Leg) -> dict[str, object]:
    kind, guild_id, member_id = who(leg.owner)
    return {
        "kind": kind,
        "guild_id": guild_id,
        "member_id": member_id,
        "unit": leg.unit.value,
        "period": leg.window.period.value,
        "name": leg.window.name,
        "starts_ms": leg.window.starts_ms,
        "ends_ms": leg.window.ends_ms,
    }


def standing_of(leg: Leg, row: sqlite3.Row) -> Standing:
    used, held = json.loads(row["missed"])
    return Standing(limit=leg.limit, spent=row["spent"] + max(used, 0), held=row["held"] + held)


def history_line_of(row: sqlite3.Row) -> HistoryLine:
    fields = dict(row)
    unit, period, window = Unit(fields.pop("unit")), Period(fields.pop("period")), fields.pop("name")
    return HistoryLine(**{**fields, "is_bonus": bool(row["is_bonus"])}, unit=unit, period=period, window=window)


def decision_of(row: sqlite3.Row) -> Decision:
    return Decision(**dict(row))


@dataclass(slots=True)
class _Tally:
    """What is counted of a day and member."""

    spent_micros: int = 0
    seconds: int = 0
    clips: int = 0
    delivered: int = 0
    failed: int = 0
    released: int = 0

    def add(self, row: sqlite3.Row) -> None:
        self.spent_micros += row["spent_micros"]
        self.seconds += row["seconds"]
        self.clips += row["clips"]
        self.delivered += row["state"] == JobState.DELIVERED
        self.failed += row["state"] in _FAILED
        self.released += row["released"]


def spendings_of(rows: Sequence[sqlite3.Row], zone: tzinfo) -> list[Spending]:
    """SQLite knows no time zones, so the days are made here."""
    tallies: dict[tuple[str, str], _Tally] = {}
    for row in rows:
        day = f"{datetime.fromtimestamp(row['created_ms'] / 1000, tz=zone):%Y-%m-%d}"
        tallies.setdefault((day, row["member_id"]), _Tally()).add(row)
    return [
        Spending(
            day=day,
            member_id=member_id,
            spent_micros=tally.spent_micros,
            seconds=tally.seconds,
            clips=tally.clips,
            delivered=tally.delivered,
            failed=tally.failed,
            released=tally.released,
        )
        for (day, member_id), tally in sorted(tallies.items())
    ]
