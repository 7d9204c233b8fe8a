"""COLLECTING: copy the references, route, quote, ask what must be asked, do what was agreed to, hold."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.domain.chains import KEPT
from bot.domain.changes import Change
from bot.domain.errors import BotError, ProviderError, QuotaError, RequestError
from bot.domain.film_errors import ChangeUnservableError, MachineBusyError, ReferenceMustChangeError
from bot.domain.jobs import ChannelTarget, Job, JobState, Work
from bot.domain.pacing import backoff_seconds
from bot.domain.references import MEGABYTE, ReferenceRules, StoredReference, check_stored
from bot.domain.request_errors import CopiesFullError, PublicUrlMissingError, ReferenceUnreadableError
from bot.domain.requests import Plan
from bot.ports.books import Books, Transaction
from bot.ports.outside import Media, Studio, StudioBusyError, StudioRefusalError
from bot.services.admission import CONFIRM_HOURS, HOUR_MS, Admission
from bot.services.moves import end, move
from bot.services.routing import Router
from bot.services.sources import Sources

MEMBER_BYTES_MAX = 1_000 * MEGABYTE
"""Two requests with every slot at its largest."""
TOTAL_BYTES_MAX = 20_000 * MEGABYTE
BUSY_SECONDS_MAX = 600
"""So long a machine without time or memory is waited out while somebody waits for a card."""

log = structlog.get_logger(__name__)


class Collector:
    """Takes a job from its first row to its hold, or refuses it with nothing held."""

    def __init__(
        self,
        *,
        books: Books,
        media: Media,
        router: Router,
        sources: Sources,
        studio: Studio,
        admission: Admission,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._media = media
        self._router = router
        self._sources = sources
        self._studio = studio
        self._admission = admission
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        try:
            match job.work:
                case Work.CLIP:
                    await self._collect(job)
                case Work.PREVIEW:
                    await self._collect_preview(job)
                case Work.FILM:
                    await self._books.write(lambda tx: self._collect_film(tx, job))
        except StudioBusyError as fault:
            await self._again(job, str(fault))
        except (RequestError, QuotaError, ProviderError) as refusal:
            await self._refuse(job, refusal)

    async def _collect(self, job: Job) -> None:
        plan = await (self._mended(job.plan) if job.has_agreed and job.plan else self._planned(job))
        self._sources.links(plan, self._router.row(plan.provider))
        await self._draw_strip(job, plan)
        await self._books.write(lambda tx: self._take(tx, job, plan))

    def _take(self, tx: Transaction, job: Job, plan: Plan) -> None:
        """What was agreed to is a price as well: a higher one is asked for again, whatever the server asks for."""
        price, now_ms = self._router.quote(plan), self._now_ms()
        if job.has_agreed and price > (job.quote_micros or 0):
            due_ms = now_ms + CONFIRM_HOURS * HOUR_MS
            move(tx, job, JobState.CONFIRMING, now_ms=now_ms, plan=plan, quote_micros=price, due_ms=due_ms)
            return
        self._admission.take(tx, job, plan, confirmed=job.has_agreed)

    async def _planned(self, job: Job) -> Plan:
        await self._books.write(lambda tx: self._admit(tx, job))
        stored = await self._copies(job)
        plan = await self._books.write(lambda tx: self._admission.plan(tx, job, stored))
        if job.has_agreed or not isinstance(job.target, ChannelTarget):  # agreed to a plan, not to changes of files
            return unasked(plan, self._router.row(plan.provider).rules)
        return self._servable(plan)

    def _servable(self, plan: Plan) -> Plan:
        """A file that we change has no link of Discord's: where that is all a provider takes, none is offered."""
        row = self._router.row(plan.provider)
        try:
            self._sources.links(_all_kept(plan), row)
        except PublicUrlMissingError as error:
            for change in plan.changes:
                if change.is_needed:
                    raise ChangeUnservableError(change=change.sentence, provider=row.title) from error
            return unasked(plan, row.rules)
        return plan

    async def _mended(self, plan: Plan) -> Plan:
        """The changes made that the requester agreed to."""
        by_place = {change.place: change for change in plan.changes}
        references = tuple([await self._mend(one, by_place.get(one.place)) for one in plan.references])
        check_stored(references, self._router.row(plan.provider).rules)
        done = tuple(change.sentence for change in plan.changes)
        return replace(plan, references=references, changes=(), notes=(*plan.notes, *done))

    async def _mend(self, one: StoredReference, change: Change | None) -> StoredReference:
        if change is None:
            return one
        try:
            return _kept(await self._studio.mend(stored=one, change=change))
        except StudioRefusalError as refusal:
            raise ReferenceUnreadableError(place=str(one.place), name=one.name, reason=str(refusal)) from refusal

    async def _collect_preview(self, job: Job) -> None:
        plan = self._router.plan(job.request, await self._copies(job))
        await self._books.write(lambda tx: move(tx, job, JobState.QUEUED, now_ms=self._now_ms(), plan=plan))

    def _collect_film(self, tx: Transaction, job: Job) -> None:
        """Its clips were there a moment ago, when it was asked for."""
        move(tx, job, JobState.FITTING, now_ms=self._now_ms())

    async def _draw_strip(self, job: Job, plan: Plan) -> None:
        """The card is as good without it."""
        if not plan.references or not isinstance(job.target, ChannelTarget):
            return
        try:
            await self._studio.strip(job_id=job.id, references=plan.references)
        except (StudioRefusalError, StudioBusyError) as fault:
            log.warning("no strip", reason=str(fault), **job.log_fields())

    async def _copies(self, job: Job) -> list[StoredReference]:
        return [await self._media.copy(reference=reference) for reference in job.request.references]

    async def _again(self, job: Job, reason: str) -> None:
        log.warning("collecting put off", reason=reason, tries=job.tries, **job.log_fields())
        now_ms = self._now_ms()
        if now_ms - job.since_ms > BUSY_SECONDS_MAX * 1000:
            await self._refuse(job, MachineBusyError(reason=reason))
            return
        waiting = job.waiting(due_ms=now_ms + round(backoff_seconds(job.tries) * 1000), tries=job.tries + 1)
        await self._books.write(lambda tx: tx.jobs.save(waiting))

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


def _all_kept(plan: Plan) -> Plan:
    """The plan as it will be once its changes are made."""
    places = {change.place for change in plan.changes}
    return replace(plan, references=tuple(_kept(one) if one.place in places else one for one in plan.references))


def _kept(one: StoredReference) -> StoredReference:
    """A file of our own making: its first link leads to what it was made of."""
    return replace(one, reference=replace(one.reference, source=f"{KEPT}{one.sha256}"))


def unasked(plan: Plan, rules: ReferenceRules) -> Plan:
    """Nobody can be asked: what must change is refused, and what might is left with a warning."""
    for change in plan.changes:
        if change.is_needed:
            raise ReferenceMustChangeError(change=change.sentence)
    notes = (*plan.notes, *check_stored(plan.references, rules))
    return replace(plan, changes=(), notes=tuple(dict.fromkeys(notes)))
