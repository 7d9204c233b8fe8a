"""Jobs and legs as the tests need them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bot.domain.jobs import ChannelTarget, Job, JobState
from bot.domain.quota import OPERATOR, Leg, Owner, OwnerKind, Period, Unit, Window, window_at
from bot.domain.requests import Aspect, Plan, Request, Tier
from bot.ports.books import Transaction

NOON_MS = round(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp() * 1000)
"""A Wednesday."""
DAY_MS = 24 * 60 * 60 * 1000
TARGET = ChannelTarget(channel_id=5, status_message_id=6, opens_thread=True)
GUILD = Owner(kind=OwnerKind.GUILD, guild_id=1)
MEMBER = Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id="7")
OPEN_HOUSE = Window(period=Period.TOTAL, name="total", starts_ms=0, ends_ms=None)


def new_job(job_id: int, *, guild_id: int | None = 1, member_id: str = "7", due_ms: int = NOON_MS) -> Job:
    return Job(
        id=job_id,
        guild_id=guild_id,
        member_id=member_id,
        target=TARGET,
        request=Request(prompt="a cat on a roof"),
        created_ms=NOON_MS,
        due_ms=due_ms,
        since_ms=NOON_MS,
    )


def a_plan(provider: str = "animatic") -> Plan:
    return Plan(
        provider=provider,
        model="m",
        tier=Tier.FAST,
        prompt="a cat on a roof",
        duration_seconds=5,
        aspect=Aspect.WIDE,
        resolution="720p",
        sound=True,
        seed=None,
    )


def a_leg(
    *,
    owner: Owner = MEMBER,
    unit: Unit = Unit.CLIPS,
    period: Period = Period.MONTH,
    amount: int = 1,
    limit: int | None = None,
    at_ms: int = NOON_MS,
) -> Leg:
    return Leg(owner=owner, unit=unit, window=window_at(period, at_ms, UTC), amount=amount, limit=limit)


def usual_legs(*, micros: int = 400_000, limit: int | None = 10_000_000, at_ms: int = NOON_MS) -> list[Leg]:
    """A member's meters, the server's month and the operator's day."""
    member = [
        a_leg(unit=unit, amount=amount, at_ms=at_ms)
        for unit, amount in ((Unit.USD, micros), (Unit.SECONDS, 5), (Unit.CLIPS, 1))
    ]
    guild = a_leg(owner=GUILD, unit=Unit.USD, amount=micros, limit=limit, at_ms=at_ms)
    operator = a_leg(owner=OPERATOR, unit=Unit.USD, period=Period.DAY, amount=micros, limit=50_000_000, at_ms=at_ms)
    return [*member, guild, operator]


def queue(tx: Transaction, job_id: int, legs: Sequence[Leg], *, now_ms: int = NOON_MS, provider: str = "x") -> Job:
    """Write a job down, hold its legs and queue it, as its way to a provider begins."""
    job = tx.jobs.add(new_job(job_id))
    tx.ledger.hold(job_id=job_id, legs=legs, actor=job.member_id, now_ms=now_ms)
    return tx.jobs.save(job.to(JobState.QUEUED, now_ms=now_ms, plan=a_plan(provider)))


def finish(
    tx: Transaction,
    job_id: int,
    *,
    cost_micros: int | None = None,
    now_ms: int = NOON_MS,
    provider: str | None = None,
) -> int:
    """Charge the job and end it as delivered, by the shortest way."""
    charged = tx.ledger.charge(job_id=job_id, cost_micros=cost_micros, actor="runner", now_ms=now_ms, provider=provider)
    _end(tx, job_id, JobState.DELIVERED, now_ms)
    return charged


def give_up(tx: Transaction, job_id: int, *, now_ms: int = NOON_MS) -> None:
    tx.ledger.release(job_id=job_id, actor="runner", now_ms=now_ms)
    _end(tx, job_id, JobState.FAILED, now_ms)


def _end(tx: Transaction, job_id: int, state: JobState, now_ms: int) -> None:
    job = tx.jobs.get(job_id)
    assert job is not None
    tx.jobs.save(replace(job, state=state, since_ms=now_ms))
