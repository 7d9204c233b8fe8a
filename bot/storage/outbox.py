"""What Discord still has to be told."""

import json
import sqlite3

from bot.domain.jobs import TargetKind
from bot.ports.books import OutboxItem, Telling

_PUT = """
INSERT INTO outbox (job_id, telling, version, tries, due_ms, is_told) VALUES (?, ?, 1, 0, ?, 0)
ON CONFLICT (job_id, telling) DO UPDATE SET
    version = version + 1,
    tries = CASE WHEN is_told = 1 THEN 0 ELSE tries END,
    due_ms = CASE WHEN is_told = 1 THEN excluded.due_ms ELSE MIN(due_ms, excluded.due_ms) END,
    is_told = 0
"""
_DUE = """
SELECT outbox.job_id, outbox.telling, outbox.version, outbox.tries FROM outbox JOIN job ON job.id = outbox.job_id
WHERE outbox.is_told = 0 AND outbox.due_ms <= ? AND job.target_kind IN (SELECT value FROM json_each(?))
ORDER BY outbox.due_ms, outbox.job_id LIMIT ?
"""
_NEXT_DUE = """
SELECT outbox.due_ms FROM outbox JOIN job ON job.id = outbox.job_id
WHERE outbox.is_told = 0 AND job.target_kind IN (SELECT value FROM json_each(?))
    AND outbox.job_id NOT IN (SELECT value FROM json_each(?))
ORDER BY outbox.due_ms LIMIT 1
"""


class SqliteOutbox:
    """The statements on the outbox, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put(self, *, job_id: int, telling: Telling, due_ms: int) -> None:
        self._connection.execute(_PUT, (job_id, telling.value, due_ms))

    def due(self, *, targets: frozenset[TargetKind], now_ms: int, limit: int) -> list[OutboxItem]:
        rows = self._connection.execute(_DUE, (now_ms, json.dumps(sorted(targets)), limit))
        return [OutboxItem(**{**dict(row), "telling": Telling(row["telling"])}) for row in rows]

    def next_due_ms(self, *, targets: frozenset[TargetKind], leaving_out: frozenset[int]) -> int | None:
        row = self._connection.execute(
            _NEXT_DUE, (json.dumps(sorted(targets)), json.dumps(sorted(leaving_out)))
        ).fetchone()
        return None if row is None else int(row[0])

    def done(self, item: OutboxItem) -> None:
        self._connection.execute(
            "UPDATE outbox SET is_told = 1 WHERE job_id = ? AND telling = ? AND version = ?",
            (item.job_id, item.telling.value, item.version),
        )

    def later(self, item: OutboxItem, *, due_ms: int) -> None:
        self._connection.execute(
            "UPDATE outbox SET tries = tries + 1, due_ms = ? WHERE job_id = ? AND telling = ? AND is_told = 0",
            (due_ms, item.job_id, item.telling.value),
        )
