"""SIGKILL of the whole bot in each window of a job's way: the next start gives one submit, one message, one charge."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.jobs import JobState
from tests.crash.rig import AT_ONCE, SAMPLES, Stage, stage
from tests.standins.unifically import Trouble

MESSAGES = r"^/channels/\d+/messages$"
TEN_MINUTES_MS = 600_000
"""Twice what Discord remembers a nonce for."""
NOBODY = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""


async def test_killed_while_references_are_copied(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run()
        here.files.closed = True
        asked = here.ask("@Image1 wakes up", image1=SAMPLES / "cat.jpg")
        await here.files.reached.wait()
        await here.in_state(asked.id, JobState.COLLECTING)
        await bot.kill()
        assert here.provider.submits == []
        await here.run()
        await here.once(asked, "@Image1 wakes up")
        assert list((here.data_dir / "incoming").iterdir()) == []


async def test_killed_before_the_submit_left(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run(DAILIES_PROVIDERS__UNIFICALLY__BASE_URL=NOBODY)
        asked = here.ask("a fox")
        await here.until(lambda: _refused_once(here, asked.id))
        await bot.kill()
        assert here.provider.submits == []
        await here.run()
        await here.once(asked, "a fox")


async def _refused_once(here: Stage, job_id: int) -> bool | None:
    """Its money is held, an attempt was made, and it is known that nothing left."""
    job = await here.job(job_id)
    return True if job is not None and job.state is JobState.QUEUED and job.attempts else None


async def test_killed_while_the_provider_works(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        here.provider.read_troubles.append(Trouble(holds=True))
        bot = await here.run()
        asked = here.ask("a fox")
        job = await here.in_state(asked.id, JobState.RUNNING)
        await bot.kill()
        assert job.task_id in here.provider.tasks
        here.provider.release()
        await here.run()
        await here.once(asked, "a fox")


async def test_killed_between_the_submit_and_its_answer_is_never_sent_again(tmp_path: Path) -> None:
    async with stage(tmp_path, DAILIES_PROVIDERS__UNIFICALLY__DEADLINE_SECONDS="10") as here:
        here.provider.submit_troubles.append(Trouble(holds=True))
        bot = await here.run()
        asked = here.ask("a fox")
        await here.provider.reached.wait()
        await bot.kill()
        here.provider.release()
        await here.run()
        job = await here.in_state(asked.id, JobState.UNCERTAIN)
        # Another clip goes its whole way meanwhile: the runner passes by the doubtful one again and again.
        here.provider.fates.append(AT_ONCE)
        other = here.ask("an owl")
        await here.once(other, "an owl")
        assert (await here.in_state(asked.id, JobState.UNCERTAIN)).fence == job.fence
        job = await here.in_state(asked.id, JobState.ABANDONED)
        assert job.error_code == "submit_lost"
        assert await here.outcome(asked, "a fox") == (1, 0, [])


async def test_killed_while_the_clip_is_fetched(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        here.clips.closed = True
        bot = await here.run()
        asked = here.ask("a fox")
        await here.clips.reached.wait()
        await here.in_state(asked.id, JobState.FETCHING)
        await bot.kill()
        # The link of before the kill no longer opens anything: a fresh one is asked for.
        here.provider.expire_links()
        await here.run()
        await here.once(asked, "a fox")
        assert list((here.data_dir / "incoming").iterdir()) == []


async def test_killed_before_the_message_reached_discord(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        hold = here.world.faults.hold("POST", MESSAGES)
        bot = await here.run()
        asked = here.ask("a fox")
        await hold.reached.wait()
        await here.in_state(asked.id, JobState.POSTING)
        await bot.kill()
        assert here.messages(asked.id) == []
        await here.run()
        await here.once(asked, "a fox")
        # What the killed bot had begun to send is let go; nothing more comes of it.
        hold.release()
        assert len(here.messages(asked.id)) == 1


async def test_killed_after_the_message_was_stored_within_the_nonces_memory(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run()
        here.on_clip(bot.strike)
        asked = here.ask("a fox")
        await bot.ended()
        await here.in_state(asked.id, JobState.POSTING)
        assert len(here.messages(asked.id)) == 1
        await here.run()
        await here.once(asked, "a fox")


async def test_killed_after_the_message_was_stored_beyond_the_nonces_memory(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run()
        here.on_clip(bot.strike)
        asked = here.ask("a fox")
        await bot.ended()
        _let_ten_minutes_pass(here)
        await here.run()
        await here.once(asked, "a fox")
        job = await here.in_state(asked.id, JobState.DELIVERED)
        assert [one.id for one in here.messages(asked.id)] == [job.message_id]


def _let_ten_minutes_pass(here: Stage) -> None:
    """While nobody runs: Discord's clock goes on, and the job's stamps lie further back."""
    here.clock.ahead_ms += TEN_MINUTES_MS
    with closing(sqlite3.connect(here.data_dir / "dailies.db")) as connection, connection:
        connection.execute("UPDATE job SET due_ms = due_ms - ?1, since_ms = since_ms - ?1", (TEN_MINUTES_MS,))
