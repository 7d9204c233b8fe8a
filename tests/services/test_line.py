"""Places at a provider are shared between servers, then between members, over restarts too."""

from dataclasses import replace
from pathlib import Path

from bot.domain.jobs import JobState
from bot.ports.outside import Failed, NotSentError
from tests.services.stage import GUILD, JOB, ROW, ScriptedProvider, Stage, set_stage

ONE_PLACE = replace(ROW, max_concurrent=1)


def ending(**changes: object) -> ScriptedProvider:
    """One place, and every task ends at the first look."""
    return ScriptedProvider(
        capabilities=ONE_PLACE,
        statuses=[Failed(reason="GPU lost")],
        **changes,  # type: ignore[arg-type] # passed on as they are
    )


async def flood(stage: Stage, count: int, *, first: int = JOB, guild_id: int = GUILD) -> None:
    for number in range(count):
        await stage.ask(job_id=first + number, guild_id=guild_id)


def started(stage: Stage) -> list[int]:
    return [int(attempt.partition("-")[0]) - JOB for attempt in stage.provider.submits]


async def test_a_flood_of_one_server_does_not_hold_up_another(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ending()) as stage:
        await flood(stage, 6)
        await flood(stage, 2, first=JOB + 100, guild_id=GUILD + 1)
        await stage.run_until(JobState.FAILED, job_id=JOB + 5)
        order = started(stage)
        assert sorted(order) == [0, 1, 2, 3, 4, 5, 100, 101]
        assert order.index(100) <= 2
        assert order.index(101) <= 4


async def test_whose_turn_it_is_survives_a_restart(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ending()) as stage:
        await flood(stage, 3)
        await stage.run_until(JobState.FAILED, job_id=JOB + 2)
        await flood(stage, 2, first=JOB + 3)
        await flood(stage, 2, first=JOB + 100, guild_id=GUILD + 1)
        await stage.run_until(JobState.FAILED, job_id=JOB + 4)  # a new runner each time
        assert started(stage)[3] == 100


async def test_the_card_counts_places_as_they_will_be_taken(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ending(submit_answers=[NotSentError("no route")])) as stage:
        await flood(stage, 3)
        await flood(stage, 1, first=JOB + 100, guild_id=GUILD + 1)
        for job_id in (*range(JOB, JOB + 3), JOB + 100):
            await stage.run_until(JobState.QUEUED, job_id=job_id)
        places = [await stage.views.ahead_of(await stage.job(job_id)) for job_id in (JOB, JOB + 1, JOB + 2, JOB + 100)]
        assert places == [0, 2, 3, 1]


async def test_a_job_that_waits_says_when_it_is_usually_ready(tmp_path: Path) -> None:
    waiting = ScriptedProvider(capabilities=ONE_PLACE, submit_answers=[NotSentError("wait", retry_after_seconds=500)])
    async with set_stage(tmp_path, provider=waiting) as stage:
        await flood(stage, 1)
        shown = (await stage.run_until_shown(1))[JOB]
        assert shown.state is JobState.QUEUED
        assert shown.ready_from_ms is not None
        assert shown.ready_until_ms is not None
        assert stage.clock.ms - 1_000 < shown.ready_from_ms < shown.ready_until_ms
