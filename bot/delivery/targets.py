"""Each job to the delivery that serves its target."""

from collections.abc import Sequence
from pathlib import Path

from bot.domain.jobs import Job, TargetKind
from bot.ports.outside import Delivery, Posted


class ByTarget:
    """Several deliveries behind one: a bot also finishes what the command line left open."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._by_kind: dict[TargetKind, Delivery] = {kind: one for one in deliveries for kind in one.serves}

    @property
    def serves(self) -> frozenset[TargetKind]:
        return frozenset(self._by_kind)

    async def show(self, *, job: Job) -> int | None:
        return await self._by_kind[job.target.kind].show(job=job)

    async def room(self, *, job: Job) -> int | None:
        return await self._by_kind[job.target.kind].room(job=job)

    async def post(self, *, job: Job, clip: Path) -> Posted:
        return await self._by_kind[job.target.kind].post(job=job, clip=clip)

    async def notify(self, *, job: Job) -> None:
        await self._by_kind[job.target.kind].notify(job=job)
