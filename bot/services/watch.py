"""RUNNING: ask the provider, notice the end."""

from collections.abc import Callable

import structlog

from bot.domain.errors import CancelledError, DeadlineError, ModerationError, ProviderError, ProviderFailedError
from bot.domain.jobs import Job, JobState
from bot.domain.pacing import backoff_seconds, poll_wait_seconds
from bot.ports.books import Books, Outcome, Telling, Transaction
from bot.ports.outside import Failed, Pending, Provider, ProviderBusyError, Succeeded, TaskGoneError, TaskStatus
from bot.services.accounts import Accounts
from bot.services.moves import end, move

GONE_TOLERATED_MS = 120_000
"""A provider may not find its own task right after it was made."""
UNSERVED_WAIT_MS = 60_000

log = structlog.get_logger(__name__)


class Watcher:
    """Polls one task at a time; only the provider's own answer ends a job, or its deadline."""

    def __init__(self, *, books: Books, accounts: Accounts, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._accounts = accounts
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        account = self._accounts.named(job.account or "")
        if account is None or job.task_id is None:
            log.warning("no key for this job's account", account=job.account, **job.log_fields())
            await self._wait(job, UNSERVED_WAIT_MS)
            return
        if job.cancel_asked and await account.cancel(task_id=job.task_id):
            await self._end(job, JobState.CANCELLED, CancelledError(provider=account.capabilities.title))
            return
        await self._ask(job, account, job.task_id)

    async def _ask(self, job: Job, account: Provider, task_id: str) -> None:
        title = account.capabilities.title
        try:
            status = await account.read(task_id=task_id)
        except ProviderBusyError as fault:
            log.warning("poll failed", reason=str(fault), **job.log_fields())
            await self._later(job, account, tries=job.tries + 1)
        except TaskGoneError:
            if self._elapsed_ms(job) > GONE_TOLERATED_MS:
                lost = ProviderFailedError(provider=title, reason="it no longer knows the task.")
                await self._end(job, JobState.FAILED, lost)
            else:
                await self._later(job, account, tries=job.tries + 1)
        else:
            await self._take(job, account, status)

    async def _take(self, job: Job, account: Provider, status: TaskStatus) -> None:
        match status:
            case Pending():
                await self._later(job, account, progress=status.progress)
            case Succeeded():
                await self._books.write(lambda tx: self._succeed(tx, job, status))
                log.info("task succeeded", **job.log_fields())
            case Failed():
                await self._end(job, JobState.FAILED, _failure(account.capabilities.title, status))

    def _succeed(self, tx: Transaction, job: Job, status: Succeeded) -> None:
        changes = {"result": status.video, "cost_micros": status.cost_micros}
        move(tx, job, JobState.FETCHING, now_ms=self._now_ms(), **changes)

    async def _later(self, job: Job, account: Provider, *, tries: int = 0, progress: int | None = None) -> None:
        elapsed_ms = self._elapsed_ms(job)
        row = account.capabilities
        if elapsed_ms > row.deadline_seconds * 1000:
            await self._books.write(lambda tx: self._abandon(tx, job, account))
            return
        wait = poll_wait_seconds(elapsed_seconds=elapsed_ms / 1000, typical_seconds=row.typical_seconds)
        wait = max(wait, backoff_seconds(tries - 1)) if tries else wait
        await self._wait(job, round(wait * 1000), tries=tries, progress=progress or job.progress)

    async def _wait(self, job: Job, wait_ms: int, *, tries: int = 0, progress: int | None = None) -> None:
        now_ms = self._now_ms()
        waiting = job.waiting(due_ms=now_ms + wait_ms, tries=tries, progress=progress)

        def save(tx: Transaction) -> None:
            tx.jobs.save(waiting)
            if progress != job.progress:
                tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=now_ms)

        await self._books.write(save)

    def _abandon(self, tx: Transaction, job: Job, account: Provider) -> None:
        row = account.capabilities
        for attempt in tx.jobs.attempts(job.id)[-1:]:
            exposed = attempt.became(Outcome.ACCEPTED, task_id=job.task_id, exposure_micros=job.quote_micros or 0)
            tx.jobs.write_attempt(exposed)
        error = DeadlineError(provider=row.title, minutes=row.deadline_seconds / 60)
        end(tx, job, JobState.ABANDONED, error, now_ms=self._now_ms())

    async def _end(self, job: Job, state: JobState, error: ProviderError) -> None:
        await self._books.write(lambda tx: end(tx, job, state, error, now_ms=self._now_ms()))
        log.info("job ended", code=error.code, **job.log_fields())

    def _elapsed_ms(self, job: Job) -> int:
        return self._now_ms() - (job.submitted_ms or job.since_ms)


def _failure(title: str, status: Failed) -> ProviderError:
    if status.moderation:
        return ModerationError(provider=title, reason=status.reason)
    return ProviderFailedError(provider=title, reason=status.reason)
