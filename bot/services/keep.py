"""What is kept, and for how long: files whose time is over are removed."""

import asyncio
from collections.abc import Callable

import structlog

from bot.domain.jobs import JobState, TargetKind, Work
from bot.ports.books import Books, Transaction
from bot.ports.outside import Attic

SWEEP_SECONDS = 3600.0
DAY_MS = 24 * 3_600_000
REFERENCE_DAYS_MIN = 4
"""A job may wait a day for a word, another in the queue, and one more for its post."""
GATHERING = frozenset({JobState.COLLECTING, JobState.FITTING})
"""States in which a film may still have to be made."""
FILMS_MAX = 10_000
_FAR_MS = 2**62
"""Later than any appointment."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks through the files once an hour. Nothing of an open job goes, nor any clip of a film under way."""

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
        needed = await self._books.write(_needed_by_films)
        old_clips = [one for one in await self._attic.jobs() if one not in needed and await self._is_over(one)]
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


def _needed_by_films(tx: Transaction) -> frozenset[int]:
    """The clips of every chain that is being joined."""
    waiting = tx.jobs.due(states=GATHERING, targets=frozenset(TargetKind), now_ms=_FAR_MS, limit=FILMS_MAX)
    films = [job for job in waiting if job.work is Work.FILM]
    return frozenset(clip.id for film in films for clip in tx.jobs.path_to(film.parent_id or 0))
