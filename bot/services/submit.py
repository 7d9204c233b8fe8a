"""QUEUED → SUBMITTING → RUNNING or UNCERTAIN: the one place where money leaves."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from bot.domain.errors import DatabaseError, NeverStartedError, ProviderError, RequestError, SubmitLostError
from bot.domain.jobs import Job, JobState
from bot.domain.pacing import backoff_seconds, poll_wait_seconds
from bot.domain.requests import Plan
from bot.ports.books import Attempt, Books, Outcome, Telling, Transaction
from bot.ports.outside import NotSentError, Provider, UnknownOutcomeError
from bot.services.accounts import Accounts
from bot.services.moves import adopt, end, move
from bot.services.routing import Router
from bot.services.sources import Sources

INTENT_FRESH_MS = 5_000
"""An intent older than this is not acted on: the process may have been paused, and another may own the job."""
CARDS_MOVED_MAX = 5
"""So many of those who wait see their place move when one starts."""
WRITE_PAUSES_SECONDS = (0.1, 0.5, 2.0)
QUEUED_HOURS_MAX = 24
PLACE_WAIT_MS = 1_000
"""Everyone who waits for a place looks at the same moments: the oldest is asked first and gets it."""

log = structlog.get_logger(__name__)


class Submitter:
    """Writes the intent, hands the plan over once, writes what came of it."""

    def __init__(
        self, *, books: Books, router: Router, accounts: Accounts, sources: Sources, now_ms: Callable[[], int]
    ) -> None:
        self._books = books
        self._router = router
        self._accounts = accounts
        self._sources = sources
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        """For QUEUED."""
        plan = _planned(job)
        try:
            links = self._sources.links(plan, self._router.row(plan.provider))
        except (RequestError, ProviderError) as error:
            await self._end(job, error)
            return
        intent = await self._books.write(lambda tx: self._intend(tx, job))
        if intent is not None:
            job, account, attempt = intent
            await to_its_end(self._hand_over(job, account, attempt, links))

    async def resume(self, job: Job) -> None:
        """For SUBMITTING found at a start: the POST may have left, so it is not repeated unless that is harmless."""
        plan = _planned(job)
        account = self._accounts.named(job.account or "")
        if account is None or not account.capabilities.submits_repeatably:
            await self._books.write(lambda tx: self._doubt(tx, job))
            return
        attempt = await self._books.write(lambda tx: tx.jobs.attempts(job.id)[-1])
        await to_its_end(self._hand_over(job, account, attempt, self._sources.links(plan, account.capabilities)))

    async def give_up(self, job: Job) -> None:
        """For UNCERTAIN past its deadline: released, and the possible cost booked as the operator's exposure."""
        deadline_ms = (job.submitted_ms or job.since_ms) + self._deadline_seconds(job) * 1000
        if self._now_ms() < deadline_ms:  # a wish to cancel came: nobody can say yet what it would cost
            await self._books.write(lambda tx: tx.jobs.save(job.waiting(due_ms=deadline_ms)))
            return
        await self._books.write(lambda tx: self._abandon(tx, job))

    def _intend(self, tx: Transaction, job: Job) -> tuple[Job, Provider, Attempt] | None:
        plan, now_ms = _planned(job), self._now_ms()
        if now_ms - job.created_ms > QUEUED_HOURS_MAX * 3_600_000:
            title = self._router.row(plan.provider).title
            end(tx, job, JobState.FAILED, NeverStartedError(provider=title, hours=QUEUED_HOURS_MAX), now_ms=now_ms)
            return None
        account = self._accounts.free(tx, plan.provider)
        if account is None or tx.jobs.queued_before(job, due_by_ms=now_ms + PLACE_WAIT_MS):
            tx.jobs.save(job.waiting(due_ms=(now_ms // PLACE_WAIT_MS + 1) * PLACE_WAIT_MS))
            return None
        attempt = Attempt(
            job_id=job.id,
            number=job.attempts + 1,
            provider=plan.provider,
            account=account.account,
            intent_ms=now_ms,
        )
        tx.jobs.write_attempt(attempt)
        for waiting in tx.jobs.queued(plan.provider, limit=CARDS_MOVED_MAX):
            tx.outbox.put(job_id=waiting, telling=Telling.CARD, due_ms=now_ms)
        changes = {"account": account.account, "attempts": attempt.number}
        return move(tx, job, JobState.SUBMITTING, now_ms=now_ms, **changes), account, attempt

    async def _hand_over(self, job: Job, account: Provider, attempt: Attempt, links: dict[str, str]) -> None:
        try:
            self._check_fresh(attempt, account)
            task_id = await account.submit(attempt_id=attempt.id, plan=_planned(job), links=links)
        except NotSentError as fault:
            log.warning("submit did not leave", reason=str(fault), **job.log_fields())
            await self._books.write(partial(self._requeue, job=job, attempt=attempt, fault=fault))
        except ProviderError as refusal:
            await self._books.write(partial(self._reject, job=job, attempt=attempt, refusal=refusal))
        except UnknownOutcomeError as fault:
            log.warning("submit outcome unknown", reason=str(fault), **job.log_fields())
            await self._books.write(lambda tx: self._doubt(tx, job))
        else:
            # The log first: should the disk fail now, the operator still has the id of what was paid for.
            log.info("job submitted", account=account.account, task_id=task_id, **job.log_fields())
            await self._write_down(lambda tx: self._accepted(tx, job, account, attempt, task_id))

    async def _write_down(self, work: Callable[[Transaction], None]) -> None:
        """A paid task's id is worth several tries."""
        for pause in WRITE_PAUSES_SECONDS:
            try:
                await self._books.write(work)
            except DatabaseError as fault:
                log.warning("the task id is not written down yet", reason=str(fault))
                await asyncio.sleep(pause)
            else:
                return
        await self._books.write(work)

    def _check_fresh(self, attempt: Attempt, account: Provider) -> None:
        aged = self._now_ms() - attempt.intent_ms > INTENT_FRESH_MS
        if aged and not account.capabilities.submits_repeatably:
            raise NotSentError("the intent grew old before it could be acted on")

    def _accepted(self, tx: Transaction, job: Job, account: Provider, attempt: Attempt, task_id: str) -> None:
        now_ms = self._now_ms()
        tx.jobs.write_attempt(attempt.became(Outcome.ACCEPTED, task_id=task_id))
        wait = poll_wait_seconds(elapsed_seconds=0, typical_seconds=account.capabilities.typical_seconds)
        due_ms = now_ms + round(wait * 1000)
        move(tx, job, JobState.RUNNING, now_ms=now_ms, task_id=task_id, submitted_ms=now_ms, due_ms=due_ms)

    def _requeue(self, tx: Transaction, job: Job, attempt: Attempt, fault: NotSentError) -> None:
        now_ms = self._now_ms()
        tx.jobs.write_attempt(attempt.became(Outcome.NOT_SENT))
        wait = fault.retry_after_seconds or backoff_seconds(attempt.number - 1)
        move(tx, job, JobState.QUEUED, now_ms=now_ms, account=None, due_ms=now_ms + round(wait * 1000))

    def _reject(self, tx: Transaction, job: Job, attempt: Attempt, refusal: ProviderError) -> None:
        tx.jobs.write_attempt(attempt.became(Outcome.REJECTED))
        end(tx, job, JobState.FAILED, refusal, now_ms=self._now_ms())

    def _doubt(self, tx: Transaction, job: Job) -> None:
        """A callback may have named the task before its answer was lost."""
        now_ms = self._now_ms()
        task_id = tx.jobs.attempts(job.id)[-1].task_id
        if task_id is not None:
            adopt(tx, job, task_id, now_ms=now_ms)
            return
        deadline_ms = self._deadline_seconds(job) * 1000
        move(tx, job, JobState.UNCERTAIN, now_ms=now_ms, submitted_ms=now_ms, due_ms=now_ms + deadline_ms)

    def _abandon(self, tx: Transaction, job: Job) -> None:
        title = self._router.row(_planned(job).provider).title
        for attempt in tx.jobs.attempts(job.id)[-1:]:
            tx.jobs.write_attempt(attempt.became(Outcome.ABANDONED, exposure_micros=job.quote_micros or 0))
        end(tx, job, JobState.ABANDONED, SubmitLostError(provider=title), now_ms=self._now_ms())

    async def _end(self, job: Job, error: RequestError | ProviderError) -> None:
        await self._books.write(lambda tx: end(tx, job, JobState.FAILED, error, now_ms=self._now_ms()))

    def _deadline_seconds(self, job: Job) -> int:
        return self._router.row(_planned(job).provider).deadline_seconds


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Run work that a stop must not cut in two: it is cancelled only after it has ended by itself."""
    running = asyncio.ensure_future(work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await running
        raise


def _planned(job: Job) -> Plan:
    if job.plan is None:
        raise ValueError(f"job {job.id} is {job.state} without a plan")
    return job.plan
