"""Every invariant of the ledger, checked over the whole journal in one pass."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.jobs import HOLDING
from bot.domain.quota import Unit
from bot.storage.journal import FIRST_CHAIN, HOUSE, JOBS, LIMITS, Kind, Reason, chained
from bot.storage.sqlite import database_path, faults_told, open_for_reading

PROBLEMS_MAX = 50

_JOURNAL = """
SELECT seq, id, body_hash, kind, debit, credit, amount, hold, job_id, reason, actor, at_ms, chain
FROM transfer ORDER BY seq
"""
_BALANCES = "SELECT id, unit, limited, granted, spent, held FROM balance WHERE owner <> ?"
_RESERVATION_WITHOUT_HOLD = """
SELECT reservation.id FROM reservation
LEFT JOIN transfer AS hold ON hold.seq = reservation.id
LEFT JOIN transfer AS end ON end.hold = reservation.id AND end.kind IN ('charge', 'release')
WHERE hold.kind IS NOT 'hold' OR hold.debit <> reservation.balance_id OR hold.amount <> reservation.amount
    OR hold.job_id IS NOT reservation.job_id
    OR reservation.state <> CASE end.kind WHEN 'charge' THEN 'charged' WHEN 'release' THEN 'released' ELSE 'held' END
    OR (end.kind = 'charge' AND end.amount <> reservation.charged)
ORDER BY reservation.id LIMIT ?
"""
_HOLD_WITHOUT_RESERVATION = """
SELECT transfer.seq FROM transfer LEFT JOIN reservation ON reservation.id = transfer.seq
WHERE transfer.kind = 'hold' AND reservation.id IS NULL ORDER BY transfer.seq LIMIT ?
"""
_JOB_AGAINST_HOLDS = """
SELECT job.id, job.state FROM job
WHERE (job.state IN (SELECT value FROM json_each(?)))
    <> EXISTS (SELECT 1 FROM reservation WHERE reservation.job_id = job.id AND reservation.state = 'held')
ORDER BY job.id LIMIT ?
"""
_HOLD_WITHOUT_JOB = """
SELECT DISTINCT reservation.job_id FROM reservation LEFT JOIN job ON job.id = reservation.job_id
WHERE reservation.state = 'held' AND job.id IS NULL ORDER BY reservation.job_id LIMIT ?
"""
_HALF_RESOLVED = """
SELECT job_id FROM reservation GROUP BY job_id HAVING COUNT(DISTINCT state) > 1 ORDER BY job_id LIMIT ?
"""

Row = tuple[int, str, bytes, str, int, int, int, int | None, int | None, str | None, str, int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `ledger verify` answers; each problem names the first row it was seen at."""

    ok: bool
    entries: int
    balances: int
    open_holds: int
    problems: tuple[str, ...]


def verify(data_dir: Path, *, database: Path | None = None) -> Verdict:
    """Check everything, beside a running bot or without one; takes its time. Raises DatabaseError."""
    path = database or database_path(data_dir)
    with faults_told(path), closing(open_for_reading(path)) as connection:
        connection.row_factory = None
        connection.execute("BEGIN")  # one moment for the journal and for what is compared with it
        return _verdict(connection)


def _verdict(connection: sqlite3.Connection) -> Verdict:
    balances = connection.execute(_BALANCES, (HOUSE,)).fetchall()
    audit = _Audit({balance_id: _Sums(unit=Unit(unit)) for balance_id, unit, *_ in balances})
    for row in connection.execute(_JOURNAL):
        audit.read(row)
    for balance_id, _, *cached in balances:
        audit.compare(balance_id, cached)
    _compare_reservations(connection, audit)
    _compare_jobs(connection, audit)
    return Verdict(
        ok=not audit.problems,
        entries=audit.entries,
        balances=len(balances),
        open_holds=len(audit.open_holds),
        problems=tuple(audit.problems),
    )


def _compare_reservations(connection: sqlite3.Connection, audit: "_Audit") -> None:
    for (seq,) in connection.execute(_RESERVATION_WITHOUT_HOLD, (PROBLEMS_MAX,)):
        audit.say(f"reservation {seq}: it is not what the journal says of its hold")
    for (seq,) in connection.execute(_HOLD_WITHOUT_RESERVATION, (PROBLEMS_MAX,)):
        audit.say(f"transfer {seq}: a hold without its reservation")


def _compare_jobs(connection: sqlite3.Connection, audit: "_Audit") -> None:
    for job_id, state in connection.execute(_JOB_AGAINST_HOLDS, (json.dumps(sorted(HOLDING)), PROBLEMS_MAX)):
        audit.say(f"job {job_id}: it is {state} and {'holds nothing' if state in HOLDING else 'still holds money'}")
    for (job_id,) in connection.execute(_HOLD_WITHOUT_JOB, (PROBLEMS_MAX,)):
        audit.say(f"job {job_id}: money is held for it, and there is no such job")
    for (job_id,) in connection.execute(_HALF_RESOLVED, (PROBLEMS_MAX,)):
        audit.say(f"job {job_id}: its legs did not come to one end")


@dataclass(slots=True)
class _Sums:
    """What the journal makes of one balance."""

    unit: Unit
    limited: int = 0
    granted: int = 0
    spent: int = 0
    held: int = 0

    @property
    def left(self) -> int:
        return self.granted - self.spent - self.held


@dataclass(slots=True)
class _Audit:
    """Reads the journal once, in order, and keeps only sums and open holds."""

    sums: dict[int, _Sums]
    problems: list[str] = field(default_factory=list)
    open_holds: dict[int, tuple[int, int, int | None]] = field(default_factory=dict)
    entries: int = 0
    _seq: int = 0
    _chain: bytes = FIRST_CHAIN

    def say(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)

    def read(self, row: Row) -> None:
        seq, chain = row[0], row[12]
        self.entries += 1
        if seq != self._seq + 1:
            self.say(f"transfer {seq}: the row before it is missing")
        elif chained(self._chain, row[:12]) != chain:
            self.say(f"transfer {seq}: it was changed after it was booked")
        self._seq, self._chain = seq, chain
        fault = self._book(row)
        if fault is not None:
            self.say(f"transfer {seq}: {fault}")

    def compare(self, balance_id: int, cached: list[int]) -> None:
        sums = self.sums[balance_id]
        summed = [sums.limited, sums.granted, sums.spent, sums.held]
        if cached != summed:
            self.say(f"balance {balance_id}: limited, granted, spent, held are {cached}, the journal sums to {summed}")

    def _book(self, row: Row) -> str | None:
        """Add one row to the sums; returns what is wrong with it."""
        kind, debit, credit = row[3], row[4], row[5]
        is_out = debit in self.sums
        balance_id, house = (debit, credit) if is_out else (credit, debit)
        sums = self.sums.get(balance_id)
        if sums is None or kind not in _BOOKED:
            return "it is of no kind, or about no balance"
        if house != _house(kind, row[9])[sums.unit] or is_out not in _WAYS_OUT[kind]:
            return f"a {kind} does not go from balance {debit} to balance {credit}"
        return _BOOKED[kind](self, row, balance_id, sums)

    def limit(self, row: Row, balance_id: int, sums: _Sums) -> str | None:
        if row[9] == Reason.USED:
            return self.use(row, balance_id, sums)
        sums.granted += row[6] if row[5] == balance_id else -row[6]
        sums.limited = int(row[9] == Reason.LIMIT)
        return None

    def use(self, row: Row, _: int, sums: _Sums) -> str | None:
        sums.spent += row[6]
        return None

    def refund(self, row: Row, _: int, sums: _Sums) -> str | None:
        sums.spent -= row[6]
        return None

    def hold(self, row: Row, balance_id: int, sums: _Sums) -> str | None:
        amount = row[6]
        self.open_holds[row[0]] = (balance_id, amount, row[8])
        sums.held += amount
        if sums.limited and amount and sums.left < 0 and row[9] != Reason.HELD:
            return f"it held more than balance {balance_id} had left"
        return None

    def resolve(self, row: Row, balance_id: int, sums: _Sums) -> str | None:
        held = self.open_holds.pop(row[7] or 0, None)
        if held is None:
            return f"it resolves hold {row[7]}, which is not open"
        held_balance, held_amount, job_id = held
        if (held_balance, job_id) != (balance_id, row[8]):
            return f"it resolves hold {row[7]} of another balance or job"
        sums.held -= held_amount
        is_charge = row[3] == Kind.CHARGE
        sums.spent += row[6] if is_charge else 0
        if row[6] > held_amount or (not is_charge and row[6] != held_amount):
            return f"it is over {row[6]}, but {held_amount} was held"
        return None


def _house(kind: str, reason: str | None) -> dict[Unit, int]:
    """The other side: grants and changes of a limit come from the limits, all else goes to the jobs."""
    is_limit = kind == Kind.GRANT or (kind == Kind.ADJUST and reason != Reason.USED)
    return LIMITS if is_limit else JOBS


_WAYS_OUT: dict[str, tuple[bool, ...]] = {
    Kind.GRANT: (False,),
    Kind.ADJUST: (True, False),
    Kind.HOLD: (True,),
    Kind.CHARGE: (True,),
    Kind.RELEASE: (False,),
    Kind.REFUND: (False,),
    Kind.LOSS: (True,),
}
"""Whether a transfer of this kind may go out of its balance."""
_BOOKED: dict[str, Callable[[_Audit, Row, int, _Sums], str | None]] = {
    Kind.GRANT: _Audit.limit,
    Kind.ADJUST: _Audit.limit,
    Kind.HOLD: _Audit.hold,
    Kind.CHARGE: _Audit.resolve,
    Kind.RELEASE: _Audit.resolve,
    Kind.REFUND: _Audit.refund,
    Kind.LOSS: _Audit.use,
}
