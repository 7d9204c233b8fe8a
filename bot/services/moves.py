"""A job's moves, each with its money and what has to be told of it, inside one transaction."""

from typing import Any

from bot.domain.errors import BotError
from bot.domain.jobs import Job, JobState
from bot.ports.books import Telling, Transaction

ACTOR = "runner"
_TOLD_BY = {JobState.REFUSED: (Telling.NOTICE,), JobState.CANCELLED: (Telling.CARD,)}
"""A refusal never had a card; whoever cancels knows it. Every other end is told by both."""


def move(tx: Transaction, job: Job, state: JobState, *, now_ms: int, **changes: Any) -> Job:  # Any: as Job.to
    saved = tx.jobs.save(job.to(state, now_ms=now_ms, **changes))
    tx.outbox.put(job_id=job.id, telling=Telling.CARD, due_ms=now_ms)
    return saved


def end(tx: Transaction, job: Job, state: JobState, error: BotError, *, now_ms: int) -> Job:
    """An end without a clip in the thread: every leg is released and the requester is told why."""
    tx.ledger.release(job_id=job.id, actor=ACTOR, now_ms=now_ms)
    saved = tx.jobs.save(job.ended_by(state, error, now_ms=now_ms))
    for telling in _TOLD_BY.get(state, (Telling.CARD, Telling.NOTICE)):
        tx.outbox.put(job_id=job.id, telling=telling, due_ms=now_ms)
    return saved
