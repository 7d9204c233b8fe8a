"""Whose waiting job starts next: start-time fair queueing over guilds, and over members inside each.

Every party has a virtual time: the seconds of work that it was given. Whoever has the least goes first, and a party
that comes back after a rest starts level with the others. Only the lead over the queue's own virtual time is kept, in
whole milliseconds, so that sums are exact; `tests/bench/fairness.py` shows what it does against a flood.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

BEHIND_MS_MAX = 30 * 60 * 1000
"""A party so far behind is forgotten; until then its running jobs may still turn out longer than expected."""
PARTIES_MAX = 256
"""More are not kept: those least ahead go first, and lose at most the lead of one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job that waits for a place; `seconds` is how long it is expected to hold one."""

    job_id: int
    guild_id: int | None
    member_id: str
    seconds: float

    @property
    def guild(self) -> str:
        return _guild(self.guild_id)


def _guild(guild_id: int | None) -> str:
    """The command line's jobs are a party of their own."""
    return "" if guild_id is None else str(guild_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """By how many milliseconds of work each party is ahead of the queue; below 0: behind, and as good as level."""

    leads_ms: Mapping[str, int] = field(default_factory=dict)

    def of(self, party: str) -> int:
        return max(self.leads_ms.get(party, 0), 0)

    def started(self, party: str, ms: int) -> Self:
        """The queue's own virtual time moves to where the party stood, so all others come that much nearer."""
        passed = self.of(party)
        moved = {other: lead - passed for other, lead in self.leads_ms.items()}
        return replace(self, leads_ms=_kept({**moved, party: ms}))

    def corrected(self, party: str, ms: int) -> Self:
        return replace(self, leads_ms=_kept({**self.leads_ms, party: self.leads_ms.get(party, -BEHIND_MS_MAX) + ms}))


def _kept(leads_ms: Mapping[str, int]) -> dict[str, int]:
    near = {party: lead for party, lead in leads_ms.items() if lead > -BEHIND_MS_MAX}
    if len(near) <= PARTIES_MAX:
        return near
    return dict(sorted(near.items(), key=lambda item: item[1])[-PARTIES_MAX:])


@dataclass(frozen=True, slots=True, kw_only=True)
class FairQueue:
    """What has been given to whom at one provider. Nothing changes in place: every change is a new queue."""

    guilds: Leads = field(default_factory=Leads)
    members: Mapping[str, Leads] = field(default_factory=dict)

    def first(self, waiting: Iterable[Waiting]) -> Waiting | None:
        """Who starts now; among equals the older job."""
        among = list(waiting)
        if not among:
            return None
        guild = min(among, key=lambda job: (self.guilds.of(job.guild), job.job_id)).guild
        members = self._members_of(guild)
        inside = (job for job in among if job.guild == guild)
        return min(inside, key=lambda job: (members.of(job.member_id), job.job_id))

    def started(self, job: Waiting) -> Self:
        ms = _ms(job.seconds)
        inside = self._members_of(job.guild).started(job.member_id, ms)
        return self._with(self.guilds.started(job.guild, ms), job.guild, inside)

    def corrected(
        self, *, guild_id: int | None, member_id: str, expected_seconds: float, actual_seconds: float
    ) -> Self:
        """After a job's end: what it really took is what it is charged for."""
        guild, ms = _guild(guild_id), _ms(actual_seconds) - _ms(expected_seconds)
        inside = self._members_of(guild).corrected(member_id, ms)
        return self._with(self.guilds.corrected(guild, ms), guild, inside)

    def order(self, waiting: Iterable[Waiting]) -> list[int]:
        """The jobs as they would start if nobody else came."""
        queue, lines = self, _lines(waiting)
        places: list[int] = []
        while (job := queue.first(line[0] for line in lines.values())) is not None:
            places.append(job.job_id)
            line = lines[job.guild, job.member_id]
            line.popleft()
            if not line:
                del lines[job.guild, job.member_id]
            queue = queue.started(job)
        return places

    def to_json(self) -> str:
        members = {guild: inside.leads_ms for guild, inside in self.members.items()}
        return json.dumps({"guilds": self.guilds.leads_ms, "members": members}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        found = json.loads(text)
        members = {guild: Leads(leads_ms=leads_ms) for guild, leads_ms in found["members"].items()}
        return cls(guilds=Leads(leads_ms=found["guilds"]), members=members)

    def _members_of(self, guild: str) -> Leads:
        return self.members.get(guild, Leads())

    def _with(self, guilds: Leads, guild: str, inside: Leads) -> Self:
        """Members are kept as long as their guild is."""
        members = {**self.members, guild: inside}
        kept = {party: leads for party, leads in members.items() if party in guilds.leads_ms}
        return replace(self, guilds=guilds, members=kept)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _lines(waiting: Iterable[Waiting]) -> dict[tuple[str, str], deque[Waiting]]:
    """Each member's jobs, oldest first: only the first of them can be next."""
    lines: dict[tuple[str, str], deque[Waiting]] = {}
    for job in sorted(waiting, key=lambda job: job.job_id):
        lines.setdefault((job.guild, job.member_id), deque()).append(job)
    return lines
