"""The cost ledger: per provider and month, what members were charged and what the provider really took."""

import sqlite3
from datetime import UTC

from bot.domain.quota import Owner, OwnerKind, Period, Unit, window_at
from bot.storage.balances import Balances
from bot.storage.journal import COSTS, Cause, Journal, Kind, Reason, Transfer


class Costs:
    """Adds to the cost ledger, inside one transaction; it meters and never refuses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._balances = Balances(connection)
        self._journal = Journal(connection)

    def book(self, job_id: int, provider: str, *, charged_micros: int, cost_micros: int, cause: Cause) -> None:
        owner = Owner(kind=OwnerKind.OPERATOR, member_id=provider)
        month = window_at(Period.MONTH, cause.at_ms, UTC)
        balance = self._balances.opened(owner, Unit.USD, month).id
        adjusts = [
            _adjust(f"charged:{job_id}", Reason.CHARGED, COSTS, balance, charged_micros, job_id),
            _adjust(f"cost:{job_id}", Reason.COST, balance, COSTS, cost_micros, job_id),
        ]
        self._journal.book_all(adjusts, cause)
        self._connection.execute(
            "UPDATE balance SET granted = granted + ?, spent = spent + ? WHERE id = ?",
            (charged_micros, cost_micros, balance),
        )


def _adjust(transfer_id: str, reason: Reason, debit: int, credit: int, amount: int, job_id: int) -> Transfer:
    return Transfer(
        id=transfer_id,
        kind=Kind.ADJUST,
        debit=debit,
        credit=credit,
        amount=amount,
        job_id=job_id,
        reason=reason,
    )
