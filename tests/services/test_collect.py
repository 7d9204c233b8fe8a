"""COLLECTING: what was agreed to is done and nothing else; a machine without time is waited out."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.jobs import Job, JobState
from bot.domain.pricing import PerSecond
from bot.domain.references import Reference, StoredReference
from bot.domain.slots import Kind, Slot
from bot.ports.outside import Pending, StudioBusyError, Succeeded
from bot.services.admission import Admission
from bot.services.approvals import Confirmed
from bot.services.routing import Router
from bot.storage.verify import verify
from tests.media import making
from tests.services.stage import GUILD, JOB, MEMBER, ROW, ScriptedProvider, Stage, set_stage

IMAGE_1 = Slot(kind=Kind.IMAGE, number=1)


@pytest.fixture
def small(tmp_path: Path) -> Reference:
    path = making.picture(tmp_path / "small.png", size=(400, 400))
    return Reference(place=IMAGE_1, name="small.png", source=str(path), declared_bytes=path.stat().st_size)


def a_provider(tmp_path: Path) -> ScriptedProvider:
    folder = tmp_path / "stage" / "made"
    folder.mkdir(parents=True)
    clip = making.clip(folder / "clip.mp4", seconds=1, size=(320, 180))
    return ScriptedProvider(statuses=[Pending(), Succeeded(video=str(clip))])


async def agreed(stage: Stage, small: Reference) -> Job:
    await stage.ask("@Image1 wakes", references=(small,))
    await stage.run_until(JobState.CONFIRMING)
    answer = await stage.approvals.confirm(job_id=JOB, guild_id=GUILD, member_id=MEMBER)
    assert answer is Confirmed.CHANGES_FIRST
    return await stage.job()


def make_dearer(stage: Stage) -> None:
    """The operator starts a bot with other prices."""
    tiers = {
        tier: replace(row, price=replace(row.price, micros=2 * row.price.micros))
        for tier, row in stage.provider.capabilities.tiers.items()
        if isinstance(row.price, PerSecond)
    }
    stage.router = Router(rows={"unifically": replace(ROW, tiers=tiers)}, order=["unifically"], draw_seed=lambda: 7)
    stage.admission = Admission(router=stage.router, caps=stage.caps, now_ms=stage.clock.now_ms)


async def test_a_price_that_rose_while_files_were_changed_is_asked_for_again(tmp_path: Path, small: Reference) -> None:
    async with set_stage(tmp_path / "stage", provider=a_provider(tmp_path)) as stage:
        before = await agreed(stage, small)
        make_dearer(stage)
        waiting = await stage.run_until(JobState.CONFIRMING)
        assert waiting.quote_micros == 2 * (before.quote_micros or 0)
        assert waiting.plan is not None
        assert waiting.plan.changes == ()
        assert await stage.spent() == {}
        assert stage.provider.submits == []
        stage.approvals = type(stage.approvals)(
            books=stage.books,
            router=stage.router,
            admission=stage.admission,
            bell=stage.bell,
            now_ms=stage.clock.now_ms,
        )
        answer = await stage.approvals.confirm(job_id=JOB, guild_id=GUILD, member_id=MEMBER)
        assert answer is Confirmed.GOES_ON
        job = await stage.run_to_end()
        assert (job.state, job.cost_micros) == (JobState.DELIVERED, waiting.quote_micros)


async def test_a_changed_file_is_never_fetched_by_the_link_of_what_it_was_made_of(
    tmp_path: Path, small: Reference
) -> None:
    async with set_stage(tmp_path / "stage", provider=a_provider(tmp_path)) as stage:
        await agreed(stage, small)
        job = await stage.run_to_end()
        assert job.plan is not None
        [one] = job.plan.references
        assert one.info.width == 1024
        assert one.reference.source == f"kept:{one.sha256}"


@dataclass(kw_only=True)
class Tired:
    """The studio of the stage, which has no time to mend for a while."""

    stage: Stage
    faults: list[Exception] = field(default_factory=list)

    async def mend(self, *, stored: StoredReference, change: Any) -> StoredReference:  # Any: handed on
        if self.faults:
            raise self.faults.pop(0)
        return await self.stage.studio.mend(stored=stored, change=change)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the real one has
        return getattr(self.stage.studio, name)


async def test_a_machine_without_time_to_mend_is_waited_out(tmp_path: Path, small: Reference) -> None:
    async with set_stage(tmp_path / "stage", provider=a_provider(tmp_path)) as stage:
        stage.hand = Tired(stage=stage, faults=[StudioBusyError("took longer than 60 s") for _ in range(9)])
        await agreed(stage, small)
        job = await stage.run_to_end()
        assert job.state is JobState.DELIVERED


async def test_a_machine_that_never_has_time_is_said_and_holds_nothing(tmp_path: Path, small: Reference) -> None:
    async with set_stage(tmp_path / "stage", provider=a_provider(tmp_path)) as stage:
        stage.hand = Tired(stage=stage, faults=[StudioBusyError("took longer than 60 s") for _ in range(1000)])
        await agreed(stage, small)
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.REFUSED, "machine_busy")
        assert await stage.spent() == {}
        assert verify(stage.folder).problems == ()
