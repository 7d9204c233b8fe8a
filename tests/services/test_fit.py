"""FITTING: the last frame, the target's limit, and what happens when this machine or the file says no."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import ClipTooLargeError
from bot.domain.film_errors import PreviewTooLateError
from bot.domain.jobs import Fitting, Job, JobState, Work
from bot.domain.request_errors import JobUnknownError
from bot.ports.outside import Fitted, Pending, Posted, StudioBusyError, StudioRefusalError, Succeeded
from bot.services.films import Asked, Films
from tests.media import filming, making
from tests.services.stage import GUILD, JOB, MEMBER, ScriptedDelivery, ScriptedProvider, Stage, set_stage

TOO_LARGE = ClipTooLargeError(megabytes=9, limit_megabytes=1, job=str(JOB))


@dataclass(kw_only=True)
class Shrinking(ScriptedDelivery):
    """A target that says what it takes only when it refuses."""

    rooms: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)

    async def room(self, *, job: Job) -> int | None:
        assert job.clip_path is not None
        return self.rooms[0]

    async def post(self, *, job: Job, clip: Path) -> Posted:
        self.sizes.append(clip.stat().st_size)
        self.tries.append(job.tries)
        if len(self.rooms) > 1 and clip.stat().st_size > self.rooms[1]:
            self.rooms.pop(0)
            raise TOO_LARGE
        return await super().post(job=job, clip=clip)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return making.clip(tmp_path / "clip.mp4", seconds=2, size=(640, 360))


def making_provider(clip: Path) -> ScriptedProvider:
    return ScriptedProvider(statuses=[Pending(), Succeeded(video=str(clip))])


def made(tmp_path: Path, clip: Path) -> Path:
    """Where our own renderer leaves its clips: nothing else on this machine may be named by an answer."""
    (tmp_path / "stage" / "made").mkdir(parents=True)
    return clip.rename(tmp_path / "stage" / "made" / clip.name)


async def test_a_clip_that_fits_goes_as_it_is_and_its_last_frame_is_kept(tmp_path: Path, clip: Path) -> None:
    provider = making_provider(made(tmp_path, clip))
    async with set_stage(tmp_path / "stage", provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.fitting, job.upload_path) == (JobState.DELIVERED, Fitting.AS_IS, job.clip_path)
        assert stage.library.stored_path(sha256=str(job.last_frame)).suffix == ".png"


async def test_a_limit_that_turns_out_smaller_fits_the_clip_anew(tmp_path: Path) -> None:
    """Also a clip that was known to play everywhere as it is."""
    clip = making.clip(tmp_path / "clip.mp4", seconds=2, size=(640, 360), movflags="faststart")
    size = clip.stat().st_size
    delivery = Shrinking(rooms=[size, size // 2])
    provider = making_provider(made(tmp_path, clip))
    async with set_stage(tmp_path / "stage", provider=provider, delivery=delivery) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.fitting) == (JobState.DELIVERED, Fitting.ENCODE)
        assert delivery.sizes[0] == size
        # Posted before, perhaps: what a nonce forgets meanwhile is looked for.
        assert delivery.tries == [0, 1]
        assert delivery.sizes[1] == job.upload_bytes
        assert delivery.sizes[1] <= size // 2
        assert job.clip_bytes == size
        assert (await stage.spent())["guild", "clips"] == (1, 0)


async def test_a_limit_that_does_not_shrink_ends_it_uncharged(tmp_path: Path, clip: Path) -> None:
    delivery = ScriptedDelivery(bytes_max=10_000_000, post_answers=[TOO_LARGE])
    provider = making_provider(made(tmp_path, clip))
    async with set_stage(tmp_path / "stage", provider=provider, delivery=delivery) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.UNDELIVERABLE, "clip_too_large")
        assert Path(str(job.clip_path)).exists()
        assert (await stage.spent())["guild", "clips"] == (0, 0)


async def test_what_cannot_be_watched_at_that_size_is_kept_and_said(tmp_path: Path, clip: Path) -> None:
    provider = making_provider(made(tmp_path, clip))
    async with set_stage(tmp_path / "stage", provider=provider, delivery=ScriptedDelivery(bytes_max=9_000)) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.UNDELIVERABLE, "undeliverable")
        assert "to be watchable" in (job.error_text or "")
        assert (await stage.spent())["guild", "clips"] == (0, 0)


@dataclass
class Moody:
    """The studio of the stage, but for the faults that a test orders."""

    stage: Stage
    faults: list[Exception] = field(default_factory=list)

    async def fit(self, *, job_id: int, clip: Path, bytes_max: int) -> Fitted:
        if self.faults:
            raise self.faults.pop(0)
        return await self.stage.studio.fit(job_id=job_id, clip=clip, bytes_max=bytes_max)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the real one has
        return getattr(self.stage.studio, name)


async def test_a_machine_without_time_is_waited_out(tmp_path: Path, clip: Path) -> None:
    provider, delivery = making_provider(made(tmp_path, clip)), ScriptedDelivery(bytes_max=10_000_000)
    async with set_stage(tmp_path / "stage", provider=provider, delivery=delivery) as stage:
        hand = Moody(stage, [StudioBusyError("took longer than 60 s"), StudioBusyError("broke down")])
        stage.hand = hand
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.fitting) == (JobState.DELIVERED, Fitting.REMUX)
        assert hand.faults == []


async def test_what_is_known_to_play_everywhere_is_not_looked_at_again(tmp_path: Path) -> None:
    clip = making.clip(tmp_path / "clip.mp4", sound=True, movflags="faststart")
    provider, delivery = making_provider(made(tmp_path, clip)), ScriptedDelivery(bytes_max=10_000_000)
    async with set_stage(tmp_path / "stage", provider=provider, delivery=delivery) as stage:
        stage.hand = Moody(stage, [StudioRefusalError("was looked at once more")])
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.fitting, job.upload_path) == (JobState.DELIVERED, Fitting.AS_IS, job.clip_path)


async def test_a_clip_without_its_last_frame_is_delivered_all_the_same(tmp_path: Path) -> None:
    """It plays, but its end is damaged."""
    whole = filming.clip(tmp_path / "whole.mp4", options={**filming.X264, "bf": "0"})
    broken = filming.damaged(whole, tmp_path / "broken.mp4", 1)
    provider = making_provider(made(tmp_path, broken))
    async with set_stage(tmp_path / "stage", provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.last_frame) == (JobState.DELIVERED, None)


async def test_a_preview_of_what_has_ended_is_too_late_and_of_others_unknown(tmp_path: Path, clip: Path) -> None:
    provider = making_provider(made(tmp_path, clip))
    async with set_stage(tmp_path / "stage", provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        films = Films(
            books=stage.books,
            views=stage.views,
            media=stage.library,
            intake=stage.intake,
            bell=stage.bell,
            now_ms=stage.clock.now_ms,
        )
        asked = Asked(job_id=JOB + 1, guild_id=GUILD, channel_id=5, member_id=MEMBER, role_ids=(), target=job.target)
        with pytest.raises(PreviewTooLateError):
            await films.preview(asked, job_id=JOB)
        with pytest.raises(JobUnknownError):
            await films.preview(asked, job_id=JOB + 7)
        assert await stage.books.write(lambda tx: tx.jobs.get(JOB + 1)) is None
        assert job.work is Work.CLIP
