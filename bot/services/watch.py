"""RUNNING: ask the provider, one task at a time or all of an account's at once."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from bot.domain.circuits import Trouble
from bot.domain.errors import JobCancelledError
from bot.domain.jobs import Job, JobState
from bot.domain.polling import PollPlan, Running, list_wait_seconds
from bot.ports.books import Books, StaleJobError
from bot.ports.outside import Pending, Provider, ProviderBusyError, TaskGoneError, TaskStatus
from bot.services.accounts import Accounts
from bot.services.answers import Answers
from bot.services.hooks import Hooks
from bot.services.timings import Timings

log = structlog.get_logger(__name__)


class Watcher:
    """Every question takes its turn at the account; the job that most probably has ended goes first."""

    def __init__(
        self,
        *,
        books: Books,
        accounts: Accounts,
        answers: Answers,
        timings: Timings,
        hooks: Hooks,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._accounts = accounts
        self._answers = answers
        self._timings = timings
        self._hooks = hooks
        self._now_ms = now_ms
        self._rounds: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def step(self, job: Job) -> None:
        account = self._accounts.named(job.account or "")
        if account is None or job.task_id is None or job.plan is None:
            await self._answers.unserved(job)
            return
        usual = await self._timings.plan(job.plan)
        if not account.capabilities.lists:
            await self._alone(job, account, job.task_id, usual)
            return
        async with self._rounds[account.account]:
            await self._round(job, account, job.task_id, usual)

    async def _alone(self, job: Job, account: Provider, task_id: str, usual: PollPlan) -> None:
        if not await self._turn(job, account, usual):
            return
        if job.cancel_asked and await account.cancel(task_id=task_id):
            cancelled = JobCancelledError(where=f"at {account.capabilities.title}")
            await self._answers.end(job, JobState.CANCELLED, cancelled)
            return
        try:
            status = await account.read(task_id=task_id)
        except ProviderBusyError as fault:
            await self._busy([job], account, fault)
        except TaskGoneError:
            await self._answers.gone(job, account)
        else:
            wait = self._hooks.wait_seconds(account, usual, elapsed=self._elapsed(job))
            await self._answers.take(job, account, status, wait_seconds=wait)

    async def _round(self, job: Job, account: Provider, task_id: str, usual: PollPlan) -> None:
        """One question for all tasks of the account; whoever waited here meanwhile has its answer already."""
        running = await self._books.write(lambda tx: tx.jobs.running_at(account.account))
        if not any((one.id, one.fence) == (job.id, job.fence) for one in running):
            return
        if job.cancel_asked or len(running) == 1:
            await self._alone(job, account, task_id, usual)
            return
        if not await self._turn(job, account, usual):
            return
        try:
            statuses = await account.read_many(task_ids=[one.task_id for one in running if one.task_id])
        except ProviderBusyError as fault:
            if fault.is_key_refused:
                await self._busy(running, account, fault)
                return
            log.warning("list failed", reason=str(fault), account=account.account)
            statuses = {}  # a provider may not list after all: its tasks are asked about one by one
        await self._take_all([one for one in running if one.task_id in statuses], account, statuses)
        if task_id not in statuses:
            await self._alone(job, account, task_id, usual)

    async def _take_all(self, jobs: Sequence[Job], account: Provider, statuses: dict[str, TaskStatus]) -> None:
        waits = await self._waits([one for one in jobs if isinstance(statuses[one.task_id or ""], Pending)], account)
        for one in jobs:
            status, wait = statuses[one.task_id or ""], waits.get(one.id, 0.0)
            with suppress(StaleJobError):  # somebody moved it meanwhile, and looks at it next
                await self._answers.take(one, account, status, wait_seconds=wait)

    async def _waits(self, pending: Sequence[Job], account: Provider) -> dict[int, float]:
        """Until the next question: one for all, but where the provider calls back each waits for itself."""
        plans = [(one, await self._timings.plan(one.plan)) for one in pending if one.plan is not None]
        if self._hooks.calls(account) or len(plans) == 1:
            return {
                one.id: self._hooks.wait_seconds(account, usual, elapsed=self._elapsed(one)) for one, usual in plans
            }
        tasks = [Running(plan=usual, seen=self._elapsed(one), elapsed=self._elapsed(one)) for one, usual in plans]
        return dict.fromkeys((one.id for one, _ in plans), list_wait_seconds(tasks)) if tasks else {}

    async def _turn(self, job: Job, account: Provider, usual: PollPlan) -> bool:
        """False when it did not come in time: the job is due again at once."""

        def urgency() -> float:
            submitted_ms = job.submitted_ms or job.since_ms
            seen = ((job.seen_ms or submitted_ms) - submitted_ms) / 1000
            return usual.urgency(seen, self._elapsed(job))

        if await self._accounts.turn(account, urgency):
            return True
        await self._books.write(lambda tx: tx.jobs.see(job.waiting(due_ms=self._now_ms())))
        return False

    async def _busy(self, jobs: Sequence[Job], account: Provider, fault: ProviderBusyError) -> None:
        """The jobs wait: what was paid for may be ready. Where the key was refused new ones go elsewhere."""
        log.warning("poll failed", reason=str(fault), account=account.account)
        if fault.is_key_refused:
            log.error("account refused", account=account.account, trouble=Trouble.KEY.value)
            await self._books.write(lambda tx: self._accounts.strike(tx, account, Trouble.KEY, str(fault)))
        for one in jobs:
            with suppress(StaleJobError):  # somebody moved it meanwhile, and looks at it next
                await self._answers.unheard(one)

    def _elapsed(self, job: Job) -> float:
        return self._answers.elapsed_ms(job) / 1000
