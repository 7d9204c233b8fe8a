"""What the requester makes of a job that its provider could not take: a click writes a new one down."""

from collections.abc import Callable
from dataclasses import replace

from bot.domain.chains import KEPT
from bot.domain.errors import JobCancelledError
from bot.domain.jobs import Job, JobState, Offer
from bot.domain.request_errors import JobUnknownError, OfferGoneError
from bot.domain.requests import Plan, Request
from bot.ports.books import Books, Transaction
from bot.services.admission import Admission
from bot.services.bell import Bell
from bot.services.films import Asked
from bot.services.moves import end


class Offers:
    """The new job holds what was offered and no more: should the price have risen, it is asked for again."""

    def __init__(self, *, books: Books, admission: Admission, bell: Bell, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._admission = admission
        self._bell = bell
        self._now_ms = now_ms

    async def take(self, asked: Asked, *, job_id: int, key: str) -> Job:
        """Raises JobUnknownError for somebody else's job, OfferGoneError for what was taken or is over.

        Where the rules do not let the new job in, their refusal is raised and the old one stays as it is.
        """
        job = await self._books.write(lambda tx: self._take(tx, asked, job_id, key))
        self._bell.ring()
        return job

    def _take(self, tx: Transaction, asked: Asked, job_id: int, key: str) -> Job:
        doubled = tx.jobs.get(asked.job_id)
        if doubled is not None:
            return doubled
        job = tx.jobs.get(job_id)
        if job is None or (job.guild_id, job.member_id) != (asked.guild_id, asked.member_id):
            raise JobUnknownError(job=str(job_id))
        offer, plan = next((one for one in job.offers if one.key == key), None), job.plan
        if job.state not in {JobState.QUEUED, JobState.FAILED} or plan is None or offer is None:
            raise OfferGoneError
        spent = replace(job, offers=())
        if job.state is JobState.QUEUED:
            end(tx, spent, JobState.CANCELLED, JobCancelledError(where="for another way"), now_ms=self._now_ms())
        else:
            tx.jobs.save(spent)
        made = tx.jobs.add(self._made_of(asked, job, plan, offer))
        self._admission.check(tx, made)
        return made

    def _made_of(self, asked: Asked, job: Job, plan: Plan, offer: Offer) -> Job:
        now_ms = self._now_ms()
        return Job(
            id=asked.job_id,
            guild_id=asked.guild_id,
            member_id=asked.member_id,
            role_ids=asked.role_ids,
            parent_id=job.parent_id,
            target=asked.target,
            request=_wish(job.request, plan, offer),
            has_agreed=True,
            quote_micros=offer.quote_micros,
            created_ms=now_ms,
            since_ms=now_ms,
            due_ms=now_ms,
        )


def _wish(request: Request, plan: Plan, offer: Offer) -> Request:
    """All that the card said of the clip, but for what the offer changes; the references as they were copied."""
    return replace(
        request,
        provider=offer.provider,
        tier=offer.tier,
        resolution=offer.resolution,
        duration_seconds=plan.duration_seconds,
        aspect=plan.aspect,
        sound=plan.sound,
        references=tuple(replace(one.reference, source=f"{KEPT}{one.sha256}") for one in plan.references),
    )
