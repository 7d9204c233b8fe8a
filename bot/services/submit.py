"""SUBMITTING → RUNNING or UNCERTAIN: the one place where money leaves."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from bot.domain.circuits import Trouble
from bot.domain.errors import (
    DatabaseError,
    ProviderAuthError,
    ProviderError,
    ProviderFailedError,
    SubmitLostError,
)
from bot.domain.jobs import Job, JobState
from bot.domain.polling import PollPlan
from bot.domain.requests import Plan
from bot.ports.books import Attempt, Books, Outcome, Transaction
from bot.ports.outside import NotSentError, Provider, UnknownOutcomeError
from bot.services.accounts import Accounts
from bot.services.detours import OF_ACCOUNT, Detours
from bot.services.hooks import Hooks
from bot.services.line import Line
from bot.services.moves import adopt, end, move
from bot.services.routing import Router
from bot.services.sources import Sources
from bot.services.timings import Timings, usual_range

INTENT_FRESH_MS = 5_000
"""An intent older than this is not acted on: the process may have been paused, and another may own the job."""
ANSWERED_TRIES_MAX = 3
"""So often a job is handed over in all where the provider answers that it is in trouble (specification of `apiyi`,
2026-04: two or three times). Whoever cannot be reached has taken nothing, and is tried for a day."""
WRITE_PAUSES_SECONDS = (0.1, 0.5, 2.0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A job whose intent is written, and everything its request is made of."""

    job: Job
    account: Provider
    attempt: Attempt
    links: dict[str, str]
    usual: PollPlan

    @property
    def plan(self) -> Plan:
        return planned(self.job)


class Submitter:
    """Hands a plan over once, and writes what came of it."""

    def __init__(
        self,
        *,
        books: Books,
        router: Router,
        accounts: Accounts,
        sources: Sources,
        detours: Detours,
        line: Line,
        timings: Timings,
        hooks: Hooks,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._router = router
        self._accounts = accounts
        self._sources = sources
        self._detours = detours
        self._line = line
        self._timings = timings
        self._hooks = hooks
        self._now_ms = now_ms

    async def resume(self, job: Job) -> None:
        """For SUBMITTING found at a start: the POST may have left, so it is not repeated unless that is harmless."""
        plan = planned(job)
        account = self._accounts.named(job.account or "")
        if account is None or not account.capabilities.submits_repeatably:
            await self._books.write(lambda tx: self._doubt(tx, job))
            return
        attempt = await self._books.write(lambda tx: tx.jobs.attempts(job.id)[-1])
        links = self._sources.links(plan, account.capabilities)
        usual = await self._timings.plan(plan)
        handover = Handover(job=job, account=account, attempt=attempt, links=links, usual=usual)
        await to_its_end(self.hand_over(handover))

    async def give_up(self, job: Job) -> None:
        """For UNCERTAIN past its deadline: released, and the possible cost booked as the operator's exposure."""
        deadline_ms = (job.submitted_ms or job.since_ms) + self._deadline_seconds(job) * 1000
        if self._now_ms() < deadline_ms:  # a wish to cancel came: nobody can say yet what it would cost
            await self._books.write(lambda tx: tx.jobs.save(job.waiting(due_ms=deadline_ms)))
            return
        await self._books.write(lambda tx: self._abandon(tx, job))

    async def hand_over(self, one: Handover) -> None:
        job, account = one.job, one.account
        try:
            task_id = await self._submitted(one)
        except NotSentError as fault:
            log.warning("submit did not leave", reason=str(fault), **job.log_fields())
            self._accounts.put_off(account, fault.retry_after_seconds)
            await self._books.write(partial(self._requeue, one=one, fault=fault))
        except ProviderError as refusal:
            if isinstance(refusal, OF_ACCOUNT):  # only whoever hosts the bot can mend it
                log.warning("account refused", account=account.account, code=refusal.code, **job.log_fields())
            await self._books.write(partial(self._reject, one=one, refusal=refusal))
        except UnknownOutcomeError as fault:
            log.warning("submit outcome unknown", reason=str(fault), **job.log_fields())
            await self._books.write(lambda tx: self._doubt(tx, job))
        else:
            # The log first: should the disk fail now, the operator still has the id of what was paid for.
            log.info("job submitted", account=account.account, task_id=task_id, **job.log_fields())
            self._accounts.worked(account)
            await self._write_down(lambda tx: self._accepted(tx, one, task_id))

    async def _submitted(self, one: Handover) -> str:
        """Raises NotSentError too for an intent that grew old while it waited for the account's turn."""
        has_turn = await self._accounts.turn(one.account)
        aged = self._now_ms() - one.attempt.intent_ms > INTENT_FRESH_MS
        if not has_turn or (aged and not one.account.capabilities.submits_repeatably):
            raise NotSentError("the intent grew old before it could be acted on")
        callback = self._hooks.address(one.account, one.attempt)
        return await one.account.submit(attempt_id=one.attempt.id, plan=one.plan, links=one.links, callback=callback)

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

    def _accepted(self, tx: Transaction, one: Handover, task_id: str) -> None:
        now_ms = self._now_ms()
        tx.jobs.write_attempt(one.attempt.became(Outcome.ACCEPTED, task_id=task_id))
        tx.providers.absolve(one.account.account)
        ready_from_ms, ready_until_ms = (now_ms + round(seconds * 1000) for seconds in usual_range(one.usual))
        move(
            tx,
            one.job,
            JobState.RUNNING,
            now_ms=now_ms,
            task_id=task_id,
            submitted_ms=now_ms,
            due_ms=now_ms + round(self._hooks.wait_seconds(one.account, one.usual, elapsed=0.0) * 1000),
            ready_from_ms=ready_from_ms,
            ready_until_ms=ready_until_ms,
        )

    def _requeue(self, tx: Transaction, one: Handover, fault: NotSentError) -> None:
        """What the account has to do with it is held against it; the job keeps its place in the line."""
        if self._was_called(tx, one.job):
            return
        tx.jobs.write_attempt(one.attempt.became(Outcome.NOT_SENT))
        if fault.is_trouble:
            self._accounts.strike(tx, one.account, Trouble.STORM, str(fault))
        if fault.is_answer and one.attempt.number >= ANSWERED_TRIES_MAX:
            title = one.account.capabilities.title
            self._detours.given_up(tx, one.job, ProviderFailedError(provider=title, reason=f"{fault}."))
        else:
            move(tx, one.job, JobState.QUEUED, now_ms=self._now_ms(), account=None)
        self._line.take_back(tx, one.job)

    def _reject(self, tx: Transaction, one: Handover, refusal: ProviderError) -> None:
        if self._was_called(tx, one.job):
            return
        tx.jobs.write_attempt(one.attempt.became(Outcome.REJECTED))
        if isinstance(refusal, OF_ACCOUNT):
            trouble = Trouble.KEY if isinstance(refusal, ProviderAuthError) else Trouble.CREDIT
            self._accounts.strike(tx, one.account, trouble, str(refusal))
            self._detours.refused(tx, one.job, refusal)
        else:
            tx.providers.absolve(one.account.account)  # it answers, and knows us
            end(tx, one.job, JobState.FAILED, refusal, now_ms=self._now_ms())
        self._line.take_back(tx, one.job)

    def _was_called(self, tx: Transaction, job: Job) -> bool:
        """A callback may have named the task while the answer was on its way, whatever that says."""
        task_id = tx.jobs.attempts(job.id)[-1].task_id
        if task_id is not None:
            adopt(tx, job, task_id, now_ms=self._now_ms())
        return task_id is not None

    def _doubt(self, tx: Transaction, job: Job) -> None:
        if self._was_called(tx, job):
            return
        now_ms = self._now_ms()
        deadline_ms = self._deadline_seconds(job) * 1000
        move(tx, job, JobState.UNCERTAIN, now_ms=now_ms, submitted_ms=now_ms, due_ms=now_ms + deadline_ms)

    def _abandon(self, tx: Transaction, job: Job) -> None:
        title = self._router.row(planned(job).provider).title
        for attempt in tx.jobs.attempts(job.id)[-1:]:
            tx.jobs.write_attempt(attempt.became(Outcome.ABANDONED, exposure_micros=job.quote_micros or 0))
        end(tx, job, JobState.ABANDONED, SubmitLostError(provider=title), now_ms=self._now_ms())
        self._line.finish(tx, job)

    def _deadline_seconds(self, job: Job) -> int:
        return self._router.row(planned(job).provider).deadline_seconds


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Run work that a stop must not cut in two: it is cancelled only after it has ended by itself."""
    running = asyncio.ensure_future(work)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await running
        raise


def planned(job: Job) -> Plan:
    if job.plan is None:
        raise ValueError(f"job {job.id} is {job.state} without a plan")
    return job.plan
