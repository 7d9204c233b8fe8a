"""An admin's command group in the real discord.py: shown, hidden, re-granted, forced."""

from typing import Any

import discord
import pytest
from discord import app_commands

from bot.sandbox.client import Invocation
from bot.sandbox.options import ClientRefusalError
from bot.sandbox.records import Member, Permission
from tests.sandbox.rig import Scene, serving

pytestmark = pytest.mark.usefixtures("pointed")


class Quota(app_commands.Group):
    """A group as a cog declares it, which checks again what its default permissions say."""

    def __init__(self) -> None:
        super().__init__(name="quota", description="Limits", default_permissions=discord.Permissions(manage_guild=True))

    async def interaction_check(self, interaction: discord.Interaction) -> bool:
        if not interaction.permissions.manage_guild:
            await interaction.response.send_message("You need Manage Server.", ephemeral=True)
            return False
        return True

    @app_commands.command(name="set", description="Set a limit")
    @app_commands.describe(role="Whose", dollars="How much", pool="Which", hard="Whether it binds")
    async def set_limit(
        self,
        interaction: discord.Interaction,
        role: discord.Role,
        dollars: app_commands.Range[float, 0, 100],
        pool: int = 1,
        hard: bool = True,  # noqa: FBT001, FBT002 - an option of a command
    ) -> None:
        await interaction.response.send_message(f"{role.name} {dollars} {pool} {hard}")

    @set_limit.autocomplete("pool")
    async def pools(self, interaction: discord.Interaction, current: str) -> list[app_commands.Choice[int]]:
        role: Any = interaction.namespace.role
        return [app_commands.Choice(name=f"{current} {type(role).__name__} {role.id}", value=7)]


@app_commands.command(name="whois", description="Who and where")
async def whois(
    interaction: discord.Interaction,
    user: discord.User,
    channel: app_commands.AppCommandThread | None = None,
) -> None:
    place = channel.name if channel else "nowhere"
    await interaction.response.send_message(f"{type(user).__name__} {user.display_name} {place}")


def admin_of(scene: Scene) -> Member:
    role = scene.world.add_role(scene.guild, "Admins", permissions=Permission.MANAGE_GUILD)
    return scene.world.add_member(scene.guild, "Director", roles=(role,))


def set_limit(scene: Scene, member: Member, *, force: bool = False, **options: Any) -> Invocation:
    values = {"role": scene.guild.id, "dollars": 2.5} | options
    return scene.sandbox.client(member).slash(scene.channel.id, "quota set", options=values, force=force)


async def test_an_admin_sets_with_every_kind_of_option(scene: Scene) -> None:
    async with serving(scene, Quota()):
        answered = await set_limit(scene, admin_of(scene), pool=7, hard=False).response()
    assert answered.content == "@everyone 2.5 7 False"


async def test_a_group_is_hidden_from_members_and_strangers(scene: Scene) -> None:
    stranger = scene.world.add_member(scene.world.add_guild("Another"), "Lin")
    async with serving(scene, Quota()):
        for member in (scene.ada, stranger):
            with pytest.raises(ClientRefusalError):
                set_limit(scene, member)


async def test_the_code_checks_again_what_a_forced_or_regranted_command_brings(scene: Scene) -> None:
    everyone = scene.guild.roles[scene.guild.id]
    async with serving(scene, Quota()):
        forced = await set_limit(scene, scene.ada, force=True).response()
        scene.world.override_command(scene.guild, "quota", everyone, allow=True)
        regranted = await set_limit(scene, scene.grace).response()
    for answered, member in ((forced, scene.ada), (regranted, scene.grace)):
        assert answered.content == "You need Manage Server."
        assert answered.visible_to == member.id


async def test_autocomplete_inside_a_group_sees_bare_ids(scene: Scene) -> None:
    admin = admin_of(scene)
    async with serving(scene, Quota()):
        typed = scene.sandbox.client(admin).autocomplete(
            scene.channel.id, "quota set", focused="pool", options={"role": scene.guild.id, "pool": "mon"}
        )
        assert await typed.choices() == [{"name": f"mon Object {scene.guild.id}", "value": 7}]
        with pytest.raises(ClientRefusalError):
            scene.client.autocomplete(scene.channel.id, "quota set", focused="pool")


async def test_a_user_who_left_arrives_as_a_user_and_not_as_a_member(scene: Scene) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    async with serving(scene, whois):
        options = {"user": scene.grace.id, "channel": thread.id}
        here = await scene.client.slash(scene.channel.id, "whois", options=options).response()
        scene.world.remove_member(scene.guild, scene.grace)
        left = await scene.client.slash(
            scene.channel.id, "whois", options={"user": scene.grace.id}, force=True
        ).response()
    assert (here.content, left.content) == ("Member Grace A clip", "User Grace nowhere")


async def test_a_report_comes_as_picture_and_table(scene: Scene) -> None:
    """Several files in an answer and in a follow-up; the picture inside the embed is linked there."""

    @app_commands.command(name="report", description="Spending")
    async def report(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        paths = [scene.file("report.png"), scene.file("report.csv")]
        embed = discord.Embed(title="Spending").set_image(url="attachment://report.png")
        sent = await interaction.followup.send(embed=embed, files=[discord.File(path) for path in paths], wait=True)
        assert (sent.embeds[0].image.url or "").startswith("http://")
        await interaction.followup.send("More", files=[discord.File(path) for path in paths], ephemeral=True)

    async with serving(scene, report):
        asked = scene.client.slash(scene.channel.id, "report")
        first, second = await asked.response(), await asked.follow_up()
    for message in (first, second):
        assert [item.content_type for item in message.attachments] == ["image/png", "text/csv"]
        assert message.visible_to == scene.ada.id
    assert scene.world.violations == []
