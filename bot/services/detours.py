"""Where a job goes when its provider cannot take it: another key, another provider, or the requester's own choice.

Only while nothing can have been accepted. Never dearer than what was agreed to: what costs more, or is another clip, is
offered on the card and made only when the requester clicks.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.domain.circuits import Circuit, Trouble
from bot.domain.errors import ProviderAccountError, ProviderAuthError, ProviderError, ProviderRestingError, RequestError
from bot.domain.jobs import Job, JobState, Offer
from bot.domain.requests import Plan
from bot.ports.books import Telling, Transaction
from bot.services.accounts import Accounts
from bot.services.moves import end, move
from bot.services.routing import NO_CHOICES, Router
from bot.services.sources import Sources

OFFERS_MAX = 3
"""What fits under a card beside its other buttons."""
OF_ACCOUNT = (ProviderAuthError, ProviderAccountError)
"""Refusals that say nothing of the request, and everything of the key that it came with."""


class Detours:
    """Every method is inside one transaction."""

    def __init__(self, *, router: Router, accounts: Accounts, sources: Sources, now_ms: Callable[[], int]) -> None:
        self._router = router
        self._accounts = accounts
        self._sources = sources
        self._now_ms = now_ms

    def blocked(self, tx: Transaction, job: Job) -> Circuit | None:
        """What keeps every account of the job's provider from work."""
        return self._accounts.resting(tx).get(job.plan.provider) if job.plan else None

    def refused(self, tx: Transaction, job: Job, error: ProviderError) -> None:
        """The account cannot do it: another key of the provider, another provider, else the end."""
        circuit = self.blocked(tx, job)
        if circuit is None or circuit.trouble is Trouble.STORM:
            move(tx, job, JobState.QUEUED, now_ms=self._now_ms(), account=None)
        else:
            self.given_up(tx, job, error)

    def given_up(self, tx: Transaction, job: Job, error: ProviderError) -> None:
        """Its provider will not make it: another one does, else the end, with what the requester may choose instead."""
        if not self.elsewhere(tx, job):
            end(tx, self._with_offers(tx, job), JobState.FAILED, error, now_ms=self._now_ms())

    def rested(self, tx: Transaction, job: Job, circuit: Circuit) -> Job | None:
        """For a queued job whose provider rests: elsewhere, or patience where the trouble may pass, else the end.

        Returns the job where it has to be patient.
        """
        if self.elsewhere(tx, job):
            return None
        title = self._router.row(circuit.provider).title
        if circuit.trouble is Trouble.STORM:
            said = f"{title} is in trouble just now ({circuit.reason}). It is tried again by itself; nothing is lost."
            patient = replace(job, error_text=said, ready_from_ms=None, ready_until_ms=None)
            return self._with_offers(tx, patient)
        error = ProviderRestingError(provider=title, reason=circuit.reason)
        end(tx, self._with_offers(tx, job), JobState.FAILED, error, now_ms=self._now_ms())
        return None

    def elsewhere(self, tx: Transaction, job: Job) -> bool:
        """Queue it at the next provider that makes the same clip for no more than was agreed to."""
        if job.plan is None:
            return False
        for plan in self._alternatives(tx, job):
            price = self._router.quote(plan)
            if price <= (job.quote_micros or 0):
                before, after = (self._router.row(name).title for name in (job.plan.provider, plan.provider))
                said = f"{before} could not take it; {after} makes it instead."
                told = replace(plan, notes=(*plan.notes, said))
                # What was agreed to stays held; no more than this provider's price is charged of it.
                changes = {
                    "plan": told,
                    "cost_micros": price,
                    "account": None,
                    "usual_seconds": None,
                    "error_text": None,
                }
                self._requeue(tx, job, changes)
                return True
        return False

    def _requeue(self, tx: Transaction, job: Job, changes: dict[str, object]) -> None:
        now_ms = self._now_ms()
        if job.state is JobState.QUEUED:
            tx.jobs.save(job.waiting(due_ms=now_ms, tries=0, offers=(), **changes))
            tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=now_ms)
            return
        move(tx, job, JobState.QUEUED, now_ms=now_ms, offers=(), **changes)

    def _with_offers(self, tx: Transaction, job: Job) -> Job:
        """What would cost more or is another clip: the requester decides."""
        plans = [*self._faster(tx, job), *self._alternatives(tx, job)]
        return replace(job, offers=tuple(self._offer(plan) for plan in plans[:OFFERS_MAX]))

    def _faster(self, tx: Transaction, job: Job) -> list[Plan]:
        """A key that is refused is refused for every tier; a storm may spare the fast one."""
        circuit = self.blocked(tx, job)
        if circuit is not None and circuit.trouble is not Trouble.STORM:
            return []
        choices = NO_CHOICES if job.guild_id is None else tx.rules.settings(job.guild_id)
        faster = self._router.faster(job, choices=choices)
        return [faster] if faster is not None and not faster.changes and self._is_servable(faster) else []

    def _offer(self, plan: Plan) -> Offer:
        return Offer(
            provider=plan.provider,
            title=self._router.row(plan.provider).title,
            tier=plan.tier,
            resolution=plan.resolution,
            quote_micros=self._router.quote(plan),
        )

    def _alternatives(self, tx: Transaction, job: Job) -> Sequence[Plan]:
        choices = NO_CHOICES if job.guild_id is None else tx.rules.settings(job.guild_id)
        plans = self._router.elsewhere(job, choices=choices, resting=self._accounts.resting(tx))
        return [plan for plan in plans if self._is_servable(plan)]

    def _is_servable(self, plan: Plan) -> bool:
        try:
            self._sources.links(plan, self._router.row(plan.provider))
        except (RequestError, ProviderError):
            return False
        return True
