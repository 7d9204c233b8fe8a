"""Kills at random moments, with Discord and the provider at their worst, and then every job's account.

`CRASH_SEED` repeats a run's choices, `CRASH_KILLS` makes it longer.
"""

import os
import random
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.domain.jobs import Job, JobState
from bot.sandbox.client import Invocation
from tests.crash.rig import AT_ONCE, CHARGE_MICROS, Program, Stage, moment, stage
from tests.standins.unifically import Fate, Trouble, html, moderated, rate_limited

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
SEED = int(os.environ.get("CRASH_SEED", secrets.randbelow(1_000_000)))
LIFE_SECONDS_MAX = 1.0
AN_HOUR_MS = 3_600_000
DRAIN_SECONDS_MAX = 60.0 + KILLS
MESSAGES = r"^/channels/\d+/messages$"
SETTINGS = {
    "DAILIES_DEFAULT_GUILD_BUDGET_USD": "100000",
    "DAILIES_OPERATOR_DAY_CAP_USD": "100000",
    "DAILIES_PROVIDERS__UNIFICALLY__MAX_CONCURRENT": "100",
    "DAILIES_PROVIDERS__UNIFICALLY__REQUESTS_PER_SECOND": "100",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    prompt: str
    invocation: Invocation


async def test_random_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS}")  # noqa: T201 -- pytest shows it when the test fails
    chance = random.Random(SEED)  # noqa: S311 -- when to kill, not a secret
    async with stage(tmp_path, **SETTINGS) as here:
        asked: list[Asked] = []
        known: set[int] = set()
        for number in range(KILLS):
            if chance.random() < 0.1:
                bot = await here.start("run")
                await moment(chance.uniform(0, LIFE_SECONDS_MAX))
            else:
                bot = await here.run()
                asked.append(ask(here, chance, f"take {number}"))
                await kill_time(here, bot, chance)
            await bot.kill()
            rows = {job.id for job in await here.jobs()}
            assert known <= rows
            known = rows
        asked.append(await drain(here))
        ends = [await account(here, one) for one in asked]
        print({state: ends.count(state) for state in set(ends)})  # noqa: T201 -- as above
        assert ends[-1] is JobState.DELIVERED


def ask(here: Stage, chance: random.Random, prompt: str) -> Asked:
    """One more clip, perhaps with something going wrong on its way."""
    fates = [AT_ONCE, AT_ONCE, Fate(statuses=("processing", "completed")), moderated()]
    here.provider.fates.append(chance.choice(fates))
    if chance.random() < 0.3:
        lost = [Trouble(drops=True, creates=True), html(502, creates=True)]
        here.provider.submit_troubles.append(chance.choice([*lost, rate_limited("1")]))
    if chance.random() < 0.2:
        here.world.faults.drop("POST", MESSAGES, moment=chance.choice(["before", "after"]))
    return Asked(prompt=prompt, invocation=here.ask(prompt))


async def kill_time(here: Stage, bot: Program, chance: random.Random) -> None:
    """Return when the bot shall die: at a submit, at a message, between two requests, or at any time."""
    match chance.choice(["submit", "message", "request", "time"]):
        case "submit":
            here.provider.reached.clear()
            await moment(LIFE_SECONDS_MAX, here.provider.reached)
            await moment(chance.uniform(0, 0.02))
        case "message":
            here.on_clip(bot.strike)
            with suppress(TimeoutError):
                await bot.ended(seconds=LIFE_SECONDS_MAX)
        case "request":
            count = len(here.world.requests) + chance.randint(1, 8)
            with suppress(TimeoutError):
                await here.world.changes.until(
                    lambda: True if len(here.world.requests) >= count else None, seconds=LIFE_SECONDS_MAX
                )
        case _:
            await moment(chance.uniform(0, LIFE_SECONDS_MAX))


async def drain(here: Stage) -> Asked:
    """Two quiet starts: in the first everything ends but what is in doubt, in the second that is given up too.

    One more clip is asked for in the first: after all that was done to it the bot must still deliver.
    """
    here.provider.submit_troubles.clear()
    here.provider.fates.clear()
    bot = await here.run()
    last = Asked(prompt="the last take", invocation=here.ask("the last take"))
    await here.in_state(last.invocation.id, JobState.DELIVERED)
    await here.until(lambda: left(here, {JobState.UNCERTAIN}), seconds=DRAIN_SECONDS_MAX)
    await bot.kill()
    here.let_pass(AN_HOUR_MS)
    await here.run()
    await here.until(lambda: left(here, set()), seconds=DRAIN_SECONDS_MAX)
    return last


async def left(here: Stage, allowed: set[JobState]) -> bool | None:
    assert here.programs[-1].alive, here.programs[-1].words()
    return None if any(job.is_open and job.state not in allowed for job in await here.jobs()) else True


async def account(here: Stage, asked: Asked) -> JobState | None:
    """What came of one wish, with every promise checked; None when the bot died before it was written down."""
    submits, messages, charges = await here.outcome(asked.invocation, asked.prompt)
    turned_away = sum(one.refused is not None for one in here.submits(asked.prompt))
    job: Job | None = await here.job(asked.invocation.id)
    if job is None:
        assert (submits, messages, charges) == (0, 0, [])
        return None
    assert job.state in {JobState.DELIVERED, JobState.FAILED, JobState.ABANDONED}, asked.prompt
    assert submits - turned_away <= 1, asked.prompt
    delivered = job.state is JobState.DELIVERED
    assert (messages, charges) == ((1, [CHARGE_MICROS]) if delivered else (0, [])), asked.prompt
    assert submits - turned_away == 1 or not delivered, asked.prompt
    return job.state
