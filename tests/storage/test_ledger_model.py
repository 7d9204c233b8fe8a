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
from bot.storage.books import SqliteTransaction, transaction_on
from bot.storage.ledger import NothingHeldError
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from tests.storage.making import DAY_MS, GUILD, NOON_MS, finish, give_up, queue

T = TypeVar("T")
MEMBERS = [Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id=member_id) for member_id in ("7", "8")]
limits = st.none() | st.integers(0, 12)


@dataclass
class ModelJob:
    """What the model remembers of a job: what it uses now."""

    owners: list[Owner]
    at_ms: int
    uses: dict[Unit, int]
    is_open: bool = True


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
        self.loss = 0
        self.now_ms = NOON_MS

    def teardown(self) -> None:
        verdict = verify(self.data_dir)
        self.connection.close()
        self.folder.cleanup()
        assert verdict.problems == ()

    def write(self, work: Callable[[SqliteTransaction], T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(transaction_on(self.connection))
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return answer

    def used(self, owner: Owner, unit: Unit, window: Window) -> int:
        return sum(
            job.uses[unit]
            for job in self.model.values()
            if owner in job.owners and window.starts_ms <= job.at_ms < (window.ends_ms or 2**62)
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
        cap=st.integers(0, 20),
    )
    def hold(
        self,
        member: Owner,
        uses: dict[Unit, int],
        bounds: tuple[int | None, ...],
        narrow: Period,
        cap: int,
    ) -> MultipleResults[int] | int:
        legs = self.legs(member, uses, bounds, narrow, cap)
        job_id = len(self.model) + 1
        expected = self.refusing(legs)
        if expected is not None:
            with pytest.raises(QuotaExceededError) as refused:
                self.write(lambda tx: queue(tx, job_id, legs, now_ms=self.now_ms))
            assert refused.value.whose == {"member": "You have", "guild": "This server has"}.get(
                expected.owner.kind, "The operator has"
            )
            return multiple()
        self.write(lambda tx: tx.ledger.check(legs=legs))
        self.write(lambda tx: queue(tx, job_id, legs, now_ms=self.now_ms))
        self.model[job_id] = ModelJob([member, GUILD, OPERATOR], self.now_ms, uses)
        for leg in legs:
            assert sum(self.sums(leg)) == self.used(leg.owner, leg.unit, leg.window), leg
        return job_id

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
        held = job.uses[Unit.USD]
        charged = held if cost is None else min(cost, held)
        assert self.write(lambda tx: finish(tx, job_id, cost_micros=cost, now_ms=self.now_ms)) == charged
        self.loss += max((cost or 0) - held, 0)
        job.uses, job.is_open = job.uses | {Unit.USD: charged}, False

    @rule(job_id=jobs)
    def release(self, job_id: int) -> None:
        if self.model[job_id].is_open:
            self.write(lambda tx: give_up(tx, job_id, now_ms=self.now_ms))
            self.model[job_id].uses, self.model[job_id].is_open = dict.fromkeys(Unit, 0), False

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
            assert again == self.model[job_id].uses[Unit.USD]
        assert self.entries() == before

    @rule(statement=st.sampled_from(["UPDATE transfer SET amount = amount + 1", "DELETE FROM transfer"]))
    def tamper(self, statement: str) -> None:
        if self.entries():
            with pytest.raises(sqlite3.IntegrityError):
                self.connection.execute(statement)

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
            assert row["held"] == sum(job.uses[unit] for job in self.model.values() if job.is_open)
            assert row["spent"] == sum(job.uses[unit] for job in self.model.values() if not job.is_open)

    @invariant()
    def the_loss_is_the_operators(self) -> None:
        spent = self.connection.execute("SELECT SUM(spent) FROM balance WHERE name = 'loss'").fetchone()[0]
        assert (spent or 0) == self.loss


LedgerMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
TestLedger = LedgerMachine.TestCase
