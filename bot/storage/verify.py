"""Every invariant of the ledger, checked over the whole journal in one pass."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.jobs import HOLDING
from bot.domain.quota import Unit
from bot.storage.journal import COSTS, FIRST_CHAIN, HOUSE, JOBS, LIMITS, Kind, Reason, body_hash, chained
from bot.storage.sqlite import database_path, faults_told, open_for_reading

PROBLEMS_MAX = 50

_JOURNAL = """
SELECT seq, id, body_hash, kind, debit, credit, amount, hold, job_id, reason, actor, at_ms, chain
FROM transfer ORDER BY seq
"""
_BALANCES = "SELECT id, owner, unit, limited, granted, spent, held FROM balance WHERE owner <> ?"
_LINES = "SELECT owner, COUNT(*), SUM(seq) FROM line GROUP BY owner"
_DECISIONS = "SELECT seq, guild_id, actor, what, subject, before, after, at_ms, chain FROM decision ORDER BY seq"
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
WHERE (job.work = 'clip' AND job.is_late = 0 AND job.state IN (SELECT value FROM json_each(?)))
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
_POOL_AGAINST_GRANT = """
SELECT pool.id FROM pool
LEFT JOIN owner ON owner.kind = 'pool' AND owner.guild_id = pool.guild_id AND owner.member_id = CAST(pool.id AS TEXT)
LEFT JOIN balance ON balance.owner = owner.id
GROUP BY pool.id
HAVING COUNT(balance.id) <> 1 OR MAX(balance.unit) <> pool.unit OR MAX(balance.period) <> 'total'
    OR MAX(balance.limited) <> 1 OR MAX(balance.granted) <> pool.amount
ORDER BY pool.id LIMIT ?
"""
_GRANT_WITHOUT_POOL = """
SELECT owner.member_id FROM owner LEFT JOIN pool
    ON pool.guild_id = owner.guild_id AND CAST(pool.id AS TEXT) = owner.member_id
WHERE owner.kind = 'pool' AND pool.id IS NULL ORDER BY owner.member_id LIMIT ?
"""
# What a job was charged stands twice: in its legs and beside what the provider took; a released one: nothing.
_COST_AGAINST_CHARGE = """
SELECT transfer.seq FROM transfer JOIN balance ON balance.id = transfer.credit
LEFT JOIN owner ON owner.id = balance.owner
WHERE transfer.debit = ? AND (
    owner.kind IS NOT 'operator' OR owner.member_id = ''
    OR NOT EXISTS (SELECT 1 FROM transfer AS cost WHERE cost.id = 'cost:' || transfer.job_id)
    OR transfer.amount <> (
        SELECT COALESCE(MAX(reservation.charged), 0) FROM reservation JOIN balance AS leg
            ON leg.id = reservation.balance_id AND leg.unit = 'usd'
        WHERE reservation.job_id = transfer.job_id
    )
) ORDER BY transfer.seq LIMIT ?
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
    audit = _Audit({balance_id: _Sums(owner=owner, unit=Unit(unit)) for balance_id, owner, unit, *_ in balances})
    for row in connection.execute(_JOURNAL):
        audit.read(row)
    for balance_id, _, _, *cached in balances:
        audit.compare(balance_id, cached)
    _compare_lines(connection, audit)
    _compare_reservations(connection, audit)
    _compare_jobs(connection, audit)
    _compare_pools(connection, audit)
    _compare_costs(connection, audit)
    _check_decisions(connection, audit)
    return Verdict(
        ok=not audit.problems,
        entries=audit.entries,
        balances=len(balances),
        open_holds=len(audit.open_holds),
        problems=tuple(audit.problems),
    )


def _compare_lines(connection: sqlite3.Connection, audit: "_Audit") -> None:
    """How many lines an owner has and where: what the pages of a member's history are read from."""
    found = {owner: (count, total) for owner, count, total in connection.execute(_LINES)}
    expected: dict[str, tuple[int, int]] = {}
    for sums in audit.sums.values():
        count, total = expected.get(sums.owner, (0, 0))
        if sums.lines:
            expected[sums.owner] = count + sums.lines, total + sums.lines_total
    for owner in sorted(found.keys() | expected.keys()):
        if found.get(owner) != expected.get(owner):
            audit.say(f"owner {owner}: the lines kept for its history are not those of the journal")


def _compare_pools(connection: sqlite3.Connection, audit: "_Audit") -> None:
    for (pool_id,) in connection.execute(_POOL_AGAINST_GRANT, (PROBLEMS_MAX,)):
        audit.say(f"pool {pool_id}: it is not what was granted")
    for (pool_id,) in connection.execute(_GRANT_WITHOUT_POOL, (PROBLEMS_MAX,)):
        audit.say(f"pool {pool_id}: it was granted, and there is no such pool")


def _compare_costs(connection: sqlite3.Connection, audit: "_Audit") -> None:
    for (seq,) in connection.execute(_COST_AGAINST_CHARGE, (COSTS, PROBLEMS_MAX)):
        audit.say(f"transfer {seq}: it is not what the job was charged beside its cost")


def _check_decisions(connection: sqlite3.Connection, audit: "_Audit") -> None:
    last, chain = 0, FIRST_CHAIN
    for *row, found in connection.execute(_DECISIONS):
        if row[0] != last + 1:
            audit.say(f"decision {row[0]}: the row before it is missing")
        elif chained(chain, row) != found:
            audit.say(f"decision {row[0]}: it was changed after it was noted")
        last, chain = row[0], found


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

    owner: str
    unit: Unit
    lines: int = 0
    lines_total: int = 0
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
        elif body_hash(row[3:10]) != row[2]:
            self.say(f"transfer {seq}: it is not the movement that its id stands for")
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
        sums.lines += 1
        sums.lines_total += row[0]
        if house != _house(kind, row[9]).get(sums.unit) or is_out not in _WAYS_OUT[kind]:
            return f"a {kind} does not go from balance {debit} to balance {credit}"
        return _BOOKED[kind](self, row, balance_id, sums)

    def limit(self, row: Row, balance_id: int, sums: _Sums) -> str | None:
        if row[9] in _USES:
            return self.use(row, balance_id, sums)
        if row[9] == Reason.CHARGED:
            sums.granted += row[6]
            return None
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
    """The other side: of grants and changes of a limit the limits, of providers' cost the costs, else the jobs."""
    if kind == Kind.ADJUST and reason in _COSTS:
        return {Unit.USD: COSTS}
    is_limit = kind == Kind.GRANT or (kind == Kind.ADJUST and reason != Reason.USED)
    return LIMITS if is_limit else JOBS


_COSTS = frozenset({Reason.CHARGED.value, Reason.COST.value})
_USES = frozenset({Reason.USED.value, Reason.COST.value})


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
