"""What is made of clips: films of whatever their prompts name, previews that never touch the ledger."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.chains import Continuation
from bot.domain.film_errors import ClipGoneError
from bot.domain.jobs import ChannelTarget, Job, JobState, Work
from bot.domain.references import Reference
from bot.domain.requests import Request
from bot.domain.slots import Kind, Slot
from bot.services.films import Asked, Films
from bot.storage.verify import verify
from tests.media import making
from tests.services.stage import GUILD, JOB, MEMBER, ScriptedDelivery, Stage, set_stage
from tests.services.test_collect import a_provider

TARGET = ChannelTarget(channel_id=5, status_message_id=4, opens_thread=True)
PICTURE = Reference(place=Slot(kind=Kind.IMAGE, number=1), name="a.png", source="https://x", declared_bytes=1)


class Narrow(ScriptedDelivery):
    """A target that takes next to nothing."""

    async def room(self, *, job: Job) -> int | None:
        assert job.work is Work.FILM
        return 1


@pytest.fixture
def small(tmp_path: Path) -> Reference:
    """A picture that is offered enlarged, so that its request waits."""
    path = making.picture(tmp_path / "small.png", size=(400, 400))
    return replace(PICTURE, source=str(path), declared_bytes=path.stat().st_size)


def asked(job_id: int, *, guild_id: int | None = GUILD, channel_id: int = 5) -> Asked:
    return Asked(job_id=job_id, guild_id=guild_id, channel_id=channel_id, member_id=MEMBER, role_ids=(), target=TARGET)


def films_of(stage: Stage) -> Films:
    return Films(
        books=stage.books,
        views=stage.views,
        media=stage.library,
        intake=stage.intake,
        bell=stage.bell,
        now_ms=stage.clock.now_ms,
    )


async def delivered(stage: Stage, job_id: int, *, parent_id: int | None = None, prompt: str = "a fox") -> Job:
    """A clip as it stands when all is done, its file on the shelf."""
    path = stage.folder / "clips" / f"{job_id}.mp4"
    path.parent.mkdir(exist_ok=True)
    making.clip(path, seconds=1, size=(320, 180))
    references = (PICTURE,) if "@Image1" in prompt else ()
    frame = await stage.studio.last_frame(clip=path)
    now_ms = stage.clock.now_ms()
    job = Job(
        id=job_id,
        guild_id=GUILD,
        member_id=MEMBER,
        target=TARGET,
        request=Request(prompt=prompt, references=references),
        state=JobState.DELIVERED,
        parent_id=parent_id,
        last_frame=frame,
        channel_id=5,
        message_id=job_id + 1,
        created_ms=now_ms,
        due_ms=now_ms,
        since_ms=now_ms,
    )
    return await stage.books.write(lambda tx: tx.jobs.add(job))


async def test_a_chain_whose_prompt_names_a_reference_becomes_a_film(tmp_path: Path) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        await delivered(stage, JOB)
        await delivered(stage, JOB + 10, parent_id=JOB, prompt="@Image1 comes in")
        film = await films_of(stage).join(asked(JOB + 20), clip_id=JOB + 10)
        assert (film.work, film.parent_id) == (Work.FILM, JOB + 10)
        assert (await films_of(stage).join(asked(JOB + 20), clip_id=JOB + 10)).id == film.id


async def test_a_film_whose_clip_vanishes_after_it_was_asked_for_fails_and_says_why(tmp_path: Path) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        first = await delivered(stage, JOB)
        await delivered(stage, JOB + 10, parent_id=JOB)
        await films_of(stage).join(asked(JOB + 20), clip_id=JOB + 10)
        (stage.folder / "clips" / f"{first.id}.mp4").unlink()
        film = await stage.run_until(JobState.FAILED, JobState.UNDELIVERABLE, job_id=JOB + 20)
        assert (film.state, film.error_code) == (JobState.FAILED, "film_impossible")
        assert "one of its clips is no longer kept" in stage.delivery.notices[0]
        assert await stage.spent() == {}
        assert verify(stage.folder).problems == ()


@pytest.mark.parametrize(("guild_id", "channel_id"), [(GUILD, 6), (GUILD + 1, 5), (None, 5)])
async def test_a_clip_is_nowhere_but_where_it_stands(tmp_path: Path, guild_id: int | None, channel_id: int) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        clip = await delivered(stage, JOB)
        films = films_of(stage)
        assert await films.clip_on(asked(JOB + 1), message_id=clip.message_id or 0) == clip
        elsewhere = asked(JOB + 1, guild_id=guild_id, channel_id=channel_id)
        assert await films.clip_on(elsewhere, message_id=clip.message_id or 0) is None


async def test_a_clip_whose_frame_was_swept_away_says_so_at_once(tmp_path: Path) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        clip = await delivered(stage, JOB)
        stage.library.stored_path(sha256=str(clip.last_frame)).unlink()
        with pytest.raises(ClipGoneError):
            await films_of(stage).extend(asked(JOB + 1), clip_id=JOB, wish=Continuation(prompt="on"))


async def test_a_frame_that_goes_while_its_child_is_collected_refuses_it_with_nothing_held(tmp_path: Path) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        clip = await delivered(stage, JOB)
        await films_of(stage).extend(asked(JOB + 1), clip_id=JOB, wish=Continuation(prompt="on"))
        stage.library.stored_path(sha256=str(clip.last_frame)).unlink()
        child = await stage.run_until(JobState.REFUSED, job_id=JOB + 1)
        assert child.error_code == "reference_missing"
        assert await stage.spent() == {}


async def test_a_doubled_click_on_preview_is_one_preview(tmp_path: Path, small: Reference) -> None:
    async with set_stage(tmp_path / "stage") as stage:
        await stage.ask("@Image1 wakes", references=(small,))
        await stage.run_until(JobState.CONFIRMING)
        films = films_of(stage)
        first = await films.preview(asked(JOB + 1), job_id=JOB)
        assert await films.preview(asked(JOB + 1), job_id=JOB) == first


async def test_previews_and_films_touch_no_ledger_however_they_end(tmp_path: Path) -> None:
    async with set_stage(tmp_path / "stage", provider=a_provider(tmp_path)) as stage:
        stage.delivery = Narrow()
        await delivered(stage, JOB)
        await delivered(stage, JOB + 10, parent_id=JOB)
        await films_of(stage).join(asked(JOB + 20), clip_id=JOB + 10)
        film = await stage.run_until(JobState.FAILED, job_id=JOB + 20)
        assert film.error_code == "film_impossible"
        now_ms = stage.clock.now_ms()
        preview = replace(film, id=JOB + 30, work=Work.PREVIEW, state=JobState.COLLECTING, fence=0, error_code=None)
        await stage.books.write(lambda tx: tx.jobs.add(replace(preview, due_ms=now_ms + 10**9)))
        await stage.desk.cancel(job_id=JOB + 30, guild_id=GUILD, member_id=MEMBER)
        assert (await stage.job(JOB + 30)).state is JobState.CANCELLED
        assert await stage.spent() == {}
        assert verify(stage.folder).problems == ()
