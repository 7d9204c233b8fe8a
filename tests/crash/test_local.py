"""Kills and signals while a clip is rendered on this machine, for Discord and for the command line."""

import signal
from pathlib import Path

import av
import pytest

from bot.domain.jobs import FileTarget, JobState
from tests.crash.rig import House, Program, alive, descendants, house, stage

SMALL = ("--duration", "4", "--resolution", "480p")


async def test_killed_in_mid_render_leaves_no_child_and_delivers_once(tmp_path: Path) -> None:
    async with stage(tmp_path, DAILIES_PROVIDER_ORDER="animatic") as here:
        bot = await here.run()
        asked = here.ask("a fox", resolution="480p")
        await rendering(here)
        children = descendants(bot.process.pid)
        assert children
        await bot.kill()
        await here.until(lambda: _gone(children), seconds=5)
        await here.run()
        job = await here.in_state(asked.id, JobState.DELIVERED)
        assert job.attempts == 1
        assert await here.outcome(asked, "a fox") == (0, 1, [0])
        assert sorted(path.suffix for path in (here.data_dir / "animatic").iterdir()) == [".json"]


@pytest.mark.parametrize("signals", [(signal.SIGKILL,), (signal.SIGINT, signal.SIGTERM)])
async def test_interrupted_generate_jobs_are_finished_by_the_next_one(
    tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    statuses = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 130}
    async with house(tmp_path) as here:
        for number in signals:
            program = await here.start("generate", f"a fox and {number.name}", *SMALL, "--out", f"{number.name}.mp4")
            await under_way(here, program)
            children = descendants(program.process.pid)
            assert await program.stop(number) == statuses[number], program.words()
            await here.until(lambda children=children: _gone(children), seconds=5)  # type: ignore[misc] # bound now, not later
        last = await here.json("generate", "an owl", *SMALL, "--out", "last.mp4")
        assert last["state"] == "DELIVERED"
        listed = await here.json("jobs")
        assert [job["state"] for job in listed] == ["DELIVERED"] * (len(signals) + 1)
        for job in await here.jobs():
            assert isinstance(job.target, FileTarget)
            assert seconds_of(Path(job.target.path)) == pytest.approx(4, abs=0.1)
            assert (job.attempts, await here.charges(job.id)) == (1, [0])
        assert list(tmp_path.glob("*.part")) == []


async def test_a_killed_generate_is_finished_by_run(tmp_path: Path) -> None:
    async with stage(tmp_path, DAILIES_PROVIDER_ORDER="animatic") as here:
        program = await here.start("generate", "a fox", *SMALL, "--out", "fox.mp4")
        await rendering(here)
        await program.kill()
        bot = await here.run()
        [job] = await here.jobs()
        await here.in_state(job.id, JobState.DELIVERED)
        assert seconds_of(tmp_path / "fox.mp4") == pytest.approx(4, abs=0.1)
        assert await bot.stop(signal.SIGINT) == 130


@pytest.mark.xfail(reason="the library under the command line ends on Ctrl-C by itself, without a word", strict=True)
async def test_an_interrupted_command_says_that_its_work_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        program = await here.start("generate", "a fox", *SMALL)
        await under_way(here, program)
        status = await program.stop(signal.SIGINT)
        await here.json("generate", "an owl", *SMALL)
        assert (status, "continues at the next start" in program.words()) == (130, True)


async def rendering(here: House) -> None:
    """A child has begun to write a clip."""

    async def probe() -> bool | None:
        return True if list((here.data_dir / "animatic").glob("*.mp4.part")) else None

    await here.until(probe)


async def under_way(here: House, program: Program) -> None:
    """Its own job is written down, and some clip is rendered."""

    async def probe() -> bool | None:
        assert program.alive, program.words()
        return True if " In the queue" in program.words() else None

    await here.until(probe)
    await rendering(here)


async def _gone(processes: set[tuple[int, str]]) -> bool | None:
    return None if alive(processes) else True


def seconds_of(path: Path) -> float:
    """How long the clip plays, every frame decoded."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return float(frames / rate)
