"""RUNNING: ask the provider, notice the end."""

from collections.abc import Callable

import structlog

from bot.domain.errors import DeadlineError, JobCancelledError, ModerationError, ProviderError, ProviderFailedError
from bot.domain.jobs import Job, JobState
from bot.domain.pacing import backoff_seconds, poll_wait_seconds
from bot.ports.books import Books, Outcome, Telling, Transaction
from bot.ports.outside import Failed, Pending, Provider, ProviderBusyError, Succeeded, TaskGoneError, TaskStatus
from bot.services.accounts import Accounts
from bot.services.moves import end, move
from bot.services.routing import Router

GONE_TRIES_MAX = 6
"""So many failed polls in a row, two minutes with their pauses: a provider may not find its own new task at first."""
UNHEARD_SECONDS_MAX = 24 * 3600
UNSERVED_WAIT_MS = 60_000

log = structlog.get_logger(__name__)


class Watcher:
    """Polls one task at a time; only the provider's own answer ends a job, or its deadline."""

    def __init__(self, *, books: Books, router: Router, accounts: Accounts, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._router = router
        self._accounts = accounts
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        account = self._accounts.named(job.account or "")
        if account is None or job.task_id is None:
            log.warning("no key for this job's account", account=job.account, **job.log_fields())
            await self._unheard(job, UNSERVED_WAIT_MS)
            return
        if job.cancel_asked and await account.cancel(task_id=job.task_id):
            cancelled = JobCancelledError(where=f"at {account.capabilities.title}")
            await self._end(job, JobState.CANCELLED, cancelled)
            return
        await self._ask(job, account, job.task_id)

    async def _ask(self, job: Job, account: Provider, task_id: str) -> None:
        title = account.capabilities.title
        try:
            status = await account.read(task_id=task_id)
        except ProviderBusyError as fault:
            log.warning("poll failed", reason=str(fault), **job.log_fields())
            await self._unheard(job, round(backoff_seconds(job.tries) * 1000))
        except TaskGoneError:
            if job.tries >= GONE_TRIES_MAX:
                lost = ProviderFailedError(provider=title, reason="it no longer knows the task.")
                await self._end(job, JobState.FAILED, lost)
            else:
                await self._unheard(job, round(backoff_seconds(job.tries) * 1000))
        else:
            await self._take(job, account, status)

    async def _take(self, job: Job, account: Provider, status: TaskStatus) -> None:
        match status:
            case Pending():
                await self._still_running(job, account, status.progress)
            case Succeeded():
                await self._books.write(lambda tx: self._succeed(tx, job, status))
                log.info("task succeeded", **job.log_fields())
            case Failed():
                await self._end(job, JobState.FAILED, _failure(account.capabilities.title, status))

    def _succeed(self, tx: Transaction, job: Job, status: Succeeded) -> None:
        changes = {"result": status.video, "frame_link": status.last_frame, "cost_micros": status.cost_micros}
        move(tx, job, JobState.FETCHING, now_ms=self._now_ms(), **changes)

    async def _still_running(self, job: Job, account: Provider, progress: int | None) -> None:
        """Only the provider's own "not yet" counts towards its deadline."""
        elapsed_ms, row = self._elapsed_ms(job), account.capabilities
        if elapsed_ms > row.deadline_seconds * 1000:
            await self._abandon_after(job, row.deadline_seconds)
            return
        wait = poll_wait_seconds(elapsed_seconds=elapsed_ms / 1000, typical_seconds=row.typical_seconds)
        await self._wait(job, round(wait * 1000), progress=progress or job.progress)

    async def _unheard(self, job: Job, wait_ms: int) -> None:
        """A network that is down or a key that is refused says nothing of the task: it may be waiting for us."""
        if self._elapsed_ms(job) > UNHEARD_SECONDS_MAX * 1000:
            await self._abandon_after(job, UNHEARD_SECONDS_MAX)
            return
        await self._wait(job, wait_ms, tries=job.tries + 1, progress=job.progress)

    async def _abandon_after(self, job: Job, seconds: int) -> None:
        await self._books.write(lambda tx: self._abandon(tx, job, seconds))

    async def _wait(self, job: Job, wait_ms: int, *, tries: int = 0, progress: int | None = None) -> None:
        now_ms = self._now_ms()
        waiting = job.waiting(due_ms=now_ms + wait_ms, tries=tries, progress=progress)

        def save(tx: Transaction) -> None:
            tx.jobs.save(waiting)
            if progress != job.progress:
                tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=now_ms)

        await self._books.write(save)

    def _abandon(self, tx: Transaction, job: Job, seconds: int) -> None:
        for attempt in tx.jobs.attempts(job.id)[-1:]:
            exposed = attempt.became(Outcome.ACCEPTED, task_id=job.task_id, exposure_micros=job.quote_micros or 0)
            tx.jobs.write_attempt(exposed)
        title = self._router.row(job.plan.provider).title if job.plan else "The provider"
        end(tx, job, JobState.ABANDONED, DeadlineError(provider=title, minutes=seconds / 60), now_ms=self._now_ms())

    async def _end(self, job: Job, state: JobState, error: ProviderError) -> None:
        await self._books.write(lambda tx: end(tx, job, state, error, now_ms=self._now_ms()))
        log.info("job ended", code=error.code, **job.log_fields())

    def _elapsed_ms(self, job: Job) -> int:
        return self._now_ms() - (job.submitted_ms or job.since_ms)


def _failure(title: str, status: Failed) -> ProviderError:
    if status.moderation:
        return ModerationError(provider=title, reason=status.reason)
    return ProviderFailedError(provider=title, reason=status.reason)
