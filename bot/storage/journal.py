"""The journal: transfers are only ever added, each hashed together with the one before."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from bot.domain.quota import Unit
from bot.storage.sqlite import insert

LIMITS = {Unit.USD: 1, Unit.SECONDS: 3, Unit.CLIPS: 5}
"""The balances that grants come from, as the first migration made them."""
JOBS = {Unit.USD: 2, Unit.SECONDS: 4, Unit.CLIPS: 6}
"""The balances that what is used goes to."""
COSTS = -1
"""The balance on the other side of what providers took, as the second migration made it."""
HOUSE = "house"
FIRST_CHAIN = b""
_HASH_BYTES = 16
_ADD = """
INSERT INTO transfer (seq, id, body_hash, kind, debit, credit, amount, hold, job_id, reason, actor, at_ms, chain)
"""


class Kind(StrEnum):
    """What a transfer does."""

    GRANT = "grant"
    HOLD = "hold"
    CHARGE = "charge"
    RELEASE = "release"
    REFUND = "refund"
    ADJUST = "adjust"
    LOSS = "loss"


class Reason(StrEnum):
    """Why, where the kind does not say it."""

    LIMIT = "limit"
    """The limit is another one now."""
    UNLIMITED = "no limit"
    """There is no limit any more."""
    USED = "used before"
    """What the owner used in this window before the balance was opened."""
    HELD = "held before"
    """What was held in this window before the balance was opened; never refused."""
    CHARGED = "charged to members"
    """What members paid for a provider's clip."""
    COST = "taken by the provider"
    """What the provider really took for it."""


class TransferConflictError(AssertionError):
    """One id, two bodies: our own bug, and the transaction must not stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One movement from a balance (`debit`) to another (`credit`). The same `id` twice is the same movement once."""

    id: str
    kind: Kind
    debit: int
    credit: int
    amount: int
    hold: int | None = None
    job_id: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who and when; `actor` is an opaque owner id."""

    actor: str
    at_ms: int


class Journal:
    """Adds transfers, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def book(self, transfer: Transfer, cause: Cause) -> int:
        """Add a transfer and return its place; one that is there already is left alone."""
        (seq,) = self.book_all([transfer], cause)
        return seq

    def book_all(self, transfers: Sequence[Transfer], cause: Cause) -> list[int]:
        """Add transfers and return their places; those that are there already are left alone."""
        known = self._known(transfers)
        seq, chain = self._last()
        rows: list[tuple[object, ...]] = []
        for transfer in transfers:
            body = _body(transfer)
            wanted = body_hash(body)
            if transfer.id in known:
                _check_same(transfer, known[transfer.id][1], wanted)
                continue
            seq += 1
            row = (seq, transfer.id, wanted, *body, cause.actor, cause.at_ms)
            chain = chained(chain, row)
            rows.append((*row, chain))
            known[transfer.id] = (seq, wanted)
        insert(self._connection, _ADD, rows)
        return [known[transfer.id][0] for transfer in transfers]

    def has(self, transfer_id: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM transfer WHERE id = ?", (transfer_id,)).fetchone()
        return row is not None

    def next_seq(self) -> int:
        return self._last()[0] + 1

    def _last(self) -> tuple[int, bytes]:
        row = self._connection.execute("SELECT seq, chain FROM transfer ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, FIRST_CHAIN) if row is None else (row[0], row[1])

    def _known(self, transfers: Sequence[Transfer]) -> dict[str, tuple[int, bytes]]:
        """Place and body of those that are there already."""
        marks = ", ".join("?" * len(transfers))
        rows = self._connection.execute(
            f"SELECT id, seq, body_hash FROM transfer WHERE id IN ({marks})",  # noqa: S608  our own text
            [transfer.id for transfer in transfers],
        )
        return {row[0]: (row[1], row[2]) for row in rows}


def _check_same(transfer: Transfer, found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise TransferConflictError(f"transfer {transfer.id} is booked already with another body")


def _body(transfer: Transfer) -> tuple[object, ...]:
    return (
        transfer.kind.value,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        transfer.hold,
        transfer.job_id,
        None if transfer.reason is None else transfer.reason.value,
    )


def body_hash(body: Iterable[object]) -> bytes:
    """Of everything but who and when: the same movement asked for again later is the same."""
    return blake2b(_bytes(body), digest_size=_HASH_BYTES).digest()


def chained(chain: bytes, row: Iterable[object]) -> bytes:
    return blake2b(chain + _bytes(row), digest_size=_HASH_BYTES).digest()


def _bytes(values: Iterable[object]) -> bytes:
    return repr(tuple(values)).encode()
