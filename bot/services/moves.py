"""A job's moves, each with its money and what has to be told of it, inside one transaction."""

from typing import Any

from bot.domain.errors import BotError, QuotaError
from bot.domain.jobs import Job, JobState
from bot.ports.books import Outcome, Telling, Transaction

ACTOR = "runner"


def move(tx: Transaction, job: Job, state: JobState, *, now_ms: int, **changes: Any) -> Job:  # Any: as Job.to
    saved = tx.jobs.save(job.to(state, now_ms=now_ms, **changes))
    _tell(tx, job, saved, (Telling.CARD,), now_ms=now_ms)
    return saved


def adopt(tx: Transaction, job: Job, task_id: str, *, now_ms: int) -> Job:
    """The task of a lost answer was found: the provider is asked about it at once."""
    for attempt in tx.jobs.attempts(job.id)[-1:]:
        tx.jobs.write_attempt(attempt.became(Outcome.ACCEPTED, task_id=task_id))
    submitted_ms = job.submitted_ms or now_ms
    return move(tx, job, JobState.RUNNING, now_ms=now_ms, task_id=task_id, submitted_ms=submitted_ms)


def end(tx: Transaction, job: Job, state: JobState, error: BotError, *, now_ms: int) -> Job:
    """An end without a clip in the thread: every leg is released and the requester is told why.

    A clip that the provider finished is its cost all the same.
    """
    took = (job.cost_micros or job.quote_micros) if job.result is not None else None
    provider = job.plan.provider if job.plan else None
    tx.ledger.release(job_id=job.id, actor=ACTOR, now_ms=now_ms, cost_micros=took, provider=provider)
    saved = tx.jobs.save(job.ended_by(state, error, now_ms=now_ms))
    _tell(tx, job, saved, _tellings(job, state, error), now_ms=now_ms)
    return saved


def _tellings(job: Job, state: JobState, error: BotError) -> tuple[Telling, ...]:
    """A refusal never had a card; who cancels or is asked to confirm is looking at it. Other ends are told by both."""
    taken_back = state is JobState.CANCELLED and not isinstance(error, QuotaError)
    if taken_back or job.state is JobState.CONFIRMING:
        return (Telling.CARD,)
    return (Telling.NOTICE,) if state is JobState.REFUSED else (Telling.CARD, Telling.NOTICE)


def _tell(tx: Transaction, before: Job, after: Job, tellings: tuple[Telling, ...], *, now_ms: int) -> None:
    """The request for approval is told when it comes up, and again when it is settled.

    Whoever was told that a clip was given up hears of it again only if it comes.
    """
    if after.is_late and after.state is not JobState.DELIVERED:
        return
    asked = (Telling.APPROVAL,) if JobState.APPROVING in {before.state, after.state} else ()
    for telling in (*tellings, *asked):
        tx.outbox.put(job_id=after.id, telling=telling, due_ms=now_ms)
