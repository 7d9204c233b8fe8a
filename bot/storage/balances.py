"""Balances: whose they are, what limits them, and what one that comes in mid-period has missed."""

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.quota import Leg, Owner, OwnerKind, Period, Unit, Window
from bot.storage.journal import JOBS, LIMITS, Cause, Journal, Kind, Reason, Transfer
from bot.storage.sqlite import insert

_OWNER_ID_BYTES = 12
NO_GUILD = 0
NO_MEMBER = ""
_ACTOR = "actor"
_METERED = frozenset({OwnerKind.GUILD, OwnerKind.MEMBER})

_FIND = """
SELECT balance.id, balance.owner, balance.limited, balance.granted, balance.caught_up
FROM owner JOIN balance ON balance.owner = owner.id
WHERE owner.kind = ? AND owner.guild_id = ? AND owner.member_id = ?
    AND balance.unit = ? AND balance.period = ? AND balance.name = ?
"""
# What the month meters of the owner booked in the window and this balance did not, with what became of it.
_MISSED = """
SELECT meter.id, meter.job_id, meter.amount, meter.state, (
    SELECT COALESCE(SUM(CASE transfer.kind WHEN 'charge' THEN transfer.amount ELSE -transfer.amount END), 0)
    FROM transfer WHERE transfer.hold = meter.id AND transfer.kind IN ('charge', 'refund')
) AS used
FROM balance AS month JOIN reservation AS meter ON meter.balance_id = month.id
WHERE month.owner = :owner AND month.unit = :unit AND month.period = 'month' AND month.ends_ms > :starts_ms
    AND meter.id > :caught_up AND meter.at_ms >= :starts_ms AND (:ends_ms IS NULL OR meter.at_ms < :ends_ms)
    AND meter.job_id <> :job_id
    AND NOT EXISTS (
        SELECT 1 FROM reservation AS own WHERE own.job_id = meter.job_id AND own.balance_id = :balance_id
    )
ORDER BY meter.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A balance as it was read."""

    id: int
    owner: str
    limited: bool
    granted: int
    caught_up: int


class Balances:
    """The statements on balances and owners, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._journal = Journal(connection)

    def actor(self, name: str) -> str:
        """The opaque id under which the journal knows whoever acts."""
        return self._owner_row(_ACTOR, NO_GUILD, name)

    def owner_id(self, owner: Owner) -> str:
        """The opaque id of the owner, new if need be."""
        return self._owner_row(*who(owner))

    def opened(self, owner: Owner, unit: Unit, window: Window) -> Balance:
        """The balance of this owner, unit and window, new if need be."""
        found = self._find(owner, unit, window)
        if found is not None:
            return found
        self._connection.execute(
            "INSERT INTO balance (owner, unit, period, name, starts_ms, ends_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (
                self.owner_id(owner),
                unit.value,
                window.period.value,
                window.name,
                window.starts_ms,
                window.ends_ms,
            ),
        )
        return self.opened(owner, unit, window)

    def ready(self, leg: Leg, job_id: int, cause: Cause) -> Balance:
        """The leg's balance, caught up with what it missed and with the leg's limit on it.

        A pool is left as it is: it was granted once for all.
        """
        balance = self.opened(leg.owner, leg.unit, leg.window)
        if _can_miss(leg):
            self._catch_up(balance, leg, job_id, cause)
        if leg.owner.kind is not OwnerKind.POOL:
            self.limit(balance, leg.unit, leg.limit, cause)
        return balance

    def relimit(self, owner: Owner, unit: Unit, window: Window, limit: int | None, cause: Cause) -> None:
        """Another limit on a balance at once, if there is one; what is held stays held."""
        balance = self._find(owner, unit, window)
        if balance is not None:
            self.limit(balance, unit, limit, cause)

    def limit(self, balance: Balance, unit: Unit, limit: int | None, cause: Cause) -> None:
        """A limit is what was granted: a change of it is booked, so the journal says what held when."""
        granted, limits = limit or 0, LIMITS[unit]
        is_limited = limit is not None
        if (balance.limited, balance.granted) == (is_limited, granted):
            return
        first = f"grant:{balance.id}"
        is_first = not self._journal.has(first)
        is_less = granted < balance.granted
        self._journal.book(
            Transfer(
                id=first if is_first else f"adjust:{self._journal.next_seq()}",
                kind=Kind.GRANT if is_first else Kind.ADJUST,
                debit=balance.id if is_less else limits,
                credit=limits if is_less else balance.id,
                amount=abs(granted - balance.granted),
                reason=Reason.LIMIT if is_limited else Reason.UNLIMITED,
            ),
            cause,
        )
        self._connection.execute(
            "UPDATE balance SET limited = ?, granted = ? WHERE id = ?", (int(is_limited), granted, balance.id)
        )

    def hold_all(self, transfers: Sequence[Transfer], cause: Cause) -> None:
        """Book holds whose amounts the balances carry already."""
        seqs = self._journal.book_all(transfers, cause)
        rows = [
            (seq, one.job_id, one.debit, one.amount, cause.at_ms, "held")
            for seq, one in zip(seqs, transfers, strict=True)
        ]
        insert(self._connection, "INSERT INTO reservation (id, job_id, balance_id, amount, at_ms, state)", rows)

    def _find(self, owner: Owner, unit: Unit, window: Window) -> Balance | None:
        row = self._connection.execute(_FIND, (*who(owner), unit.value, window.period.value, window.name)).fetchone()
        if row is None:
            return None
        balance_id, owner_id, limited, granted, caught_up = row
        return Balance(id=balance_id, owner=owner_id, limited=bool(limited), granted=granted, caught_up=caught_up)

    def _owner_row(self, kind: str, guild_id: int, member_id: str) -> str:
        found = self._connection.execute(
            "SELECT id FROM owner WHERE kind = ? AND guild_id = ? AND member_id = ?", (kind, guild_id, member_id)
        ).fetchone()
        if found is not None:
            return str(found[0])
        owner_id = secrets.token_hex(_OWNER_ID_BYTES)
        self._connection.execute(
            "INSERT INTO owner (id, kind, guild_id, member_id) VALUES (?, ?, ?, ?)",
            (owner_id, kind, guild_id, member_id),
        )
        return owner_id

    def _catch_up(self, balance: Balance, leg: Leg, job_id: int, cause: Cause) -> None:
        """A rule set in mid-period starts from what the period already used, and so does one that comes back."""
        missed = self._connection.execute(
            _MISSED,
            {
                "owner": balance.owner,
                "unit": leg.unit.value,
                "starts_ms": leg.window.starts_ms,
                "ends_ms": leg.window.ends_ms,
                "caught_up": balance.caught_up,
                "job_id": job_id,
                "balance_id": balance.id,
            },
        ).fetchall()
        used = sum(row["used"] for row in missed)
        held = [row for row in missed if row["state"] == "held"]
        if used > 0:
            self._open_with(balance, leg.unit, used, cause)
        for row in held:
            self.hold_all([_held_before(balance, leg.unit, row)], cause)
        self._connection.execute(
            "UPDATE balance SET spent = spent + ?, held = held + ?, caught_up = ? WHERE id = ?",
            (max(used, 0), sum(row["amount"] for row in held), self._journal.next_seq() - 1, balance.id),
        )

    def _open_with(self, balance: Balance, unit: Unit, used: int, cause: Cause) -> None:
        transfer = Transfer(
            id=f"adjust:{self._journal.next_seq()}",
            kind=Kind.ADJUST,
            debit=balance.id,
            credit=JOBS[unit],
            amount=used,
            reason=Reason.USED,
        )
        self._journal.book(transfer, cause)


def _held_before(balance: Balance, unit: Unit, meter: sqlite3.Row) -> Transfer:
    return Transfer(
        id=f"hold:{meter['job_id']}:{balance.id}",
        kind=Kind.HOLD,
        debit=balance.id,
        credit=JOBS[unit],
        amount=meter["amount"],
        job_id=meter["job_id"],
        reason=Reason.HELD,
    )


def _can_miss(leg: Leg) -> bool:
    """Months are always metered; operator and pools are never metered without a limit."""
    return leg.window.period is not Period.MONTH and leg.owner.kind in _METERED


def who(owner: Owner) -> tuple[str, int, str]:
    guild_id = NO_GUILD if owner.guild_id is None else owner.guild_id
    return owner.kind.value, guild_id, owner.member_id or NO_MEMBER
