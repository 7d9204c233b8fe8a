"""What is asked of a provider about running tasks, what is learned of it, and what waits meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.domain.circuits import Trouble
from bot.domain.jobs import JobState
from bot.domain.polling import Timing
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.services.timings import key_of
from tests.services.stage import JOB, ROW, ScriptedProvider, set_stage, succeeding

LATE = 2 * 10**18
"""The first id that the stage mints."""
LISTING = replace(ROW, lists=True)
FAILED = Failed(reason="GPU lost")


@dataclass(kw_only=True)
class ListingProvider(ScriptedProvider):
    """Names a task for each submit; `rounds` are the answers to its list calls, the last one stays."""

    rounds: list[TaskStatus | Exception] = field(default_factory=lambda: [Pending(), FAILED])
    asked: list[list[str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    unnamed: frozenset[str] = frozenset()

    async def read(self, *, task_id: str) -> TaskStatus:
        self.alone.append(task_id)
        return FAILED

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        self.asked.append(list(task_ids))
        answer = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        if isinstance(answer, Exception):
            raise answer
        return {task_id: answer for task_id in task_ids if task_id not in self.unnamed}


def listing(**changes: object) -> ListingProvider:
    return ListingProvider(
        capabilities=LISTING,
        submit_answers=["task-1", "task-2", "task-3"],
        **changes,  # type: ignore[arg-type] # passed on as they are
    )


async def test_one_question_serves_all_tasks_of_an_account(tmp_path: Path) -> None:
    provider = listing()
    async with set_stage(tmp_path, provider=provider) as stage:
        for job_id in range(JOB, JOB + 3):
            await stage.ask(job_id=job_id)
        for job_id in range(JOB, JOB + 3):
            assert (await stage.run_until(JobState.FAILED, job_id=job_id)).error_code == "provider_failed"
        assert [sorted(asked) for asked in provider.asked][-1] == ["task-1", "task-2", "task-3"]
        assert len(provider.asked) + len(provider.alone) <= 4


async def test_what_a_list_does_not_name_is_asked_for_by_itself(tmp_path: Path) -> None:
    provider = listing(unnamed=frozenset({"task-2"}), rounds=[FAILED])
    async with set_stage(tmp_path, provider=provider) as stage:
        for job_id in (JOB, JOB + 1):
            await stage.ask(job_id=job_id)
        for job_id in (JOB, JOB + 1):
            await stage.run_until(JobState.FAILED, job_id=job_id)
        assert "task-2" in provider.alone


async def test_a_list_that_fails_ends_nothing(tmp_path: Path) -> None:
    provider = listing(rounds=[ProviderBusyError("503"), ProviderBusyError("503"), FAILED])
    async with set_stage(tmp_path, provider=provider) as stage:
        for job_id in (JOB, JOB + 1):
            await stage.ask(job_id=job_id)
        for job_id in (JOB, JOB + 1):
            assert (await stage.run_until(JobState.FAILED, job_id=job_id)).error_code == "provider_failed"


async def test_how_long_a_task_took_is_learned_and_kept(tmp_path: Path, made: Path) -> None:
    async with set_stage(tmp_path, provider=succeeding(made)) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert job.plan is not None
        key = key_of(job.plan)
        timing = await stage.books.write(lambda tx: tx.providers.timing(key))
        assert sum(timing.counts) > 0.9
        assert key == "unifically|bytedance/seedance-2.0-fast|720p|5"
        assert await stage.books.write(lambda tx: tx.providers.timing("another")) == Timing()


async def test_a_key_refused_in_mid_flight_holds_new_jobs_and_loses_none(tmp_path: Path, made: Path) -> None:
    refused = ProviderBusyError("it answered HTTP 401", is_key_refused=True)
    provider = succeeding(made)
    provider.statuses[:0] = [refused, refused]
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert job.state is JobState.DELIVERED
        [circuit] = await stage.books.write(lambda tx: tx.providers.circuits("unifically"))
        assert (circuit.account, circuit.trouble) == ("unifically#1", Trouble.KEY)


async def test_a_task_slower_than_usual_says_what_is_usual_then(tmp_path: Path, made: Path) -> None:
    provider = succeeding(made)
    provider.statuses[:0] = [Pending()] * 20
    async with set_stage(tmp_path, provider=provider) as stage:
        seen: list[tuple[int | None, int]] = []
        stage.delivery.on_show = lambda job: seen.append((job.ready_until_ms, stage.clock.ms))
        await stage.ask()
        job = await stage.run_to_end()
        assert job.state is JobState.DELIVERED
        running = [until for until, _ in seen if until is not None]
        assert len(set(running)) > 1
        assert isinstance(provider.statuses[-1], Succeeded)


async def test_a_clip_that_comes_after_its_job_was_given_up_is_posted_for_free(tmp_path: Path, made: Path) -> None:
    provider = succeeding(made)
    provider.statuses[:0] = [Pending()] * 120  # beyond the deadline of 300 s, within the day after
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        given_up = await stage.run_until(JobState.ABANDONED)
        assert "posted here for free" in (given_up.error_text or "")
        shown = len(stage.delivery.shown)
        late = await stage.run_until(JobState.DELIVERED, job_id=LATE)
        assert (late.is_late, late.cost_micros, late.task_id) == (True, 0, "task-1")
        assert (stage.delivery.shown[shown:], stage.delivery.posts) == ([JobState.DELIVERED], [LATE])
        assert len(stage.delivery.notices) == 1
        assert set((await stage.spent()).values()) <= {(0, 0)}


async def test_a_clip_that_never_comes_is_looked_for_for_a_day_and_nobody_hears_of_it_again(tmp_path: Path) -> None:
    provider = ScriptedProvider(statuses=[Pending()])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        await stage.run_until(JobState.ABANDONED)
        begun_ms = stage.clock.ms
        late = await stage.run_until(JobState.ABANDONED, job_id=LATE)
        assert (late.submitted_ms or 0) + 24 * 3_600_000 <= stage.clock.ms
        assert stage.clock.ms - begun_ms > 23 * 3_600_000
        assert len(stage.delivery.notices) == 1
