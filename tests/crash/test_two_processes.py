"""One process owns a data directory; others may only look."""

import asyncio
import signal
from pathlib import Path

from tests.crash.rig import AT_ONCE, House, stage

REFUSED_SECONDS_MAX = 5.0


async def test_a_second_process_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run()
        asked = here.ask("a fox")
        refusals = await asyncio.gather(
            refused(here, "run"), refused(here, "generate", "an owl", "--provider", "animatic")
        )
        for said in refusals:
            assert len(said.splitlines()) == 1
            assert said.startswith("Another Dailies process uses ")
        await here.once(asked, "a fox")
        listed, verdict = await asyncio.gather(here.json("jobs"), here.json("ledger", "verify"))
        assert [(job["id"], job["state"], job["cost_usd"]) for job in listed] == [(str(asked.id), "DELIVERED", "0.32")]
        assert verdict["ok"]
        assert len(here.provider.submits) == 1
        assert bot.alive
        assert await bot.stop(signal.SIGTERM) == 130


async def refused(here: House, *arguments: str) -> str:
    program = await here.start(*arguments)
    status, output = await program.ended(seconds=REFUSED_SECONDS_MAX)
    assert (status, output) == (4, "")
    return program.words()
