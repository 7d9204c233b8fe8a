"""Kills and signals while a clip is rendered on this machine, for Discord and for the command line."""

import signal
from pathlib import Path

import av
import pytest

from bot.domain.jobs import FileTarget, JobState
from tests.crash.rig import SECONDS_MAX, House, Program, alive, descendants, house, stage

SMALL = ("--duration", "4", "--resolution", "480p")


async def test_clips_killed_in_mid_render_leave_no_child_and_are_delivered_once(tmp_path: Path) -> None:
    """The first for the command line, the second for Discord; `run` finishes both."""
    async with stage(tmp_path, DAILIES_PROVIDER_ORDER="animatic") as here:
        program = await here.start("generate", "a fox", *SMALL, "--out", "fox.mp4")
        await rendering(here, program)
        await killed_with_children(here, program)
        [first] = await here.jobs()
        bot = await here.run()
        await here.in_state(first.id, JobState.DELIVERED)
        asked = here.ask("an owl", resolution="480p")
        await asked.acknowledged(seconds=SECONDS_MAX)
        await rendering(here, bot)
        await killed_with_children(here, bot)
        bot = await here.run()
        second = await here.in_state(asked.id, JobState.DELIVERED)
        assert await here.outcome(asked, "an owl") == (0, 1, [0])
        assert (first.attempts, second.attempts) == (1, 1)
        assert seconds_of(tmp_path / "fox.mp4") == pytest.approx(4, abs=0.1)
        assert {path.suffix for path in (here.data_dir / "animatic").iterdir()} == {".json"}
        assert await bot.stop(signal.SIGINT) == 130


async def test_interrupted_generate_jobs_are_finished_by_the_next_one(tmp_path: Path) -> None:
    statuses = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 130}
    async with house(tmp_path) as here:
        for number, status in statuses.items():
            program = await here.start("generate", f"a fox and {number.name}", *SMALL, "--out", f"{number.name}.mp4")
            await under_way(here, program)
            assert await program.stop(number) == status, program.words()
            assert ("continues at the next start" in program.words()) == (status == 130)
        last = await here.json("generate", "an owl", *SMALL, "--out", "last.mp4")
        assert last["state"] == "DELIVERED"
        listed = await here.json("jobs")
        assert [job["state"] for job in listed] == ["DELIVERED"] * 4
        for job in await here.jobs():
            assert isinstance(job.target, FileTarget)
            assert seconds_of(Path(job.target.path)) == pytest.approx(4, abs=0.1)
            assert (job.attempts, await here.charges(job.id)) == (1, [0])
        assert list(tmp_path.glob("*.part")) == []


async def killed_with_children(here: House, program: Program) -> None:
    children = descendants(program.process.pid)
    assert children
    await program.kill()

    async def gone() -> bool | None:
        return None if alive(children) else True

    await here.until(gone, seconds=5)


async def rendering(here: House, program: Program) -> None:
    """A child has begun to write a clip."""

    async def probe() -> bool | None:
        assert program.alive, program.words()
        return True if list((here.data_dir / "animatic").glob("*.mp4.part")) else None

    await here.until(probe)


async def under_way(here: House, program: Program) -> None:
    """Its own job is written down, and some clip is rendered."""

    async def probe() -> bool | None:
        assert program.alive, program.words()
        return True if " In the queue" in program.words() else None

    await here.until(probe)
    await rendering(here, program)


def seconds_of(path: Path) -> float:
    """How long the clip plays, every frame decoded."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return float(frames / rate)
