"""What is kept, and for how long: files whose time is over are removed."""

import asyncio
from collections.abc import Callable

import structlog

from bot.ports.books import Books
from bot.ports.outside import Attic

SWEEP_SECONDS = 3600.0
DAY_MS = 24 * 3_600_000
REFERENCE_DAYS_MIN = 4
"""A job may wait a day for a word, another in the queue, and one more for its post."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks through the files once an hour. Nothing of an open job goes."""

    def __init__(self, *, books: Books, attic: Attic, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._attic = attic
        self._now_ms = now_ms

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception:  # a full disk or a busy database: the next hour tries again
                log.exception("sweep failed")
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Remove what is over its server's retention; returns how many files went.

        References are shared by content, so the longest retention of all servers counts for them, and never less
        than an open job may need them.
        """
        old_clips = [job_id for job_id in await self._attic.jobs() if await self._is_over(job_id)]
        removed = await self._attic.remove_jobs(old_clips)
        longest = max(REFERENCE_DAYS_MIN, await self._books.write(lambda tx: tx.rules.longest_retention_days()))
        removed += await self._attic.remove_references(before_ms=self._now_ms() - longest * DAY_MS)
        if removed:
            log.info("files removed", count=removed)
        return removed

    async def _is_over(self, job_id: int) -> bool:
        job = await self._books.write(lambda tx: tx.jobs.get(job_id))
        if job is None:
            return True
        guild_id = job.guild_id or 0
        choices = await self._books.write(lambda tx: tx.rules.settings(guild_id))
        return not job.is_open and job.since_ms < self._now_ms() - choices.retention_days * DAY_MS
