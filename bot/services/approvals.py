"""CONFIRMING and APPROVING: a job waits for a click, goes on with it, or ends when none comes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.domain.errors import ApprovalDeniedError, BotError, QuotaError, RequestError, WaitExpiredError
from bot.domain.jobs import ChannelTarget, Job, JobState, Question
from bot.domain.quota import dollars
from bot.domain.references import check_stored
from bot.domain.request_errors import JobUnknownError, NotAllowedError
from bot.domain.requests import Plan
from bot.ports.books import Books, By, Telling, Transaction
from bot.services.admission import APPROVE_HOURS, CONFIRM_HOURS, HOUR_MS, Admission
from bot.services.bell import Bell
from bot.services.moves import ACTOR, end, move
from bot.services.routing import Router

HOURS = {JobState.CONFIRMING: CONFIRM_HOURS, JobState.APPROVING: APPROVE_HOURS}
EXPIRED = {
    JobState.CONFIRMING: WaitExpiredError(verb="confirmed", wait="an hour"),
    JobState.APPROVING: WaitExpiredError(verb="approved", wait="a day"),
}


class Confirmed(StrEnum):
    """What agreeing to a price comes to."""

    GOES_ON = "goes on"
    CHANGES_FIRST = "changes first"
    """The files are changed as agreed, then the price is held."""
    NEEDS_APPROVAL = "needs approval"
    PRICE_ROSE = "price rose"
    """Nothing is held: the new price stands on the card and needs a word of its own."""
    TOO_LATE = "too late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A click on a request for approval: whose, with what they may do at this moment, and on which card."""

    member_id: str
    role_ids: tuple[int, ...]
    is_manager: bool
    is_approved: bool
    card: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The job after a decision; `is_first` is False when it was settled before."""

    job: Job
    is_first: bool


class Approvals:
    """The words a job waits for. Every click reads the job anew, so the first one wins."""

    def __init__(
        self, *, books: Books, router: Router, admission: Admission, bell: Bell, now_ms: Callable[[], int]
    ) -> None:
        self._books = books
        self._router = router
        self._admission = admission
        self._bell = bell
        self._now_ms = now_ms

    async def confirm(self, *, job_id: int, guild_id: int | None, member_id: str, as_is: bool = False) -> Confirmed:
        """The requester agrees to the price shown and to the changes; with `as_is` only to those that are needed.

        Raises JobUnknownError, or why the job is refused now.
        """
        answer, refusal = await self._books.write(
            lambda tx: self._confirm(tx, job_id, guild_id, member_id, as_is=as_is)
        )
        self._bell.ring()
        if refusal is not None:
            raise refusal
        return answer

    async def decide(self, *, job_id: int, guild_id: int | None, vote: Vote) -> Settled:
        """Somebody who may decides. Raises NotAllowedError, JobUnknownError."""
        settled = await self._books.write(lambda tx: self._decide(tx, job_id, guild_id, vote))
        self._bell.ring()
        return settled

    async def expire(self, job: Job) -> None:
        """The runner's step: nobody clicked in time."""
        await self._books.write(lambda tx: self._expire(tx, job.id))

    def _confirm(
        self, tx: Transaction, job_id: int, guild_id: int | None, member_id: str, *, as_is: bool
    ) -> tuple[Confirmed, BotError | None]:
        job = tx.jobs.get(job_id)
        if job is None or (job.guild_id, job.member_id) != (guild_id, member_id):
            raise JobUnknownError(job=str(job_id))
        if job.state is not JobState.CONFIRMING or job.plan is None or self._is_over(job):
            return Confirmed.TOO_LATE, None
        plan = self._as_is(job.plan) if as_is else job.plan
        price = self._router.quote(plan)
        if price > (job.quote_micros or 0):
            tx.jobs.save(job.waiting(due_ms=job.due_ms, quote_micros=price))
            tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=self._now_ms())
            return Confirmed.PRICE_ROSE, None
        if plan.changes:
            move(tx, job, JobState.COLLECTING, now_ms=self._now_ms(), plan=plan, has_agreed=True)
            return Confirmed.CHANGES_FIRST, None
        try:
            taken = self._admission.take(tx, job, plan, confirmed=True)
        except (RequestError, QuotaError) as refusal:  # the ledger has undone its own part; the refusal is kept
            end(tx, job, JobState.REFUSED, refusal, now_ms=self._now_ms())
            return Confirmed.TOO_LATE, refusal
        return (Confirmed.GOES_ON if taken.state is JobState.QUEUED else Confirmed.NEEDS_APPROVAL), None

    def _as_is(self, plan: Plan) -> Plan:
        """Only what is needed is changed; of the rest the advice stays."""
        needed = tuple(change for change in plan.changes if change.is_needed)
        if needed:
            return replace(plan, changes=needed)
        advice = check_stored(plan.references, self._router.row(plan.provider).rules)
        return replace(plan, changes=(), notes=(*plan.notes, *advice))

    def _decide(self, tx: Transaction, job_id: int, guild_id: int | None, vote: Vote) -> Settled:
        job = tx.jobs.get(job_id)
        if job is None or guild_id is None or job.guild_id != guild_id or not isinstance(job.target, ChannelTarget):
            raise JobUnknownError(job=str(job_id))
        _check_may(vote, tx.rules.settings(guild_id).approver_role)
        if job.state is not JobState.APPROVING or self._is_over(job):
            return Settled(job=job, is_first=False)
        now_ms, question = self._now_ms(), replace(vote.card, answered_by=vote.member_id)
        answered = replace(job, target=replace(job.target, question=question))
        self._note(tx, job, "approved" if vote.is_approved else "denied", vote.member_id)
        if vote.is_approved:
            return Settled(job=move(tx, answered, JobState.QUEUED, now_ms=now_ms), is_first=True)
        denied = ApprovalDeniedError(who=f"<@{vote.member_id}>")
        return Settled(job=end(tx, answered, JobState.CANCELLED, denied, now_ms=now_ms), is_first=True)

    def _expire(self, tx: Transaction, job_id: int) -> None:
        job = tx.jobs.get(job_id)
        if job is None or job.state not in HOURS:
            return
        if not self._is_over(job):
            tx.jobs.save(job.waiting(due_ms=_ends_ms(job)))
            return
        if job.state is JobState.APPROVING:
            self._note(tx, job, "expired", ACTOR)
        end(tx, job, JobState.CANCELLED, EXPIRED[job.state], now_ms=self._now_ms())

    def _note(self, tx: Transaction, job: Job, after: str, actor: str) -> None:
        what = f"approval of job {job.id}, {dollars(job.quote_micros or 0)}"
        by = By(actor=actor, at_ms=self._now_ms())
        tx.rules.note(job.guild_id, what, before="waiting", after=after, by=by)

    def _is_over(self, job: Job) -> bool:
        return self._now_ms() >= _ends_ms(job)


def _ends_ms(job: Job) -> int:
    return job.since_ms + HOURS[job.state] * HOUR_MS


def _check_may(vote: Vote, approver_role: int | None) -> None:
    """Checked at the click: a role may have gone since the card was posted."""
    if vote.is_manager or (approver_role is not None and approver_role in vote.role_ids):
        return
    role = "" if approver_role is None else f" or the role <@&{approver_role}>"
    raise NotAllowedError(permission=f"Manage Server{role}")
