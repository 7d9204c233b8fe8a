"""COLLECTING: copy the references, route, quote, hold."""

from collections.abc import Callable

from bot.domain.errors import BotError, ProviderError, QuotaError, RequestError
from bot.domain.jobs import Job, JobState
from bot.domain.references import MEGABYTE, StoredReference
from bot.domain.request_errors import CopiesFullError
from bot.ports.books import Books, Transaction
from bot.ports.outside import Media
from bot.services.admission import Admission
from bot.services.moves import end
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
        admission: Admission,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._media = media
        self._router = router
        self._sources = sources
        self._admission = admission
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        try:
            await self._books.write(lambda tx: self._admit(tx, job))
            stored = await self._copies(job)
            plan = await self._books.write(lambda tx: self._admission.plan(tx, job, stored))
            self._sources.links(plan, self._router.row(plan.provider))
            await self._books.write(lambda tx: self._admission.take(tx, job, plan, confirmed=False))
        except (RequestError, QuotaError, ProviderError) as refusal:
            await self._refuse(job, refusal)

    async def _copies(self, job: Job) -> list[StoredReference]:
        return [await self._media.copy(reference=reference) for reference in job.request.references]

    async def _refuse(self, job: Job, refusal: BotError) -> None:
        await self._books.write(lambda tx: end(tx, job, JobState.REFUSED, refusal, now_ms=self._now_ms()))

    def _admit(self, tx: Transaction, job: Job) -> None:
        """Everything that can be refused before a byte is copied."""
        self._admission.check(tx, job)
        mine = tx.jobs.open_bytes(guild_id=job.guild_id, member_id=job.member_id)
        _check_room("Your", mine, MEMBER_BYTES_MAX)
        _check_room("All", tx.jobs.open_bytes(guild_id=None, member_id=None), TOTAL_BYTES_MAX)


def _check_room(whose: str, size: int, limit: int) -> None:
    if size > limit:
        raise CopiesFullError(whose=whose, megabytes=size / MEGABYTE, limit_megabytes=limit / MEGABYTE)
