"""One small guild, its sandbox, and the real library pointed at it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.sandbox.clock import ManualClock
from bot.sandbox.schema import PublishedSchema, place_of_schema
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.sandbox.rig import Raw, Scene


@pytest.fixture(scope="session")
def published() -> PublishedSchema:
    return PublishedSchema(place=place_of_schema(os.environ))


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest, published: PublishedSchema) -> AsyncIterator[Scene]:
    clock = ManualClock()
    world = World(folder=tmp_path / "sandbox", clock=clock)
    guild = world.add_guild()
    role = world.add_role(guild, "Editors")
    # Raw requests meet our own rules alone; what the real library sends meets the published schema too.
    schema = published if "pointed" in request.fixturenames else None
    async with Sandbox(world=world, schema=schema) as sandbox:
        yield Scene(
            sandbox=sandbox,
            world=world,
            clock=clock,
            guild=guild,
            channel=world.add_channel(guild),
            ada=world.add_member(guild, "Ada", roles=(role,)),
            grace=world.add_member(guild, "Grace"),
            folder=tmp_path,
        )


@pytest.fixture
async def raw(scene: Scene) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession() as session:
        yield Raw(session, scene)


@pytest.fixture
def pointed(scene: Scene) -> Iterator[None]:
    """Point discord.py at the sandbox; both addresses are plain class attributes."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = scene.sandbox.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(scene.sandbox.gateway_url)
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway
