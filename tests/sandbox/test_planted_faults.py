"""Six faults planted in a bot of the real library; the sandbox catches each and keeps its state."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO

import discord
import pytest
from discord import app_commands

from bot.sandbox.refusal import Rule
from tests.sandbox.rig import JOB_NONCE, Bot, Scene

pytestmark = pytest.mark.usefixtures("pointed")

Body = Callable[[discord.Interaction], Awaitable[None]]


@asynccontextmanager
async def bot_that(scene: Scene, body: Body, *, careful: bool = True) -> AsyncIterator[list[discord.HTTPException]]:
    """Run a bot whose one command does this; its refusals are handed to the test."""
    bot = Bot(intents=discord.Intents.none(), careful=careful)
    refusals: list[discord.HTTPException] = []

    @bot.tree.command(name="generate", description="Make a clip")
    async def generate(interaction: discord.Interaction) -> None:
        await body(interaction)

    @bot.tree.error
    async def keep(_: discord.Interaction, error: app_commands.AppCommandError) -> None:
        assert isinstance(error.__cause__, discord.HTTPException)
        refusals.append(error.__cause__)
        scene.world.changes.announce()

    async with bot:
        await bot.login(scene.world.token)
        await bot.tree.sync()
        task = asyncio.create_task(bot.connect())
        await scene.sandbox.gateway.ready()
        scene.client.slash(scene.channel.id, "generate")
        await scene.world.changes.until(lambda: refusals or None, seconds=5)
        yield refusals
        await bot.close()
        await task


def caught(scene: Scene, refusals: list[discord.HTTPException], rule: Rule, status: int, code: int) -> None:
    assert [(refusal.status, refusal.code) for refusal in refusals] == [(status, code)]
    assert [violation.rule for violation in scene.world.violations] == [rule]


async def test_a_late_acknowledgement_is_caught(scene: Scene) -> None:
    async def late(interaction: discord.Interaction) -> None:
        scene.clock.advance(seconds=3.001)
        await interaction.response.defer()

    async with bot_that(scene, late) as refusals:
        caught(scene, refusals, Rule.LATE_ACKNOWLEDGEMENT, 404, 10062)
    assert scene.world.messages(scene.channel.id) == []


async def test_the_last_moment_is_in_time(scene: Scene) -> None:
    async def last_moment(interaction: discord.Interaction) -> None:
        scene.clock.advance(seconds=3)
        await interaction.response.defer()
        scene.clock.advance(seconds=15 * 60 - 3)
        await interaction.edit_original_response(content="done")
        scene.clock.advance(seconds=0.001)
        await interaction.edit_original_response(content="too late")

    async with bot_that(scene, last_moment) as refusals:
        caught(scene, refusals, Rule.DEAD_TOKEN, 401, 50027)
    assert [message.content for message in scene.world.messages(scene.channel.id)] == ["done"]


async def test_a_double_acknowledgement_is_caught(scene: Scene) -> None:
    async def double(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        twin = discord.Interaction(data=scene.twin(interaction.id), state=interaction._state)  # noqa: SLF001 - a second session
        await twin.response.send_message("again")

    async with bot_that(scene, double) as refusals:
        caught(scene, refusals, Rule.DOUBLE_ACKNOWLEDGEMENT, 400, 40060)
    assert len(scene.world.messages(scene.channel.id)) == 1


async def test_a_random_nonce_is_caught(scene: Scene) -> None:
    async def random_nonce(interaction: discord.Interaction) -> None:
        target = interaction.client.get_partial_messageable(scene.channel.id)
        await target.send(file=discord.File(BytesIO(b"clip"), "clip.mp4"))

    async with bot_that(scene, random_nonce) as refusals:
        caught(scene, refusals, Rule.RANDOM_NONCE, 400, 50035)
    assert scene.world.messages(scene.channel.id) == []


async def test_missing_allowed_mentions_are_caught(scene: Scene) -> None:
    async def loud(interaction: discord.Interaction) -> None:
        target = interaction.client.get_partial_messageable(scene.channel.id)
        await target.send("@everyone look")

    async with bot_that(scene, loud, careful=False) as refusals:
        caught(scene, refusals, Rule.MISSING_ALLOWED_MENTIONS, 400, 50035)
    assert scene.world.messages(scene.channel.id) == []


async def test_an_edit_without_allowed_mentions_is_caught(scene: Scene) -> None:
    async def loud_edit(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="@everyone look")

    async with bot_that(scene, loud_edit, careful=False) as refusals:
        caught(scene, refusals, Rule.MISSING_ALLOWED_MENTIONS, 400, 50035)
    assert [message.loading for message in scene.world.messages(scene.channel.id)] == [True]


async def test_posting_by_a_dead_token_is_caught(scene: Scene) -> None:
    async def slow(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        scene.clock.advance(seconds=15 * 60 + 1)
        await interaction.followup.send("the clip")

    async with bot_that(scene, slow) as refusals:
        caught(scene, refusals, Rule.DEAD_TOKEN, 401, 50027)
    assert [message.loading for message in scene.world.messages(scene.channel.id)] == [True]


async def test_an_oversize_file_is_caught(scene: Scene) -> None:
    async def heavy(interaction: discord.Interaction) -> None:
        target = interaction.client.get_partial_messageable(scene.channel.id)
        path = scene.file(size=10 * 1024 * 1024 + 1)
        await target.send(file=discord.File(path, "clip.mp4"), nonce=JOB_NONCE)

    async with bot_that(scene, heavy) as refusals:
        caught(scene, refusals, Rule.OVERSIZE_FILE, 413, 40005)
    assert scene.world.messages(scene.channel.id) == []
    assert list((scene.world.folder / "incoming").iterdir()) == []
