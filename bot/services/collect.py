"""COLLECTING: copy the references, route, quote, hold."""

from collections.abc import Callable
from datetime import UTC

from bot.domain.errors import BotError, CopiesFullError, PausedError, ProviderError, QuotaError, RequestError
from bot.domain.jobs import Job, JobState
from bot.domain.quota import Caps, Leg, Unit, binding_rules, legs_of
from bot.domain.references import MEGABYTE, StoredReference
from bot.domain.requests import Plan
from bot.ports.books import Books, Transaction
from bot.ports.outside import Media
from bot.services.moves import end, move
from bot.services.routing import Router
from bot.services.sources import Sources

MEMBER_BYTES_MAX = 1_000 * MEGABYTE
"""Two requests with every slot at its largest."""
TOTAL_BYTES_MAX = 20_000 * MEGABYTE


class Collector:
    """Takes a job from its first row to its hold, or refuses it with nothing held."""

    def __init__(
        self,
        *,
        books: Books,
        media: Media,
        router: Router,
        sources: Sources,
        caps: Caps,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._media = media
        self._router = router
        self._sources = sources
        self._caps = caps
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        try:
            await self._books.write(lambda tx: self._admit(tx, job))
            plan = self._router.plan(job.request, await self._copies(job))
            self._sources.links(plan, self._router.row(plan.provider))
            await self._books.write(lambda tx: self._hold(tx, job, plan))
        except (RequestError, QuotaError, ProviderError) as refusal:
            await self._refuse(job, refusal)

    async def _copies(self, job: Job) -> list[StoredReference]:
        return [await self._media.copy(reference=reference) for reference in job.request.references]

    async def _refuse(self, job: Job, refusal: BotError) -> None:
        await self._books.write(lambda tx: end(tx, job, JobState.REFUSED, refusal, now_ms=self._now_ms()))

    def _admit(self, tx: Transaction, job: Job) -> None:
        """Everything that can be refused before a byte is copied."""
        paused_by = tx.rules.paused_by(job.guild_id)
        if paused_by is not None:
            raise PausedError(who=paused_by)
        plan, price = self._router.preview(job.request)
        tx.ledger.check(legs=self._legs(tx, job, plan, price))
        mine = tx.jobs.open_bytes(guild_id=job.guild_id, member_id=job.member_id)
        _check_room("Your", mine, MEMBER_BYTES_MAX)
        _check_room("All", tx.jobs.open_bytes(guild_id=None, member_id=None), TOTAL_BYTES_MAX)

    def _hold(self, tx: Transaction, job: Job, plan: Plan) -> None:
        now_ms = self._now_ms()
        price = self._router.quote(plan)
        tx.ledger.hold(job_id=job.id, legs=self._legs(tx, job, plan, price), actor=job.member_id, now_ms=now_ms)
        move(tx, job, JobState.QUEUED, now_ms=now_ms, plan=plan, quote_micros=price)

    def _legs(self, tx: Transaction, job: Job, plan: Plan, price: int) -> list[Leg]:
        rules = [] if job.guild_id is None else tx.rules.of_guild(job.guild_id)
        return legs_of(
            guild_id=job.guild_id,
            member_id=job.member_id,
            rules=binding_rules(rules, job.member_id, job.role_ids),
            caps=self._caps,
            amounts={Unit.USD: price, Unit.SECONDS: plan.duration_seconds, Unit.CLIPS: 1},
            now_ms=self._now_ms(),
            zone=UTC,
        )


def _check_room(whose: str, size: int, limit: int) -> None:
    if size > limit:
        raise CopiesFullError(whose=whose, megabytes=size / MEGABYTE, limit_megabytes=limit / MEGABYTE)
