"""How long providers take for a kind of clip: learned from every task that ended, kept over restarts."""

import asyncio
from collections.abc import Callable

from bot.domain.jobs import Job
from bot.domain.polling import PollPlan, plan_polls
from bot.domain.requests import Plan
from bot.ports.books import Books, Transaction
from bot.services.routing import Router

USUAL_SHARES = (0.2, 0.8)
"""Between these shares of the observed times lies what is said to be usual."""


class Timings:
    """A poll plan for each kind of task, made anew when one more of its kind has ended."""

    def __init__(self, *, books: Books, router: Router, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._router = router
        self._now_ms = now_ms
        self._plans: dict[str, PollPlan] = {}

    async def plan(self, plan: Plan) -> PollPlan:
        key = key_of(plan)
        known = self._plans.get(key)
        if known is None:
            timing = await self._books.write(lambda tx: tx.providers.timing(key))
            # Some milliseconds of arithmetic: beside the loop, not in it.
            known = await asyncio.to_thread(plan_polls, timing, self._router.row(plan.provider).typical_seconds)
            self._plans[key] = known
        return known

    def learn(self, tx: Transaction, job: Job) -> None:
        """A task of this job's kind ended between the last look and now; `forget` follows once that is committed."""
        if job.plan is None or job.submitted_ms is None:
            return
        key = key_of(job.plan)
        seen_ms = job.submitted_ms if job.seen_ms is None else job.seen_ms
        low, high = (max(at_ms - job.submitted_ms, 0) / 1000 for at_ms in (seen_ms, self._now_ms()))
        tx.providers.put_timing(key, tx.providers.timing(key).learned(low, high))

    def forget(self, plan: Plan | None) -> None:
        if plan is not None:
            self._plans.pop(key_of(plan), None)


def key_of(plan: Plan) -> str:
    """What decides how long a task takes, as far as a row can say."""
    return "|".join((plan.provider, plan.model, plan.resolution, str(plan.duration_seconds)))


def usually(usual: PollPlan) -> int:
    """How long such a task holds its place, in whole seconds."""
    return round(usual.quantile(0.5))


def usual_range(usual: PollPlan, *, given: float = 0.0) -> tuple[float, float]:
    """From when to when a task is usually ready, in seconds since its submit, if it still runs at `given`."""
    low, high = (usual.quantile(share, given=given) for share in USUAL_SHARES)
    return low, high
