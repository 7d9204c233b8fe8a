"""SIGKILL of the whole bot in each window of a job's way: the next start gives one submit, one message, one charge.

Discord, the provider and the data directory are the same for all of these tests, and so is a bot that still runs.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.domain.jobs import JobState
from tests.crash.rig import AT_ONCE, SAMPLES, Stage, reached, stage
from tests.standins.unifically import Trouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = r"^/channels/\d+/messages$"
TEN_MINUTES_MS = 600_000
"""Twice what Discord remembers a nonce for, and beyond every deadline here."""
NOBODY = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    settings = {
        "DAILIES_DEFAULT_GUILD_BUDGET_USD": "100",
        "DAILIES_PROVIDERS__UNIFICALLY__DEADLINE_SECONDS": "60",
    }
    async with stage(tmp_path_factory.mktemp("windows"), **settings) as set_up:
        yield set_up


@pytest_asyncio.fixture(loop_scope="module")
async def here(shared: Stage) -> AsyncIterator[Stage]:
    shared.provider.fates.clear()
    shared.provider.fates.append(AT_ONCE)
    yield shared
    shared.check()


async def test_killed_while_references_are_copied(here: Stage) -> None:
    bot = await here.running()
    here.files.close()
    asked = here.ask("@Image1 wakes up", image1=SAMPLES / "cat.jpg")
    await reached(here.files.reached)
    await here.in_state(asked.id, JobState.COLLECTING)
    await bot.kill()
    assert here.submits("@Image1 wakes up") == []
    await here.run()
    await here.once(asked, "@Image1 wakes up")
    assert list((here.data_dir / "incoming").iterdir()) == []


async def test_killed_before_the_submit_left(here: Stage) -> None:
    await here.close()
    bot = await here.run(DAILIES_PROVIDERS__UNIFICALLY__BASE_URL=NOBODY)
    asked = here.ask("a fox knocks")
    await here.until(lambda: _turned_away(here, asked.id))
    await bot.kill()
    assert here.submits("a fox knocks") == []
    await here.run()
    await here.once(asked, "a fox knocks")


async def _turned_away(here: Stage, job_id: int) -> bool | None:
    """Its money is held, an attempt was made, and it is known that nothing left."""
    job = await here.job(job_id)
    return True if job is not None and job.state is JobState.QUEUED and job.attempts else None


async def test_killed_between_the_submit_and_its_answer_is_never_sent_again(here: Stage) -> None:
    bot = await here.running()
    answering = asyncio.Event()
    here.provider.submit_troubles.append(Trouble(until=answering))
    here.provider.reached.clear()
    asked = here.ask("a fox vanishes")
    await reached(here.provider.reached)
    await bot.kill()
    answering.set()
    bot = await here.run()
    doubtful = await here.in_state(asked.id, JobState.UNCERTAIN)
    # Another clip goes its whole way meanwhile: the runner passes by the doubtful one again and again.
    here.provider.fates.append(AT_ONCE)
    other = here.ask("an owl passes by")
    await here.once(other, "an owl passes by")
    assert await here.job(asked.id) == doubtful
    await bot.kill()
    here.let_pass(TEN_MINUTES_MS)
    await here.run()
    job = await here.in_state(asked.id, JobState.ABANDONED)
    assert job.error_code == "submit_lost"
    assert await here.outcome(asked, "a fox vanishes") == (1, 0, [])


async def test_killed_while_the_provider_works(here: Stage) -> None:
    bot = await here.running()
    answering = asyncio.Event()
    here.provider.read_troubles.append(Trouble(until=answering))
    asked = here.ask("a fox works")
    job = await here.in_state(asked.id, JobState.RUNNING)
    await bot.kill()
    assert job.task_id in here.provider.tasks
    answering.set()
    await here.run()
    await here.once(asked, "a fox works")


async def test_killed_while_the_clip_is_fetched(here: Stage) -> None:
    bot = await here.running()
    here.clips.close()
    asked = here.ask("a fox fetches")
    await reached(here.clips.reached)
    await here.in_state(asked.id, JobState.FETCHING)
    await bot.kill()
    # The link of before the kill no longer opens anything: a fresh one is asked for.
    here.provider.expire_links()
    await here.run()
    await here.once(asked, "a fox fetches")
    assert list((here.data_dir / "incoming").iterdir()) == []


async def test_killed_before_the_message_reached_discord(here: Stage) -> None:
    bot = await here.running()
    hold = here.world.faults.hold("POST", MESSAGES)
    asked = here.ask("a fox hesitates")
    await reached(hold.reached)
    await here.in_state(asked.id, JobState.POSTING)
    await bot.kill()
    assert here.messages(asked.id) == []
    await here.run()
    await here.once(asked, "a fox hesitates")
    # What the killed bot had begun to send is let go; nothing more comes of it.
    hold.release()
    assert len(here.messages(asked.id)) == 1


async def test_killed_after_the_message_was_stored_within_the_nonces_memory(here: Stage) -> None:
    bot = await here.running()
    here.on_clip(bot.strike)
    asked = here.ask("a fox leaps")
    await bot.ended()
    await here.in_state(asked.id, JobState.POSTING)
    assert len(here.messages(asked.id)) == 1
    await here.run()
    await here.once(asked, "a fox leaps")


async def test_killed_after_the_message_was_stored_beyond_the_nonces_memory(here: Stage) -> None:
    bot = await here.running()
    here.on_clip(bot.strike)
    asked = here.ask("a fox sleeps")
    await bot.ended()
    here.let_pass(TEN_MINUTES_MS)
    await here.run()
    await here.once(asked, "a fox sleeps")
    job = await here.in_state(asked.id, JobState.DELIVERED)
    assert [one.id for one in here.messages(asked.id)] == [job.message_id]
