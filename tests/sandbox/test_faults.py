"""The misfortunes a test can plan."""

import asyncio

import aiohttp
import discord
import pytest

from bot.sandbox.limits import RateLimits
from bot.sandbox.refusal import Reason
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.sandbox.rig import QUIET, Bot, Raw, Scene

BODY = {"content": "x", **QUIET}
MESSAGES = r"^/channels/\d+/messages$"


def stored(scene: Scene) -> int:
    return len(scene.world.messages(scene.channel.id))


async def test_a_server_error_strikes_before_or_after_the_effect(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    scene.world.faults.answer("POST", MESSAGES, 503, times=2)
    assert [(await raw("POST", path, BODY)).status for _ in range(3)] == [503, 503, 200]
    assert stored(scene) == 1
    scene.world.faults.answer("POST", MESSAGES, 500, moment="after")
    assert (await raw("POST", path, BODY)).status == 500
    assert stored(scene) == 2


async def test_a_cut_connection_strikes_before_or_after_the_effect(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    scene.world.faults.drop("POST", MESSAGES)
    with pytest.raises(aiohttp.ClientConnectionError):
        await raw("POST", path, BODY)
    assert stored(scene) == 0
    scene.world.faults.drop("POST", MESSAGES, moment="after")
    with pytest.raises(aiohttp.ClientConnectionError):
        await raw("POST", path, BODY)
    assert stored(scene) == 1


async def test_a_planned_429_has_its_via_or_not(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    scene.world.faults.limit("POST", MESSAGES, retry_after_seconds=0.01)
    scene.world.faults.limit("POST", MESSAGES, retry_after_seconds=0.01, via=False, everywhere=True)
    first, second = await raw("POST", path, BODY), await raw("POST", path, BODY)
    assert (first.status, "Via" in first.headers, first.body["global"]) == (429, True, False)
    assert (second.status, "Via" in second.headers, second.body["global"]) == (429, False, True)
    assert stored(scene) == 0


@pytest.mark.usefixtures("pointed")
async def test_the_library_waits_for_a_429_with_via_and_gives_up_without(scene: Scene) -> None:
    async with Bot(intents=discord.Intents.none()) as bot:
        await bot.login(scene.world.token)
        target = bot.get_partial_messageable(scene.channel.id)
        scene.world.faults.limit("POST", MESSAGES, retry_after_seconds=0.01)
        await target.send("x")
        scene.world.faults.limit("POST", MESSAGES, retry_after_seconds=0.01, via=False)
        with pytest.raises(discord.HTTPException) as refusal:
            await target.send("y")
    assert refusal.value.status == 429
    assert stored(scene) == 1


async def test_a_held_call_waits_until_it_is_released(scene: Scene, raw: Raw) -> None:
    hold = scene.world.faults.hold("POST", MESSAGES)
    call = asyncio.create_task(raw("POST", f"/channels/{scene.channel.id}/messages", BODY))
    await asyncio.wait_for(hold.reached.wait(), 5)
    assert stored(scene) == 0
    hold.release()
    assert (await call).status == 200


async def test_more_calls_than_the_bucket_holds_are_refused(scene: Scene, raw: Raw) -> None:
    now = 100.0
    limits = RateLimits(limit=2, window_seconds=5, now_seconds=lambda: now)
    async with Sandbox(world=scene.world, limits=limits) as strict, aiohttp.ClientSession() as session:
        narrow = Raw(session, Scene(**{name: getattr(scene, name) for name in scene.__slots__} | {"sandbox": strict}))
        path = f"/channels/{scene.channel.id}"
        answers = [await narrow("GET", path) for _ in range(3)]
        now += 5
        answers.append(await narrow("GET", path))
    assert [answer.status for answer in answers] == [200, 200, 429, 200]
    assert answers[2].body["retry_after"] == 5
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0", "1"]
    assert (await raw("GET", path)).status == 200


def test_every_reason_has_its_own_code_or_status() -> None:
    assert len({(reason.status, reason.code) for reason in Reason}) == len(Reason)


def test_a_world_starts_empty(scene: Scene) -> None:
    world = World(folder=scene.folder / "other", clock=scene.clock)
    assert world.stored.channels == {}
    assert world.violations == []
