"""The ledger against a model of a few lines: what is used is the sum of what jobs hold or were charged."""

import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

from bot.domain.errors import QuotaExceededError
from bot.domain.quota import OPERATOR, Leg, Owner, OwnerKind, Period, Unit, Window, window_at
from bot.domain.rules import Audience, Pool, Rule, drained
from bot.ports.books import By
from bot.storage.books import SqliteTransaction
from bot.storage.journal import Cause, Journal, Kind, Reason, Transfer, TransferConflictError
from bot.storage.ledger import NothingHeldError
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from tests.storage.making import DAY_MS, GUILD, NOON_MS, finish, give_up, queue

T = TypeVar("T")
MEMBERS = [Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id=member_id) for member_id in ("7", "8")]
ROLE = 4
"""Every member has it."""
AMPLE = 1000
limits = st.none() | st.integers(0, 12) | st.just(AMPLE)
Key = tuple[Owner, Unit, Period]


@dataclass
class ModelJob:
    """What the model remembers of a job: what it uses now of whom, bonuses first."""

    at_ms: int
    uses: dict[Key, int]
    is_open: bool = True

    def of(self, owner: Owner, unit: Unit, period: Period) -> int:
        """A rule that came later finds what the month's meter has."""
        return self.uses.get((owner, unit, period), self.uses.get((owner, unit, Period.MONTH), 0))

    def pay(self, cost: int) -> None:
        """Bonuses pay first, the allowances that they relieved the rest; meters and the server count the whole."""
        whole, paid = self.uses[GUILD, Unit.USD, Period.MONTH], 0
        bonus = sum(self.uses[key] for key in self.uses if _is_bonus(key))
        for key, amount in self.uses.items():
            if _is_bonus(key):
                self.uses[key] = min(amount, cost - paid)
                paid += self.uses[key]
            elif key[1] is Unit.USD and amount == whole:
                self.uses[key] = min(amount, cost)
            elif key[1] is Unit.USD:
                self.uses[key] = min(amount, max(cost - bonus, 0))


def _is_bonus(key: Key) -> bool:
    return key[0].kind is OwnerKind.POOL and key[1] is Unit.USD


class LedgerMachine(RuleBasedStateMachine):
    """Everything that can happen to money, in any order."""

    jobs: Bundle[int] = Bundle("jobs")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.data_dir = Path(self.folder.name)
        self.connection = open_for_writing(database_path(self.data_dir))
        # What is tested here is the sums; that an answer waits for the disk is tested with the writer.
        self.connection.execute("PRAGMA synchronous = OFF")
        self.model: dict[int, ModelJob] = {}
        self.pools: list[Pool] = []
        self.loss = self.charged = self.cost = 0
        self.now_ms = NOON_MS

    def teardown(self) -> None:
        verdict = verify(self.data_dir)
        self.connection.close()
        self.folder.cleanup()
        assert verdict.problems == ()

    def write(self, work: Callable[[SqliteTransaction], T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(SqliteTransaction(self.connection))
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return answer

    def used(self, owner: Owner, unit: Unit, window: Window) -> int:
        return sum(
            job.of(owner, unit, window.period)
            for job in self.model.values()
            if window.starts_ms <= job.at_ms < (window.ends_ms or 2**62)
        )

    def refusing(self, legs: list[Leg]) -> Leg | None:
        over = (
            leg
            for leg in legs
            if leg.limit is not None and 0 < leg.amount > leg.limit - self.used(leg.owner, leg.unit, leg.window)
        )
        return next(over, None)

    def sums(self, leg: Leg) -> tuple[int, int]:
        row = self.connection.execute(
            "SELECT spent, held FROM balance JOIN owner ON owner.id = balance.owner "
            "WHERE kind = ? AND member_id = ? AND unit = ? AND period = ? AND name = ?",
            (leg.owner.kind, leg.owner.member_id or "", leg.unit, leg.window.period, leg.window.name),
        ).fetchone()
        return row["spent"], row["held"]

    # -- what happens

    @rule(hours=st.sampled_from([1, 24, 24 * 9]))
    def time_passes(self, hours: int) -> None:
        self.now_ms += hours * DAY_MS // 24

    @rule(
        target=jobs,
        member=st.sampled_from(MEMBERS),
        uses=st.fixed_dictionaries({unit: st.integers(0, 4) for unit in Unit}),
        bounds=st.tuples(limits, limits, limits, limits),
        narrow=st.sampled_from([Period.DAY, Period.WEEK, Period.TOTAL]),
        cap=st.integers(0, 20) | st.just(AMPLE),
    )
    def hold(
        self,
        member: Owner,
        uses: dict[Unit, int],
        bounds: tuple[int | None, ...],
        narrow: Period,
        cap: int,
    ) -> MultipleResults[int] | int:
        legs = self.drawn(member, self.legs(member, uses, bounds, narrow, cap))
        job_id = len(self.model) + 1
        expected = self.refusing(legs)
        if expected is not None:
            with pytest.raises(QuotaExceededError) as refused:
                self.write(lambda tx: queue(tx, job_id, legs, now_ms=self.now_ms))
            assert refused.value.whose == {
                "member": "You have",
                "guild": "This server has",
                "operator": "The operator has",
            }.get(expected.owner.kind)
            return multiple()
        self.write(lambda tx: tx.ledger.check(legs=legs))
        self.write(lambda tx: queue(tx, job_id, legs, now_ms=self.now_ms))
        used = {(leg.owner, leg.unit, leg.window.period): leg.amount for leg in legs}
        self.model[job_id] = ModelJob(self.now_ms, used)
        for leg in legs:
            assert sum(self.sums(leg)) == self.used(leg.owner, leg.unit, leg.window), leg
        return job_id

    @rule(
        target=jobs,
        member=st.sampled_from(MEMBERS),
        price=st.integers(2, 6),
        bonus=st.integers(1, 5),
        cost=st.none() | st.integers(0, 7),
    )
    def make_a_clip_on_a_bonus(
        self, member: Owner, price: int, bonus: int, cost: int | None
    ) -> MultipleResults[int] | int:
        """A way that chance alone seldom takes: an allowance pays what the bonus does not, and the clip costs less."""
        self.grant_a_bonus(member.member_id, Unit.USD, bonus, None)
        uses = {Unit.USD: price, Unit.SECONDS: 1, Unit.CLIPS: 1}
        made = self.hold(member, uses, (AMPLE,) * 4, Period.DAY, AMPLE)
        if isinstance(made, int):
            self.charge(made, cost)
        return made

    def drawn(self, member: Owner, legs: list[Leg]) -> list[Leg]:
        """The legs after the bonuses, of which the model knows what is left."""
        found = self.write(lambda tx: tx.rules.pools(1, now_ms=self.now_ms))
        whole = window_at(Period.TOTAL, self.now_ms, UTC)
        assert found == [
            (pool, pool.amount - self.used(pool.owner, pool.unit, whole))
            for pool in self.pools
            if pool.ends_ms is None or pool.ends_ms > self.now_ms
        ]
        mine = [(pool, left) for pool, left in found if pool.serves(member.member_id or "", [ROLE], self.now_ms)]
        return drained(legs, mine, self.now_ms)

    def legs(
        self, member: Owner, uses: dict[Unit, int], bounds: tuple[int | None, ...], narrow: Period, cap: int
    ) -> list[Leg]:
        wanted = [
            *((owner, unit, Period.MONTH, None) for owner in (member, GUILD) for unit in (Unit.SECONDS, Unit.CLIPS)),
            (member, Unit.USD, Period.MONTH, bounds[0]),
            (GUILD, Unit.USD, Period.MONTH, bounds[1]),
            *([(member, Unit.CLIPS, narrow, bounds[2])] if bounds[2] is not None else []),
            *([(GUILD, Unit.USD, narrow, bounds[3])] if bounds[3] is not None else []),
            (OPERATOR, Unit.USD, Period.DAY, cap),
        ]
        return [
            Leg(owner=owner, unit=unit, window=window_at(period, self.now_ms, UTC), amount=uses[unit], limit=limit)
            for owner, unit, period, limit in wanted
        ]

    @rule(job_id=jobs, member=st.sampled_from(MEMBERS))
    def hold_again(self, job_id: int, member: Owner) -> None:
        legs = self.legs(member, dict.fromkeys(Unit, 3), (None, None, 50, 50), Period.DAY, 99)
        before = self.entries()
        self.write(lambda tx: tx.ledger.hold(job_id=job_id, legs=legs, actor="7", now_ms=self.now_ms))
        assert self.entries() == before

    @rule(job_id=jobs, cost=st.none() | st.integers(0, 8))
    def charge(self, job_id: int, cost: int | None) -> None:
        job = self.model[job_id]
        if not job.is_open:
            return
        held = job.uses[GUILD, Unit.USD, Period.MONTH]
        took = held if cost is None else cost
        charged = min(took, held)
        before = self.spent_of(job)
        again = self.write(lambda tx: finish(tx, job_id, cost_micros=cost, now_ms=self.now_ms, provider="a"))
        assert again == charged
        self.loss += max(took - held, 0)
        self.charged, self.cost = self.charged + charged, self.cost + took
        job.pay(took)
        job.is_open = False
        assert self.spent_of(job) == {key: spent + job.uses[key] for key, spent in before.items()}

    @rule(job_id=jobs)
    def release(self, job_id: int) -> None:
        if self.model[job_id].is_open:
            self.write(lambda tx: give_up(tx, job_id, now_ms=self.now_ms))
            job = self.model[job_id]
            job.uses, job.is_open = dict.fromkeys(job.uses, 0), False

    @rule(
        member=st.none() | st.sampled_from(["7", "8"]),
        unit=st.sampled_from([Unit.USD, Unit.CLIPS]),
        amount=st.sampled_from([0, 1, 1, 2, 3, 9]),  # mostly so little that an allowance pays the rest
        hours=st.none() | st.integers(1, 48),
    )
    def grant_a_bonus(self, member: str | None, unit: Unit, amount: int, hours: int | None) -> None:
        pool = Pool(
            id=0,
            guild_id=1,
            audience=Audience.ROLE if member is None else Audience.MEMBER,
            subject_id=ROLE if member is None else int(member),
            unit=unit,
            amount=amount,
            ends_ms=None if hours is None else self.now_ms + hours * DAY_MS // 24,
        )
        self.pools.append(self.write(lambda tx: tx.rules.add_pool(pool, by=self.admin())))

    @rule(
        member=st.none() | st.sampled_from(["7", "8"]),
        unit=st.sampled_from(Unit),
        period=st.sampled_from(Period),
        amount=limits,
    )
    def change_a_rule(self, member: str | None, unit: Unit, period: Period, amount: int | None) -> None:
        """At once on the open balance, whatever is held of it; without an amount the rule goes."""
        owner = GUILD if member is None else Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id=member)
        changed = Rule(
            guild_id=1,
            audience=Audience.SERVER if member is None else Audience.MEMBER,
            subject_id=None if member is None else int(member),
            unit=unit,
            period=period,
            amount=amount or 0,
        )
        before = self.balance(owner, unit, period, self.now_ms)
        if amount is not None:
            self.write(lambda tx: tx.rules.put(changed, by=self.admin()))
        elif not self.write(lambda tx: tx.rules.remove(changed, by=self.admin())):
            assert self.balance(owner, unit, period, self.now_ms) == before
            return
        if before is not None:
            limited = (int(amount is not None), amount or 0)
            assert self.balance(owner, unit, period, self.now_ms) == (*limited, *before[2:])

    def spent_of(self, job: ModelJob) -> dict[Key, int]:
        """What is spent of each balance that the job held."""
        found = {key: self.balance(*key, job.at_ms) for key in job.uses}
        return {key: row[2] for key, row in found.items() if row is not None}

    def balance(self, owner: Owner, unit: Unit, period: Period, at_ms: int) -> tuple[int, ...] | None:
        row = self.connection.execute(
            "SELECT limited, granted, spent, held FROM balance JOIN owner ON owner.id = balance.owner "
            "WHERE kind = ? AND member_id = ? AND unit = ? AND period = ? AND name = ?",
            (owner.kind, owner.member_id or "", unit, period, window_at(period, at_ms, UTC).name),
        ).fetchone()
        return None if row is None else tuple(row)

    def admin(self) -> By:
        return By(actor="9", at_ms=self.now_ms)

    @rule(job_id=jobs, cost=st.integers(0, 8))
    def resolve_again(self, job_id: int, cost: int) -> None:
        if self.model[job_id].is_open:
            return
        before = self.entries()
        self.write(lambda tx: tx.ledger.release(job_id=job_id, actor="x", now_ms=self.now_ms))
        try:
            again = self.write(
                lambda tx: tx.ledger.charge(job_id=job_id, cost_micros=cost, actor="x", now_ms=self.now_ms)
            )
        except NothingHeldError:
            assert set(self.model[job_id].uses.values()) == {0}
        else:
            assert again == self.model[job_id].uses[GUILD, Unit.USD, Period.MONTH]
        assert self.entries() == before

    @rule(statement=st.sampled_from(["UPDATE transfer SET amount = amount + 1", "DELETE FROM transfer"]))
    def tamper(self, statement: str) -> None:
        if self.entries():
            with pytest.raises(sqlite3.IntegrityError):
                self.connection.execute(statement)

    @rule(place=st.integers(0, 50), more=st.integers(0, 1))
    def book_again(self, place: int, more: int) -> None:
        """The same movement is there already; another one under its id is our own bug."""
        row = self.connection.execute("SELECT * FROM transfer WHERE seq = ?", (place,)).fetchone()
        if row is None:
            return
        names = ("id", "debit", "credit", "hold", "job_id")
        reason = None if row["reason"] is None else Reason(row["reason"])
        transfer = Transfer(
            **{name: row[name] for name in names}, kind=Kind(row["kind"]), amount=row["amount"] + more, reason=reason
        )
        cause = Cause(actor="x", at_ms=self.now_ms)
        if more:
            with pytest.raises(TransferConflictError):
                Journal(self.connection).book(transfer, cause)
        else:
            before = self.entries()
            assert (Journal(self.connection).book(transfer, cause), self.entries()) == (place, before)

    def entries(self) -> int:
        return int(self.connection.execute("SELECT COUNT(*) FROM transfer").fetchone()[0])

    # -- what always holds

    @invariant()
    def months_are_always_metered(self) -> None:
        held = self.connection.execute(
            "SELECT unit, SUM(held) AS held, SUM(spent) AS spent FROM balance JOIN owner ON owner.id = balance.owner "
            "WHERE kind = 'guild' AND period = 'month' GROUP BY unit"
        ).fetchall()
        for row in held:
            unit = Unit(row["unit"])
            assert row["held"] == sum(job.of(GUILD, unit, Period.MONTH) for job in self.model.values() if job.is_open)
            assert row["spent"] == sum(
                job.of(GUILD, unit, Period.MONTH) for job in self.model.values() if not job.is_open
            )

    @invariant()
    def the_loss_is_the_operators(self) -> None:
        spent = self.connection.execute("SELECT SUM(spent) FROM balance WHERE name = 'loss'").fetchone()[0]
        assert (spent or 0) == self.loss

    @invariant()
    def the_cost_ledger_has_both_sides(self) -> None:
        row = self.connection.execute(
            "SELECT SUM(granted), SUM(spent) FROM balance JOIN owner ON owner.id = balance.owner WHERE member_id = 'a'"
        ).fetchone()
        assert (row[0] or 0, row[1] or 0) == (self.charged, self.cost)


LedgerMachine.TestCase.settings = settings(max_examples=500, stateful_step_count=20, deadline=None)
TestLedger = LedgerMachine.TestCase
