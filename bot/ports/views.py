"""What is read for display: answers from a connection that cannot write, never the ground for a decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from bot.domain.jobs import Job
from bot.domain.quota import Leg, Period, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a leg's balance stands. `limit` is the leg's own, None where it only meters."""

    limit: int | None
    spent: int
    held: int

    @property
    def left(self) -> int | None:
        """Below zero after a limit was lowered."""
        return None if self.limit is None else self.limit - self.spent - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line of an owner's journal. `change` is what it put into the balance, below zero what it took out."""

    seq: int
    at_ms: int
    kind: str
    unit: Unit
    period: Period
    window: str
    change: int
    job_id: int | None
    reason: str | None
    actor: str | None
    """None where whoever acted was forgotten."""
    is_bonus: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One line of the audit trail. `subject_id` is the member whom it is about, where it is about one."""

    seq: int
    guild_id: int | None
    at_ms: int
    actor: str | None
    what: str
    subject_id: str | None
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one member's jobs of one day came to; the day is the one on which they were asked for."""

    day: str
    member_id: str
    spent_micros: int
    seconds: int
    clips: int
    delivered: int
    failed: int
    released: int


class Views(Protocol):
    """Read-only answers for display: one SELECT a call, never the ground for a decision."""

    async def jobs_of(self, *, guild_id: int | None, member_id: str, limit: int) -> list[Job]:
        """The open ones, then the others; the newest first."""
        ...

    async def path_to(self, job_id: int) -> list[Job]:
        """The chain that leads to a clip, the first clip first."""
        ...

    async def family_of(self, job_id: int) -> list[Job]:
        """Every clip that hangs together with this one, the oldest first; ended without a clip only this one itself.

        What may yet be refused is for its requester's eyes alone, and so is what was.
        """
        ...

    async def clips_here(self, *, guild_id: int | None, channel_id: int, limit: int) -> list[Job]:
        """Delivered clips with a last frame that stand in a channel or were asked for there, the newest first."""
        ...

    async def clip_at(self, *, message_id: int) -> Job | None:
        """The delivered clip that a message carries."""
        ...

    async def ahead_of(self, job: Job) -> int:
        """How many queued jobs of the same provider will start before this one."""
        ...

    async def standing(self, legs: Sequence[Leg]) -> list[Standing]:
        """Of every leg, in order; what its owner used before a rule came counts, as it would at the next hold."""
        ...

    async def history(
        self, *, guild_id: int | None, member_id: str | None, before_seq: int | None, limit: int
    ) -> list[HistoryLine]:
        """The member's own lines, the newest first, with those of bonuses for its jobs; with None the guild's."""
        ...

    async def audit(self, guild_id: int | None, *, limit: int, before_seq: int | None) -> list[Decision]:
        """What was decided in the server, the newest first; None: by the operator for all."""
        ...

    async def report(self, guild_id: int, *, since_ms: int, until_ms: int, zone: tzinfo) -> list[Spending]:
        """Of every day and member with a job that ended, in order of both; days begin as `zone` says."""
        ...
