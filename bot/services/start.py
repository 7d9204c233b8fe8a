"""QUEUED: a job waits for its turn and for a free account, then its intent is written and it is handed over."""

from collections.abc import Callable
from dataclasses import replace

from bot.domain.errors import NeverStartedError, ProviderError, RequestError
from bot.domain.jobs import Job, JobState
from bot.domain.polling import PollPlan
from bot.ports.books import Attempt, Books, Telling, Transaction
from bot.ports.outside import Provider
from bot.services.accounts import Accounts
from bot.services.detours import Detours
from bot.services.line import Line
from bot.services.moves import end, move
from bot.services.routing import Router
from bot.services.sources import Sources
from bot.services.submit import Handover, Submitter, planned, to_its_end
from bot.services.timings import Timings, usual_range, usually

CARDS_MOVED_MAX = 5
"""So many of those who wait see their place move when one comes or starts."""
QUEUED_HOURS_MAX = 24
LOOK_AGAIN_MS = 15_000
"""Whoever frees a place wakes the next one; so often everyone looks by themselves."""


class Starter:
    """Whose turn it is starts; everybody else waits, and says on the card for how long."""

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
        submitter: Submitter,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._router = router
        self._accounts = accounts
        self._sources = sources
        self._detours = detours
        self._line = line
        self._timings = timings
        self._submitter = submitter
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        plan = planned(job)
        try:
            links = self._sources.links(plan, self._router.row(plan.provider))
        except (RequestError, ProviderError) as fault:
            error = fault  # the name of an except clause is gone after it
            await self._books.write(lambda tx: end(tx, job, JobState.FAILED, error, now_ms=self._now_ms()))
            return
        usual = await self._timings.plan(plan)
        begun = await self._books.write(lambda tx: self._intend(tx, job, usual))
        if begun is not None:
            job, account, attempt = begun
            handover = Handover(job=job, account=account, attempt=attempt, links=links, usual=usual)
            await to_its_end(self._submitter.hand_over(handover))

    def _intend(self, tx: Transaction, job: Job, usual: PollPlan) -> tuple[Job, Provider, Attempt] | None:
        plan, now_ms = planned(job), self._now_ms()
        if now_ms - tx.jobs.queued_since_ms(job.id) > QUEUED_HOURS_MAX * 3_600_000:
            title = self._router.row(plan.provider).title
            end(tx, job, JobState.FAILED, NeverStartedError(provider=title, hours=QUEUED_HOURS_MAX), now_ms=now_ms)
            return None
        circuit = self._detours.blocked(tx, job)
        if circuit is not None:
            patient = self._detours.rested(tx, job, circuit)
            if patient is not None:
                self._wait(tx, job, patient)
            return None
        account = self._accounts.free(tx, plan.provider)
        if account is None or not self._line.is_next(tx, job, plan.provider):
            self._wait(tx, job, self._expecting(tx, job, usual))
            return None
        return self._begun(tx, job, account, usual)

    def _expecting(self, tx: Transaction, job: Job, usual: PollPlan) -> Job:
        """With what is usual for its place: those before it are done in rounds, and one may have just begun."""
        provider, now_ms = planned(job).provider, self._now_ms()
        rounds = self._line.place_of(tx, job, provider) // max(self._accounts.places(provider), 1)
        low, high = usual_range(usual)
        return replace(
            job,
            offers=(),
            error_text=None,
            usual_seconds=usually(usual),
            ready_from_ms=now_ms + round(low * (1 + rounds) * 1000),
            ready_until_ms=now_ms + round(high * (2 + rounds) * 1000),
        )

    def _wait(self, tx: Transaction, before: Job, job: Job) -> None:
        latest_ms = self._now_ms() + LOOK_AGAIN_MS
        due_ms = min(self._accounts.opens_ms(tx, planned(job).provider) or latest_ms, latest_ms)
        tx.jobs.save(job.waiting(due_ms=due_ms))
        if (before.ready_from_ms is None, before.error_text, before.offers) != (
            job.ready_from_ms is None,
            job.error_text,
            job.offers,
        ):
            tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=self._now_ms())
        if before.ready_from_ms is None:  # it is new in the line: others may have moved back
            self._tell_waiting(tx, job)

    def _tell_waiting(self, tx: Transaction, job: Job) -> None:
        waiting = tx.jobs.waiting(planned(job).provider, targets=frozenset({job.target.kind}))
        for one in waiting[:CARDS_MOVED_MAX]:
            tx.outbox.put(job_id=one.job_id, telling=Telling.CARD, due_ms=self._now_ms())

    def _begun(self, tx: Transaction, job: Job, account: Provider, usual: PollPlan) -> tuple[Job, Provider, Attempt]:
        provider, now_ms = planned(job).provider, self._now_ms()
        attempt = Attempt(
            job_id=job.id,
            number=job.attempts + 1,
            provider=provider,
            account=account.account,
            intent_ms=now_ms,
        )
        tx.jobs.write_attempt(attempt)
        changes = {"account": account.account, "attempts": attempt.number, "usual_seconds": usually(usual)}
        begun = move(tx, job, JobState.SUBMITTING, now_ms=now_ms, offers=(), error_text=None, **changes)
        self._line.start(tx, begun, provider)
        self._line.wake(tx, begun, due_ms=now_ms + round(1000 / account.capabilities.requests_per_second))
        self._tell_waiting(tx, begun)
        return begun, account, attempt
