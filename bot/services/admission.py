"""What the rules say of a request: refused, to be confirmed, to be approved, or free to go with its money held."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC

from bot.domain.errors import BlockedWordError, ChannelClosedError, PausedError
from bot.domain.guilds import GuildSettings, shown
from bot.domain.jobs import ChannelTarget, Job, JobState
from bot.domain.quota import Leg, Unit
from bot.domain.references import StoredReference
from bot.domain.requests import Plan
from bot.domain.rules import Binding, Caps, binding_of, drained, legs_of, narrowest
from bot.ports.books import Transaction
from bot.services.alerts import note_crossed
from bot.services.moves import move
from bot.services.routing import NO_CHOICES, Router

CONFIRM_HOURS = 1
APPROVE_HOURS = 24
HOUR_MS = 3_600_000


class Admission:
    """Rules, settings and the ledger at one door; every method is inside one transaction."""

    def __init__(
        self,
        *,
        router: Router,
        caps: Caps,
        now_ms: Callable[[], int],
        resting: Callable[[Transaction], Collection[str]] = lambda _: (),
    ) -> None:
        """`resting` names the providers that take nothing just now: others are asked first."""
        self._router = router
        self._resting = resting
        self._caps = caps
        self._now_ms = now_ms

    def check(self, tx: Transaction, job: Job) -> None:
        """Everything that can be refused before a byte is copied. Raises RequestError, QuotaError."""
        choices = _choices_of(tx, job)
        self._check_request(tx, job, choices)
        plan = self.plan(tx, job)
        price = self._router.quote(plan)
        self._check_bounds(tx, job, choices, plan)
        tx.ledger.check(legs=self.legs(tx, job, choices, plan, price))

    def take(self, tx: Transaction, job: Job, plan: Plan, *, confirmed: bool) -> Job:
        """Hold the price and send the job on, or ask for the requester's word first. Raises QuotaError."""
        choices, now_ms = _choices_of(tx, job), self._now_ms()
        self._check_request(tx, job, choices)
        self._check_bounds(tx, job, choices, plan)
        price = self._router.quote(plan)
        legs = self.legs(tx, job, choices, plan, price)
        if not confirmed and (plan.changes or is_above(price, choices.confirm_above_micros)):
            tx.ledger.check(legs=legs)
            return _wait(tx, job, JobState.CONFIRMING, now_ms, CONFIRM_HOURS, plan=plan, quote_micros=price)
        tx.ledger.hold(job_id=job.id, legs=legs, actor=job.member_id, now_ms=now_ms)
        note_crossed(tx, job, choices, legs, now_ms=now_ms)
        if is_above(price, choices.approve_above_micros) and not may_approve(job, choices):
            return _wait(tx, job, JobState.APPROVING, now_ms, APPROVE_HOURS, plan=plan, quote_micros=price)
        return move(tx, job, JobState.QUEUED, now_ms=now_ms, plan=plan, quote_micros=price)

    def plan(self, tx: Transaction, job: Job, stored: Sequence[StoredReference] = ()) -> Plan:
        """What would be made; what the requester left open goes where server and rules let it. Raises RequestError."""
        choices = _choices_of(tx, job)
        bounds = narrowest(_binding(tx, job).bounds)
        return self._router.plan(job.request, stored, choices=choices, bounds=bounds, resting=self._resting(tx))

    def legs(self, tx: Transaction, job: Job, choices: GuildSettings, plan: Plan, price: int) -> list[Leg]:
        """What a hold would book; bonuses pay first. Explaining a request shows these very legs."""
        now_ms = self._now_ms()
        pools = [] if job.guild_id is None else tx.rules.pools(job.guild_id, now_ms=now_ms)
        legs = legs_of(
            guild_id=job.guild_id,
            member_id=job.member_id,
            rules=_binding(tx, job).rules,
            caps=self._caps,
            amounts={Unit.USD: price, Unit.SECONDS: plan.duration_seconds, Unit.CLIPS: 1},
            now_ms=now_ms,
            zone=UTC if job.guild_id is None else choices.zone,
        )
        mine = [(pool, left) for pool, left in pools if pool.serves(job.member_id, job.role_ids, now_ms)]
        return drained(legs, mine, now_ms)

    def _check_request(self, tx: Transaction, job: Job, choices: GuildSettings) -> None:
        paused_by = tx.rules.paused_by(job.guild_id)
        if paused_by is not None:
            raise PausedError(who=f"<@{paused_by}>" if paused_by.isdecimal() else paused_by)
        if choices.channels and not _places(job) & set(choices.channels):
            raise ChannelClosedError(channels=shown("channels", choices.channels))
        word = choices.blocked_word(job.request.prompt)
        if word is not None:
            raise BlockedWordError(word=word)

    def _check_bounds(self, tx: Transaction, job: Job, choices: GuildSettings, plan: Plan) -> None:
        for bounds in (choices.bounds, *_binding(tx, job).bounds):
            bounds.check(plan)


def _choices_of(tx: Transaction, job: Job) -> GuildSettings:
    return NO_CHOICES if job.guild_id is None else tx.rules.settings(job.guild_id)


def _binding(tx: Transaction, job: Job) -> Binding:
    rules = [] if job.guild_id is None else tx.rules.of_guild(job.guild_id)
    return binding_of(rules, job.member_id, job.role_ids)


def _places(job: Job) -> set[int | None]:
    """A thread counts as its channel."""
    return {job.target.channel_id, job.target.parent_id} if isinstance(job.target, ChannelTarget) else set()


def is_above(price_micros: int, limit_micros: int | None) -> bool:
    return limit_micros is not None and price_micros > limit_micros


def may_approve(job: Job, choices: GuildSettings) -> bool:
    """Whoever may approve need not ask."""
    by_manager = isinstance(job.target, ChannelTarget) and job.target.by_manager
    return by_manager or choices.approver_role in job.role_ids


def _wait(tx: Transaction, job: Job, state: JobState, now_ms: int, hours: int, *, plan: Plan, quote_micros: int) -> Job:
    due_ms = now_ms + hours * HOUR_MS
    return move(tx, job, state, now_ms=now_ms, plan=plan, quote_micros=quote_micros, due_ms=due_ms)
