"""What members ask about their own jobs: the list, and to stop one."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from bot.domain.errors import JobCancelledError
from bot.domain.jobs import Job, JobState, Work
from bot.domain.request_errors import JobUnknownError
from bot.ports.books import Books, Telling, Transaction
from bot.ports.views import Views
from bot.services.bell import Bell
from bot.services.moves import end
from bot.services.routing import Router

LIST_MAX = 10


class CancelAnswer(StrEnum):
    """What asking to stop a job comes to."""

    CANCELLED = "cancelled"
    ASKED = "asked"
    TOO_LATE = "too late"


class JobDesk:
    """A member's own jobs."""

    def __init__(self, *, books: Books, views: Views, router: Router, bell: Bell, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._views = views
        self._router = router
        self._bell = bell
        self._now_ms = now_ms

    async def mine(self, *, guild_id: int | None, member_id: str) -> list[Job]:
        return await self._views.jobs_of(guild_id=guild_id, member_id=member_id, limit=LIST_MAX)

    async def families(self, jobs: Sequence[Job]) -> dict[int, list[Job]]:
        """The chain of every clip among these that has one."""
        found = {job.id: await self._views.family_of(job.id) for job in jobs if job.work is Work.CLIP}
        return {job_id: family for job_id, family in found.items() if len(family) > 1}

    async def cancel(self, *, job_id: int, guild_id: int | None, member_id: str) -> CancelAnswer:
        """Stop a job that was not submitted yet; ask the provider for one that was. Raises JobUnknownError."""
        answer = await self._books.write(lambda tx: self._cancel(tx, job_id, guild_id, member_id))
        self._bell.ring()
        return answer

    def _cancel(self, tx: Transaction, job_id: int, guild_id: int | None, member_id: str) -> CancelAnswer:
        job = tx.jobs.get(job_id)
        if job is None or (job.guild_id, job.member_id) != (guild_id, member_id):
            raise JobUnknownError(job=str(job_id))
        if job.state in {JobState.COLLECTING, JobState.CONFIRMING, JobState.APPROVING, JobState.QUEUED}:
            title = self._router.row(job.plan.provider).title if job.plan else "any provider"
            cancelled = JobCancelledError(where=f"before it was sent to {title}")
            end(tx, job, JobState.CANCELLED, cancelled, now_ms=self._now_ms())
            return CancelAnswer.CANCELLED
        if not job.is_late and job.state in {JobState.SUBMITTING, JobState.UNCERTAIN, JobState.RUNNING}:
            tx.jobs.ask_cancel(job_id)
            tx.outbox.put(job_id=job_id, telling=Telling.CARD, due_ms=self._now_ms())
            return CancelAnswer.ASKED
        return CancelAnswer.TOO_LATE
