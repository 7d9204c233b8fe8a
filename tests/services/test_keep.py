"""What the sweep takes, and what it leaves although its time is over."""

from pathlib import Path

from bot.domain.jobs import Job, JobState, Work
from bot.media.shelf import Shelf
from bot.services.keep import DAY_MS, Keeper
from tests.services.stage import JOB, ScriptedDelivery, Stage, set_stage
from tests.services.test_films import asked, delivered, films_of

YEAR_MS = 365 * DAY_MS


class Roomy(ScriptedDelivery):
    """A target that takes everything."""

    async def room(self, *, job: Job) -> int | None:
        assert job.work is Work.FILM
        return None


def keeper_in_a_year(stage: Stage) -> Keeper:
    now_ms = stage.clock.now_ms() + YEAR_MS
    return Keeper(books=stage.books, attic=Shelf(stage.folder), now_ms=lambda: now_ms)


def clips_in(stage: Stage) -> set[str]:
    return {path.stem for path in (stage.folder / "clips").iterdir()}


async def test_the_clips_of_a_film_under_way_outlast_their_time(tmp_path: Path) -> None:
    async with set_stage(tmp_path, delivery=Roomy()) as stage:
        await delivered(stage, JOB)
        await delivered(stage, JOB + 1, parent_id=JOB)
        await delivered(stage, JOB + 2, parent_id=JOB)
        film = await films_of(stage).join(asked(JOB + 5), clip_id=JOB + 1)
        keeper = keeper_in_a_year(stage)
        await keeper.sweep()
        assert clips_in(stage) == {str(JOB), str(JOB + 1)}
        job = await stage.run_until(JobState.DELIVERED, JobState.FAILED, job_id=film.id)
        assert (job.state, job.error_text) == (JobState.DELIVERED, None)
        await keeper.sweep()
        assert clips_in(stage) == set()
