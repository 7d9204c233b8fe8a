"""The turnstile of an account: submits first, and nobody stuck behind a rank that changes.

Its pace is the bucket's, which tests/domain/test_pacing.py holds by a clock of its own.
"""

import asyncio
from itertools import count

from bot.domain.pacing import Bucket
from bot.services.accounts import Turnstile

SECONDS_MAX = 10.0


async def test_everybody_gets_a_turn_though_ranks_change_at_every_look() -> None:
    turnstile, looks, served = Turnstile(Bucket(requests_per_second=500)), count(), list[int]()

    async def take(number: int) -> None:
        await turnstile.turn(lambda: (next(looks) * 7 + number) % 60)
        served.append(number)

    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(take(number))
    assert sorted(served) == list(range(60))


async def test_a_submit_goes_before_polls_and_the_most_urgent_poll_before_others() -> None:
    turnstile, order = Turnstile(Bucket(requests_per_second=5)), list[str]()

    async def take(name: str, urgency: float | None) -> None:
        await turnstile.turn(None if urgency is None else lambda: urgency)
        order.append(name)

    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        await turnstile.turn(None)
        for name, urgency in (("idle", 0.1), ("late", 9.0), ("second", None), ("third", None)):
            group.create_task(take(name, urgency))
    assert order == ["second", "third", "late", "idle"]


async def test_whoever_gives_up_leaves_the_turn_to_the_others() -> None:
    turnstile = Turnstile(Bucket(requests_per_second=5))
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        await turnstile.turn(None)
        gone = group.create_task(turnstile.turn(None))
        kept = group.create_task(turnstile.turn(lambda: 1.0))
        await asyncio.sleep(0)
        gone.cancel()
    assert (gone.cancelled(), kept.done()) == (True, True)
