"""The real discord.py over real sockets."""

import asyncio
import io
import re
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import discord
import pytest
from discord import app_commands

from bot.sandbox.records import AnswerType
from bot.sandbox.world import World
from tests.sandbox.rig import JOB_NONCE, Bot, Scene, serving

pytestmark = pytest.mark.usefixtures("pointed")


class AgainButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"again:(?P<job>\d+)"):
    def __init__(self, job: int) -> None:
        super().__init__(discord.ui.Button(label="Again", custom_id=f"again:{job}"))
        self.job = job

    @classmethod
    async def from_custom_id(cls, _: discord.Interaction, __: discord.ui.Item[Any], match: re.Match[str]) -> Self:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"Again {self.job}", ephemeral=True)


class StudioForm(discord.ui.Modal, title="Studio"):
    prompt: discord.ui.Label[Any] = discord.ui.Label(
        text="Prompt", component=discord.ui.TextInput(custom_id="prompt", style=discord.TextStyle.paragraph)
    )
    images: discord.ui.Label[Any] = discord.ui.Label(
        text="Images", component=discord.ui.FileUpload(custom_id="images", required=False, min_values=0, max_values=9)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, discord.ui.TextInput)
        assert isinstance(self.images.component, discord.ui.FileUpload)
        names = [attachment.filename for attachment in self.images.component.values]
        await interaction.response.send_message(f"{self.prompt.component.value}: {names}")


def clip() -> discord.File:
    return discord.File(io.BytesIO(b"\0\0\0\x18ftypmp42" + bytes(64)), "clip.mp4", description="a fox")


@app_commands.command(name="generate", description="Make a clip")
@app_commands.describe(prompt="What to see", seconds="How long", image1="A reference")
async def generate(
    interaction: discord.Interaction,
    prompt: app_commands.Range[str, 1, 2000],
    seconds: app_commands.Range[int, 4, 15] = 5,
    image1: discord.Attachment | None = None,
) -> None:
    await interaction.response.defer()
    name = image1.filename if image1 else "nothing"
    await interaction.edit_original_response(content=f"{prompt} {seconds} {name}")
    thread = await (await interaction.original_response()).create_thread(name="A clip")
    target = interaction.client.get_partial_messageable(thread.id)
    view = discord.ui.View(timeout=None)
    view.add_item(AgainButton(interaction.id))
    for _ in range(2):
        await target.send(
            interaction.user.mention,
            file=clip(),
            nonce=JOB_NONCE,
            allowed_mentions=discord.AllowedMentions(users=[interaction.user]),
            view=view,
        )


@app_commands.command(name="roles", description="Say my roles")
async def roles(interaction: discord.Interaction) -> None:
    assert isinstance(interaction.user, discord.Member)
    held = sorted(interaction.user._roles)  # noqa: SLF001 - without the guilds intent `roles` is empty
    await interaction.response.send_message(f"{held}", ephemeral=True)


@app_commands.command(name="studio", description="Everything in one form")
async def studio(interaction: discord.Interaction) -> None:
    await interaction.response.send_modal(StudioForm(custom_id="studio:1"))


@app_commands.command(name="pick", description="Pick a clip")
@app_commands.describe(clip_name="Which one")
async def pick(interaction: discord.Interaction, clip_name: str) -> None:
    await interaction.response.send_message(clip_name)


@pick.autocomplete("clip_name")
async def clip_names(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{current} one", value="one")]


@app_commands.context_menu(name="Use as reference")
async def use_as_reference(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"{message.content} {len(message.attachments)}")


COMMANDS: tuple[Any, ...] = (generate, roles, studio, pick, use_as_reference)


def running(scene: Scene, *, intents: discord.Intents | None = None) -> AbstractAsyncContextManager[Bot]:
    return serving(scene, *COMMANDS, items=(AgainButton,), intents=intents)


class ShardedBot(discord.AutoShardedClient):
    """As the house runs it: shards counted by Discord, no intents."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.05,
        )
        self.tree = app_commands.CommandTree(self)


async def test_an_auto_sharded_client_is_served(scene: Scene) -> None:
    async with ShardedBot() as bot:
        await bot.login(scene.world.token)
        bot.tree.add_command(roles)
        await bot.tree.sync(guild=None)
        assert [command.name for command in await bot.tree.fetch_commands()] == ["roles"]
        task = asyncio.create_task(bot.connect())
        await scene.sandbox.gateway.ready()
        assert await scene.client.slash(scene.channel.id, "roles").acknowledged() is AnswerType.MESSAGE
        fetched = await bot.fetch_guild(scene.guild.id)
        assert fetched.premium_tier == 0
        await bot.close()
        await task


async def requests_to(world: World, path: str, count: int) -> None:
    await world.changes.until(
        lambda: True if len([r for r in world.requests if r.path == path]) >= count else None, seconds=5
    )


async def test_a_command_becomes_a_thread_with_one_clip(scene: Scene) -> None:
    async with running(scene):
        shown = scene.client.slash(
            scene.channel.id, "generate", options={"prompt": "a fox"}, files={"image1": scene.file("fox.png")}
        )
        assert await shown.acknowledged() is AnswerType.DEFERRED_MESSAGE
        status = await shown.response()
        posted = await scene.world.wait_for(status.id, lambda message: bool(message.attachments))
        await requests_to(scene.world, f"/channels/{status.id}/messages", 2)

    assert status.content == "a fox 5 fox.png"
    assert scene.world.messages(status.id) == [posted]
    assert posted.attachments[0].description == "a fox"
    assert posted.pings.users == {scene.ada.id}
    assert status.pings.users == set()
    assert scene.world.violations == []


async def test_roles_arrive_in_the_payload_without_any_intent(scene: Scene) -> None:
    async with running(scene):
        answered = await scene.client.slash(scene.channel.id, "roles").response()

    assert answered.content == f"{scene.ada.role_ids}"
    assert scene.sandbox.client(scene.grace).messages(scene.channel.id) == []
    assert scene.client.messages(scene.channel.id) == [answered]


async def test_a_button_of_a_stored_message_is_answered(scene: Scene) -> None:
    async with running(scene):
        status = await scene.client.slash(scene.channel.id, "generate", options={"prompt": "a fox"}).response()
        posted = await scene.world.wait_for(status.id, lambda message: bool(message.components))
        button: str = posted.components[0]["components"][0]["custom_id"]
        answered = await scene.client.click(posted, button).response()

    assert answered.content == f"Again {button.partition(':')[2]}"
    assert answered.ephemeral


async def test_a_form_carries_text_and_files(scene: Scene) -> None:
    async with running(scene):
        opened = scene.client.slash(scene.channel.id, "studio")
        assert (await opened.modal())["title"] == "Studio"
        files = [scene.file("one.png"), scene.file("two.png")]
        answered = await scene.client.submit(opened, {"prompt": "a fox", "images": files}).response()

    assert answered.content == "a fox: ['one.png', 'two.png']"


async def test_autocomplete_suggests_and_the_menu_sees_the_whole_message(scene: Scene) -> None:
    async with running(scene):
        typed = scene.client.autocomplete(scene.channel.id, "pick", focused="clip_name", options={"clip_name": "fo"})
        assert await typed.choices() == [{"name": "fo one", "value": "one"}]
        said = scene.client.say(scene.channel.id, "look", files=[scene.file("fox.png")])
        answered = await scene.client.message_command(said, "Use as reference").response()

    assert answered.content == "look 1"


@pytest.mark.parametrize("end", ["reconnect", "drop", "invalid, resumable"])
async def test_an_interaction_during_a_broken_connection_arrives_after_resuming(scene: Scene, end: str) -> None:
    async with running(scene):
        gateway = scene.sandbox.gateway
        match end:
            case "reconnect":
                gateway.ask_to_reconnect()
            case "drop":
                gateway.drop()
            case _:
                gateway.invalidate(resumable=True)
        shown = scene.client.slash(scene.channel.id, "roles")
        assert await shown.acknowledged(seconds=10) is AnswerType.MESSAGE
        await scene.world.changes.until(lambda: gateway.resumed or None, seconds=10)

    assert (gateway.identified, gateway.resumed) == (1, 1)


async def test_a_bad_token_is_refused_at_login() -> None:
    async with Bot(intents=discord.Intents.none()) as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.login("wrong")
        await bot.http.close()


async def test_a_bad_token_is_refused_at_the_gateway(scene: Scene) -> None:
    async with Bot(intents=discord.Intents.none()) as bot:
        await bot.login(scene.world.token)
        bot.http.token = "wrong"
        with pytest.raises(discord.ConnectionClosed) as closed:
            await bot.connect()
    assert closed.value.code == 4004


async def test_guilds_and_messages_come_only_with_their_intents(scene: Scene) -> None:
    heard: list[discord.Message] = []
    async with running(scene, intents=discord.Intents(guilds=True, guild_messages=True)) as bot:
        await bot.wait_until_ready()
        guild = bot.get_guild(scene.guild.id)
        assert guild is not None
        assert [channel.name for channel in guild.text_channels] == ["studio"]
        said = scene.client.say(scene.channel.id, "a secret")
        heard.append(await bot.wait_for("message", timeout=5))

    assert heard[0].id == said.id
    assert heard[0].content == ""


async def test_the_library_reads_a_message_back_from_the_file_server(scene: Scene) -> None:
    async with running(scene) as bot:
        target = bot.get_partial_messageable(scene.channel.id)
        sent = await target.send(file=clip(), nonce=JOB_NONCE)
        assert len(await sent.attachments[0].read()) == 76
        scene.clock.advance(seconds=25 * 3600)
        with pytest.raises(discord.NotFound):
            await sent.attachments[0].read()
        fresh = await target.fetch_message(sent.id)
        assert len(await fresh.attachments[0].read()) == 76
        assert [message.id async for message in target.history(limit=5)] == [sent.id]
