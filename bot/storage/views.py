"""Read-only answers for display; nothing is decided on them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Any

import aiosqlite

from bot.domain.jobs import Job, JobState, TargetKind
from bot.domain.quota import Leg, Owner, OwnerKind
from bot.ports.views import Decision, HistoryLine, Spending, Standing
from bot.storage import quota_views
from bot.storage.balances import NO_GUILD, who
from bot.storage.jobs import PATH_TO, WAITING, job_of, waiting_of
from bot.storage.journal import HOUSE
from bot.storage.providers import queue_of
from bot.storage.sqlite import (
    BUSY_SECONDS_MAX,
    READER_PRAGMAS,
    check_readable,
    database_path,
    faults_told,
    read_only_uri,
)

Line = dict[str, str | int | None]
"""One line of a listing, ready for CSV or JSON. Ids of Discord are integers here."""

_NEWEST = 2**63 - 1
_QUEUE = f"""
SELECT (SELECT state FROM fair_queue WHERE provider = ?1) AS queue, waiting.* FROM ({WAITING}) AS waiting
"""  # noqa: S608 -- our own text
_CLIPS_HERE = """
SELECT * FROM job
WHERE state = 'DELIVERED' AND guild_id IS ?1 AND work = 'clip' AND last_frame IS NOT NULL
    AND ?2 IN (channel_id, target ->> 'channel_id')
ORDER BY id DESC LIMIT ?3
"""
# From any clip up to the first one, and down again to every branch that is let in or delivered.
_FAMILY = """
WITH RECURSIVE path (id) AS (
    SELECT ?1
    UNION
    SELECT job.parent_id FROM path JOIN job ON job.id = path.id WHERE job.parent_id IS NOT NULL
), family (id) AS (
    SELECT MIN(id) FROM path
    UNION
    SELECT job.id FROM family JOIN job ON job.parent_id = family.id AND job.work = 'clip'
)
SELECT job.* FROM family JOIN job ON job.id = family.id
WHERE job.id = ?1 OR job.state = 'DELIVERED' OR (job.is_open = 1 AND job.state <> 'COLLECTING')
ORDER BY job.id
"""
_LISTING = """
SELECT id, guild_id, member_id, state, provider, task_id, attempts, quote_micros, cost_micros, thread_id, channel_id,
    message_id, parent_id, error_code, created_ms
FROM job ORDER BY id DESC LIMIT ?
"""
_BALANCES = """
SELECT owner.kind AS owner, NULLIF(owner.guild_id, 0) AS guild_id, NULLIF(owner.member_id, '') AS member_id,
    balance.unit, balance.period, balance.name, balance.limited, balance.granted, balance.spent, balance.held
FROM balance LEFT JOIN owner ON owner.id = balance.owner
WHERE balance.owner <> ? AND NOT (owner.kind IS 'operator' AND owner.member_id <> '')
ORDER BY owner.kind, owner.guild_id, owner.member_id, balance.unit, balance.starts_ms
"""
_RESTING = "SELECT account, trouble, reason, until_ms FROM circuit WHERE until_ms > ? ORDER BY account"
# Of the two sides of a transfer one is always the house's; the other is the balance it is about.
_JOURNAL = """
SELECT transfer.seq, transfer.at_ms, owner.kind AS owner, NULLIF(owner.guild_id, 0) AS guild_id,
    NULLIF(owner.member_id, '') AS member_id, balance.unit, balance.period, balance.name, transfer.kind,
    CASE WHEN transfer.credit = balance.id THEN 'in' ELSE 'out' END AS direction, transfer.amount, transfer.job_id,
    transfer.reason, actor.member_id AS actor
FROM transfer
JOIN balance ON balance.id IN (transfer.debit, transfer.credit) AND balance.owner <> ?
LEFT JOIN owner ON owner.id = balance.owner
LEFT JOIN owner AS actor ON actor.id = transfer.actor
ORDER BY transfer.seq
"""


class SqliteViews:
    """One SELECT a call, over a connection that cannot write."""

    def __init__(self, *, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    async def job(self, job_id: int) -> Job | None:
        jobs = await self._jobs("SELECT * FROM job WHERE id = ?", job_id)
        return jobs[0] if jobs else None

    async def path_to(self, job_id: int) -> list[Job]:
        return await self._jobs(PATH_TO, job_id)

    async def family_of(self, job_id: int) -> list[Job]:
        return await self._jobs(_FAMILY, job_id)

    async def clips_here(self, *, guild_id: int | None, channel_id: int, limit: int) -> list[Job]:
        return await self._jobs(_CLIPS_HERE, guild_id, channel_id, limit)

    async def clip_at(self, *, message_id: int) -> Job | None:
        jobs = await self._jobs(
            "SELECT * FROM job WHERE state = 'DELIVERED' AND message_id = ? AND work = 'clip'", message_id
        )
        return jobs[0] if jobs else None

    async def jobs_of(self, *, guild_id: int | None, member_id: str, limit: int) -> list[Job]:
        return await self._jobs(
            "SELECT * FROM job WHERE member_id = ? AND guild_id IS ? ORDER BY is_open DESC, id DESC LIMIT ?",
            member_id,
            guild_id,
            limit,
        )

    async def ahead_of(self, job: Job) -> int:
        if job.state is not JobState.QUEUED or job.plan is None:
            return 0
        rows = await self._rows(_QUEUE, job.plan.provider, json.dumps(sorted(TargetKind)))
        if not rows:
            return 0
        waiting = [waiting_of(row) for row in rows]
        order = await asyncio.to_thread(queue_of(rows[0]["queue"]).order, waiting)  # a long line takes a while
        return order.index(job.id) if job.id in order else 0

    async def listing(self, *, limit: int) -> list[Line]:
        """Jobs as `jobs --json` shows them, the newest first, without reading a request."""
        return [dict(row) for row in await self._rows(_LISTING, limit)]

    async def balances(self) -> list[Line]:
        """Everyone's but the providers', which are the cost ledger."""
        return [dict(row) for row in await self._rows(_BALANCES, HOUSE)]

    async def costs(self) -> list[Line]:
        """Per provider and month: charged to members, taken by the provider, the difference."""
        return [dict(row) for row in await self._rows(quota_views.COSTS)]

    async def resting_accounts(self, *, now_ms: int) -> list[Line]:
        """Accounts of providers that get no jobs for a while, and why."""
        return [dict(row) for row in await self._rows(_RESTING, now_ms)]

    async def standing(self, legs: Sequence[Leg]) -> list[Standing]:
        rows = await self._rows(quota_views.STANDING, quota_views.wanted(legs))
        return [quota_views.standing_of(leg, row) for leg, row in zip(legs, rows, strict=True)]

    async def history(
        self, *, guild_id: int | None, member_id: str | None, before_seq: int | None, limit: int
    ) -> list[HistoryLine]:
        kind = OwnerKind.GUILD if member_id is None else OwnerKind.MEMBER
        owner = who(Owner(kind=kind, guild_id=guild_id, member_id=member_id))
        before = _NEWEST if before_seq is None else before_seq
        rows = await self._rows(quota_views.HISTORY, *owner, before, limit)
        return [quota_views.history_line_of(row) for row in rows]

    async def audit(self, guild_id: int | None, *, limit: int, before_seq: int | None) -> list[Decision]:
        place = NO_GUILD if guild_id is None else guild_id
        before = _NEWEST if before_seq is None else before_seq
        rows = await self._rows(quota_views.AUDIT_OF_GUILD, place, before, limit)
        return [quota_views.decision_of(row) for row in rows]

    async def audit_trail(self) -> AsyncIterator[Line]:
        """Every decision in order, read in pieces."""
        with faults_told(self._path):
            async with self._connection.execute(quota_views.AUDIT_IN_ORDER) as rows:
                async for row in rows:
                    yield dict(row)

    async def report(self, guild_id: int, *, since_ms: int, until_ms: int, zone: tzinfo) -> list[Spending]:
        rows = await self._rows(quota_views.ENDED, guild_id, since_ms, until_ms)
        return quota_views.spendings_of(rows, zone)

    async def journal(self) -> AsyncIterator[Line]:
        """Every transfer in order, read in pieces; one whose owner was deleted has no name."""
        with faults_told(self._path):
            async with self._connection.execute(_JOURNAL, (HOUSE,)) as rows:
                async for row in rows:
                    yield dict(row)

    async def _jobs(self, statement: str, *values: object) -> list[Job]:
        return [job_of(row) for row in await self._rows(statement, *values)]

    async def _rows(self, statement: str, *values: object) -> list[Any]:  # Any: aiosqlite's rows are untyped
        with faults_told(self._path):
            return list(await self._connection.execute_fetchall(statement, values))


@asynccontextmanager
async def open_views(data_dir: Path, *, database: Path | None = None) -> AsyncIterator[SqliteViews]:
    """Look at the database, beside a running bot or without one; takes no lock. Raises DatabaseError."""
    path = database or database_path(data_dir)
    check_readable(path)
    with faults_told(path):
        connection = await aiosqlite.connect(
            read_only_uri(path), uri=True, timeout=BUSY_SECONDS_MAX, isolation_level=None
        )
    # An aiosqlite connection left open keeps the process from ending.
    try:
        connection.row_factory = aiosqlite.Row
        for pragma in READER_PRAGMAS:
            await connection.execute(pragma)
        yield SqliteViews(connection=connection, path=path)
    finally:
        await connection.close()
