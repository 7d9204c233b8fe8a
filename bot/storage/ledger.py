"""Holds and what becomes of them: charged, released, or never booked at all."""

import sqlite3
from collections.abc import Sequence

from bot.domain.quota import OPERATOR, Leg, OwnerKind, Period, Unit, Window
from bot.storage.balances import Balances
from bot.storage.costs import Costs
from bot.storage.journal import JOBS, Cause, Journal, Kind, Transfer
from bot.storage.refusals import refusal
from bot.storage.sqlite import all_or_nothing, only_tried

LOSS = Window(period=Period.TOTAL, name="loss", starts_ms=0, ends_ms=None)
"""What providers took beyond the shown price; the operator's, never refused."""
_TRIAL_JOB = 0

_TAKE = """
UPDATE balance SET held = held + :amount
WHERE id = :id AND (limited = 0 OR :amount = 0 OR granted - spent - held >= :amount)
"""
_HELD = """
SELECT reservation.id, reservation.balance_id, reservation.amount, balance.unit, owner.kind AS owner
FROM reservation JOIN balance ON balance.id = reservation.balance_id LEFT JOIN owner ON owner.id = balance.owner
WHERE reservation.job_id = ? AND reservation.state = 'held' ORDER BY reservation.id
"""
_CHARGED = """
SELECT COALESCE(MAX(CASE balance.unit WHEN 'usd' THEN reservation.charged ELSE 0 END), 0)
FROM reservation JOIN balance ON balance.id = reservation.balance_id
WHERE reservation.job_id = ? AND reservation.state = 'charged' HAVING COUNT(*) > 0
"""


class NothingHeldError(AssertionError):
    """A charge of a job that holds nothing and was not charged: our own bug."""


class SqliteLedger:
    """The statements on money, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._balances = Balances(connection)
        self._journal = Journal(connection)
        self._costs = Costs(connection)

    def check(self, *, legs: Sequence[Leg]) -> None:
        with only_tried(self._connection):
            self._hold_legs(_TRIAL_JOB, legs, Cause(actor="", at_ms=0))

    def hold(self, *, job_id: int, legs: Sequence[Leg], actor: str, now_ms: int) -> None:
        known = self._connection.execute("SELECT 1 FROM reservation WHERE job_id = ?", (job_id,)).fetchone()
        if known is not None:
            return
        with all_or_nothing(self._connection):
            self._hold_legs(job_id, legs, Cause(actor=self._balances.actor(actor), at_ms=now_ms))

    def charge(
        self,
        *,
        job_id: int,
        cost_micros: int | None,
        actor: str,
        now_ms: int,
        provider: str | None = None,
        is_free: bool = False,
    ) -> int:
        held = self._held(job_id)
        if not held:
            return self._charged_before(job_id)
        cause = Cause(actor=self._balances.actor(actor), at_ms=now_ms)
        prices = _prices(held, cost_micros)
        self._resolve(job_id, held, Kind.CHARGE, prices, cause)
        charged_micros = max((price for leg, price in zip(held, prices, strict=True) if _is_money(leg)), default=0)
        if cost_micros is not None and cost_micros > charged_micros:
            self._lose(job_id, cost_micros - charged_micros, cause)
        if provider is not None:
            taken = charged_micros if cost_micros is None else cost_micros
            taken = 0 if is_free else taken
            self._costs.book(job_id, provider, charged_micros=charged_micros, cost_micros=taken, cause=cause)
        return charged_micros

    def release(
        self, *, job_id: int, actor: str, now_ms: int, cost_micros: int | None = None, provider: str | None = None
    ) -> None:
        held = self._held(job_id)
        if not held:
            return
        cause = Cause(actor=self._balances.actor(actor), at_ms=now_ms)
        self._resolve(job_id, held, Kind.RELEASE, [leg["amount"] for leg in held], cause)
        if provider is not None and cost_micros:
            self._costs.book(job_id, provider, charged_micros=0, cost_micros=cost_micros, cause=cause)

    def _hold_legs(self, job_id: int, legs: Sequence[Leg], cause: Cause) -> None:
        holds = [self._taken(job_id, leg, cause) for leg in legs]
        self._balances.hold_all(holds, cause)

    def _taken(self, job_id: int, leg: Leg, cause: Cause) -> Transfer:
        """The hold of a leg whose amount its balance carries from here on. Raises QuotaExceededError."""
        balance = self._balances.ready(leg, job_id, cause)
        if not self._connection.execute(_TAKE, {"id": balance.id, "amount": leg.amount}).rowcount:
            raise refusal(leg, left=self._left(balance.id))
        return Transfer(
            id=f"hold:{job_id}:{balance.id}",
            kind=Kind.HOLD,
            debit=balance.id,
            credit=JOBS[leg.unit],
            amount=leg.amount,
            job_id=job_id,
        )

    def _left(self, balance_id: int) -> int:
        row = self._connection.execute("SELECT granted - spent - held FROM balance WHERE id = ?", (balance_id,))
        return int(row.fetchone()[0])

    def _held(self, job_id: int) -> list[sqlite3.Row]:
        return self._connection.execute(_HELD, (job_id,)).fetchall()

    def _charged_before(self, job_id: int) -> int:
        row = self._connection.execute(_CHARGED, (job_id,)).fetchone()
        if row is None:
            raise NothingHeldError(f"job {job_id} holds nothing that could be charged")
        return int(row[0])

    def _resolve(
        self, job_id: int, held: Sequence[sqlite3.Row], kind: Kind, amounts: Sequence[int], cause: Cause
    ) -> None:
        """A charge of less than was held frees the rest."""
        legs = list(zip(held, amounts, strict=True))
        self._journal.book_all([_resolution(job_id, leg, kind, amount) for leg, amount in legs], cause)
        is_charge = kind is Kind.CHARGE
        self._connection.executemany(
            "UPDATE balance SET held = held - ?, spent = spent + ? WHERE id = ?",
            [(leg["amount"], amount if is_charge else 0, leg["balance_id"]) for leg, amount in legs],
        )
        self._connection.executemany(
            "UPDATE reservation SET state = ?, charged = ? WHERE id = ?",
            [
                ("charged" if is_charge else "released", amount if is_charge else None, leg["id"])
                for leg, amount in legs
            ],
        )

    def _lose(self, job_id: int, amount: int, cause: Cause) -> None:
        balance = self._balances.opened(OPERATOR, Unit.USD, LOSS)
        transfer = Transfer(
            id=f"loss:{job_id}",
            kind=Kind.LOSS,
            debit=balance.id,
            credit=JOBS[Unit.USD],
            amount=amount,
            job_id=job_id,
        )
        self._journal.book(transfer, cause)
        self._connection.execute("UPDATE balance SET spent = spent + ? WHERE id = ?", (amount, balance.id))


def _resolution(job_id: int, leg: sqlite3.Row, kind: Kind, amount: int) -> Transfer:
    house = JOBS[Unit(leg["unit"])]
    debit, credit = (leg["balance_id"], house) if kind is Kind.CHARGE else (house, leg["balance_id"])
    return Transfer(
        id=f"{kind}:{job_id}:{leg['balance_id']}",
        kind=kind,
        debit=debit,
        credit=credit,
        amount=amount,
        hold=leg["id"],
        job_id=job_id,
    )


def _is_money(leg: sqlite3.Row) -> bool:
    return bool(leg["unit"] == Unit.USD)


def _prices(held: Sequence[sqlite3.Row], cost_micros: int | None) -> list[int]:
    """Never more than was held; seconds and clips are counted as asked for.

    Bonuses pay first. An allowance that they relieved holds the rest of the price, and pays what is left of the cost.
    """
    if cost_micros is None:
        return [int(leg["amount"]) for leg in held]
    whole = max((leg["amount"] for leg in held if _is_money(leg)), default=0)
    relief = sum(leg["amount"] for leg in held if _is_money(leg) and leg["owner"] == OwnerKind.POOL)
    drawn, prices = 0, []
    for leg in held:
        amount, paid = int(leg["amount"]), 0
        if leg["owner"] == OwnerKind.POOL:
            paid, drawn = drawn, drawn + (amount if _is_money(leg) else 0)
        elif leg["owner"] == OwnerKind.MEMBER and amount + relief == whole:
            paid = relief
        prices.append(max(min(cost_micros - paid, amount), 0) if _is_money(leg) else amount)
    return prices
