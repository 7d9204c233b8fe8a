"""What a provider's answer about a running task comes to: patience, a clip, an end."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.domain.errors import DeadlineError, ModerationError, ProviderError, ProviderFailedError
from bot.domain.jobs import Job, JobState
from bot.domain.pacing import backoff_seconds
from bot.ports.books import Books, Outcome, Telling, Transaction
from bot.ports.outside import Failed, Pending, Provider, Succeeded, TaskStatus
from bot.services.line import Line
from bot.services.moves import end, move
from bot.services.routing import Router
from bot.services.timings import Timings, usual_range

GONE_TRIES_MAX = 6
"""So many failed polls in a row, two minutes with their pauses: a provider may not find its own new task at first."""
UNHEARD_SECONDS_MAX = 24 * 3600
UNSERVED_WAIT_MS = 60_000
LATE_HOPE = " Should the clip still come within a day, it is posted here for free."
LATE_SECONDS_MAX = 24 * 3600
LATE_WAIT_SECONDS = 300.0
"""A clip that was given up is looked for now and then."""

log = structlog.get_logger(__name__)


class Answers:
    """Only the provider's own answer ends a job, or its deadline."""

    def __init__(
        self,
        *,
        books: Books,
        router: Router,
        line: Line,
        timings: Timings,
        mint: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        """`mint` makes ids for jobs that nobody asked for."""
        self._mint = mint
        self._books = books
        self._router = router
        self._line = line
        self._timings = timings
        self._now_ms = now_ms

    async def take(self, job: Job, account: Provider, status: TaskStatus, *, wait_seconds: float) -> None:
        """`wait_seconds`: when to ask again about a task that still runs."""
        match status:
            case Pending():
                await self._still_running(job, account, status.progress, wait_seconds)
            case Succeeded():
                await self._books.write(lambda tx: self._succeed(tx, job, status))
                self._timings.forget(job.plan)
                log.info("task succeeded", **job.log_fields())
            case Failed():
                await self.end(job, JobState.FAILED, _failure(account.capabilities.title, status), learns=True)

    async def gone(self, job: Job, account: Provider) -> None:
        """The provider does not know the task."""
        if job.tries < GONE_TRIES_MAX:
            await self.unheard(job)
            return
        lost = ProviderFailedError(provider=account.capabilities.title, reason="it no longer knows the task.")
        await self.end(job, JobState.FAILED, lost)

    async def unserved(self, job: Job) -> None:
        """There is no key for its account now; there may be one again."""
        log.warning("no key for this job's account", account=job.account, **job.log_fields())
        await self.unheard(job, wait_ms=UNSERVED_WAIT_MS)

    async def unheard(self, job: Job, *, wait_ms: int | None = None) -> None:
        """A network that is down or a key that is refused says nothing of the task: it may be waiting for us."""
        if self.elapsed_ms(job) > UNHEARD_SECONDS_MAX * 1000:
            await self._abandon_after(job, UNHEARD_SECONDS_MAX)
            return
        wait_ms = round(backoff_seconds(job.tries) * 1000) if wait_ms is None else wait_ms
        await self._wait(job, wait_ms, tries=job.tries + 1)

    async def end(self, job: Job, state: JobState, error: ProviderError, *, learns: bool = False) -> None:
        def write(tx: Transaction) -> None:
            end(tx, job, state, error, now_ms=self._now_ms())
            if learns:
                self._timings.learn(tx, job)
            self._line.finish(tx, job)

        await self._books.write(write)
        self._timings.forget(job.plan)
        log.info("job ended", code=error.code, **job.log_fields())

    def elapsed_ms(self, job: Job) -> int:
        return self._now_ms() - (job.submitted_ms or job.since_ms)

    def _succeed(self, tx: Transaction, job: Job, status: Succeeded) -> None:
        changes = {
            "result": status.video,
            "frame_link": status.last_frame,
            "cost_micros": job.cost_micros if status.cost_micros is None else status.cost_micros,
        }
        move(tx, job, JobState.FETCHING, now_ms=self._now_ms(), **changes)
        self._timings.learn(tx, job)
        self._line.finish(tx, job)

    async def _still_running(self, job: Job, account: Provider, progress: int | None, wait_seconds: float) -> None:
        """Only the provider's own "not yet" counts towards its deadline."""
        elapsed_ms = self.elapsed_ms(job)
        deadline_seconds = LATE_SECONDS_MAX if job.is_late else account.capabilities.deadline_seconds
        if elapsed_ms > deadline_seconds * 1000:
            await self._abandon_after(job, deadline_seconds)
            return
        wait_seconds = LATE_WAIT_SECONDS if job.is_late else wait_seconds
        late = await self._later_than_usual(job, elapsed_ms)
        progress = job.progress if progress is None else progress
        await self._wait(job, round(wait_seconds * 1000), progress=progress, seen_ms=self._now_ms(), **late)

    async def _later_than_usual(self, job: Job, elapsed_ms: int) -> dict[str, int]:
        """What is usual for those that took so long already."""
        now_ms = self._now_ms()
        if job.plan is None or job.ready_until_ms is None or now_ms <= job.ready_until_ms:
            return {}
        low, high = usual_range(await self._timings.plan(job.plan), given=elapsed_ms / 1000)
        begun_ms = now_ms - elapsed_ms
        return {"ready_from_ms": begun_ms + round(low * 1000), "ready_until_ms": begun_ms + round(high * 1000)}

    async def _abandon_after(self, job: Job, seconds: int) -> None:
        late = self._late(job)
        await self._books.write(lambda tx: self._abandon(tx, job, seconds, late))

    async def _wait(self, job: Job, wait_ms: int, *, tries: int = 0, **changes: int | None) -> None:
        now_ms = self._now_ms()
        waiting = job.waiting(due_ms=now_ms + wait_ms, tries=tries, **changes)
        is_news = (waiting.progress, waiting.ready_until_ms) != (job.progress, job.ready_until_ms)

        def save(tx: Transaction) -> None:
            tx.jobs.see(waiting)
            if is_news and not job.is_late:
                tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=now_ms)

        await self._books.write(save)

    def _abandon(self, tx: Transaction, job: Job, seconds: int, late: Job | None) -> None:
        for attempt in tx.jobs.attempts(job.id)[-1:]:
            exposed = attempt.became(Outcome.ACCEPTED, task_id=job.task_id, exposure_micros=job.quote_micros or 0)
            tx.jobs.write_attempt(exposed)
        title = self._router.row(job.plan.provider).title if job.plan else "The provider"
        error = DeadlineError(provider=title, minutes=seconds / 60, hope="" if late is None else LATE_HOPE)
        end(tx, job, JobState.ABANDONED, error, now_ms=self._now_ms())
        self._line.finish(tx, job)
        if late is not None:
            tx.jobs.add(late)

    def _late(self, job: Job) -> Job | None:
        """What goes on watching the task of a job that is given up: its clip may still come, and is free then."""
        if job.is_late or self.elapsed_ms(job) > LATE_SECONDS_MAX * 1000:
            return None
        now_ms = self._now_ms()
        return replace(
            job,
            id=self._mint(),
            is_late=True,
            quote_micros=None,
            cost_micros=None,
            cancel_asked=False,
            created_ms=now_ms,
            since_ms=now_ms,
            due_ms=now_ms + round(LATE_WAIT_SECONDS * 1000),
            fence=0,
            tries=0,
        )


def _failure(title: str, status: Failed) -> ProviderError:
    if status.moderation:
        return ModerationError(provider=title, reason=status.reason)
    return ProviderFailedError(provider=title, reason=status.reason)
