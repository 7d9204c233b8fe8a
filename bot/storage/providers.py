"""What is known of providers beside their rows: circuits, fair shares, timings."""

import sqlite3

from bot.domain.circuits import Circuit, Trouble
from bot.domain.fairness import FairQueue
from bot.domain.polling import Timing

CIRCUITS = "SELECT * FROM circuit WHERE provider = ? ORDER BY account"


class SqliteProviderNotes:
    """The statements on providers, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def circuits(self, provider: str) -> list[Circuit]:
        return [circuit_of(row) for row in self._connection.execute(CIRCUITS, (provider,))]

    def strike(self, circuit: Circuit) -> None:
        self._connection.execute(
            "INSERT INTO circuit (account, provider, trouble, reason, strikes, since_ms, until_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account) DO UPDATE SET trouble = excluded.trouble, "
            "reason = excluded.reason, strikes = excluded.strikes, since_ms = excluded.since_ms, "
            "until_ms = excluded.until_ms",
            (
                circuit.account,
                circuit.provider,
                circuit.trouble.value,
                circuit.reason,
                circuit.strikes,
                circuit.since_ms,
                circuit.until_ms,
            ),
        )

    def absolve(self, account: str) -> None:
        self._connection.execute("DELETE FROM circuit WHERE account = ?", (account,))

    def queue(self, provider: str) -> FairQueue:
        row = self._connection.execute("SELECT state FROM fair_queue WHERE provider = ?", (provider,)).fetchone()
        return queue_of(None if row is None else row["state"])

    def put_queue(self, provider: str, queue: FairQueue) -> None:
        self._connection.execute(
            "INSERT INTO fair_queue (provider, state) VALUES (?, ?) "
            "ON CONFLICT (provider) DO UPDATE SET state = excluded.state",
            (provider, queue.to_json()),
        )

    def timing(self, key: str) -> Timing:
        row = self._connection.execute("SELECT counts FROM timing WHERE key = ?", (key,)).fetchone()
        return Timing() if row is None else Timing.from_json(row["counts"])

    def put_timing(self, key: str, timing: Timing) -> None:
        self._connection.execute(
            "INSERT INTO timing (key, counts) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET counts = excluded.counts",
            (key, timing.to_json()),
        )


def queue_of(state: str | None) -> FairQueue:
    return FairQueue() if state is None else FairQueue.from_json(state)


def circuit_of(row: sqlite3.Row) -> Circuit:
    return Circuit(**{**dict(row), "trouble": Trouble(row["trouble"])})
