"""What the bot may look up about a guild, and members who leave."""

import discord
import pytest

from bot.sandbox.options import ClientRefusalError
from bot.sandbox.records import Pings
from bot.sandbox.refusal import Reason
from bot.sandbox.world import GUILD_MEMBERS_INTENT, Event
from tests.sandbox.rig import QUIET, Raw, Scene, refused, serving


async def test_members_roles_and_channels_are_looked_up(scene: Scene, raw: Raw) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    guild, role = f"/guilds/{scene.guild.id}", scene.ada.role_ids[0]
    member = await raw("GET", f"{guild}/members/{scene.ada.id}")
    assert (member.body["user"]["id"], member.body["roles"]) == (str(scene.ada.id), [str(role)])
    roles = (await raw("GET", f"{guild}/roles")).body
    assert [item["name"] for item in roles] == ["@everyone", "Dailies", "Editors"]
    assert [item.get("tags") for item in roles] == [None, {"bot_id": str(scene.world.bot.id)}, None]
    assert (await raw("GET", f"{guild}/roles/{role}")).body["name"] == "Editors"
    channels = [item["id"] for item in (await raw("GET", f"{guild}/channels")).body]
    assert channels == [str(scene.channel.id)]
    assert str(thread.id) not in channels


async def test_what_is_not_there_has_its_own_code(scene: Scene, raw: Raw) -> None:
    guild, stranger = f"/guilds/{scene.guild.id}", scene.world.add_user("Lin")
    await refused(scene, raw, Reason.UNKNOWN_MEMBER, "GET", f"{guild}/members/{stranger.id}")
    await refused(scene, raw, Reason.UNKNOWN_USER, "GET", f"{guild}/members/5")
    await refused(scene, raw, Reason.UNKNOWN_ROLE, "GET", f"{guild}/roles/{scene.world.add_guild('Another').id}")
    for part in ("", "/members/5", "/roles", "/roles/5", "/channels"):
        await refused(scene, raw, Reason.UNKNOWN_GUILD, "GET", f"/guilds/5{part}")


@pytest.mark.usefixtures("pointed")
async def test_the_library_reads_them(scene: Scene) -> None:
    async with serving(scene) as bot:
        guild = await bot.fetch_guild(scene.guild.id)
        assert [role.name for role in await guild.fetch_roles()] == ["@everyone", "Dailies", "Editors"]
        assert (await guild.fetch_member(scene.ada.id)).get_role(scene.ada.role_ids[0]) is not None
        assert [channel.name for channel in await guild.fetch_channels()] == ["studio"]
        scene.world.remove_member(scene.guild, scene.ada)
        with pytest.raises(discord.NotFound) as gone:
            await guild.fetch_member(scene.ada.id)
    assert gone.value.code == 10007


async def test_a_member_who_left_can_be_named_but_does_nothing(scene: Scene, raw: Raw) -> None:
    said = scene.client.say(scene.channel.id, "hello")
    scene.world.remove_member(scene.guild, scene.ada)
    body = {"content": f"<@{scene.ada.id}> <@{scene.grace.id}>", "allowed_mentions": {"parse": ["users"]}}
    posted = await raw("POST", f"/channels/{scene.channel.id}/messages", body)
    assert {user["id"] for user in posted.body["mentions"]} == {str(scene.ada.id), str(scene.grace.id)}
    assert {scene.world.stored.messages[int(posted.body["id"])].pings} == {Pings(users=frozenset({scene.grace.id}))}
    assert scene.world.stored.messages[said.id].content == "hello"
    assert scene.client.messages(scene.channel.id) == []
    with pytest.raises(ClientRefusalError):
        scene.client.say(scene.channel.id, "back again")


async def test_an_answer_still_reaches_an_interaction_whose_member_left(scene: Scene, raw: Raw) -> None:
    shown = scene.interact()
    scene.world.remove_member(scene.guild, scene.ada)
    answer = {"type": 4, "data": {"content": f"<@{scene.ada.id}>", **QUIET}}
    assert (await raw("POST", f"/interactions/{shown.id}/{shown.token}/callback", answer, token=None)).status == 204


async def test_a_dm_needs_a_common_guild(scene: Scene, raw: Raw) -> None:
    opened = await raw("POST", "/users/@me/channels", {"recipient_id": str(scene.ada.id)})
    path, body = f"/channels/{opened.body['id']}/messages", {"content": "x", **QUIET}
    assert (await raw("POST", path, body)).status == 200
    other = scene.world.add_guild("Another")
    other.members[scene.ada.id] = scene.ada
    scene.world.remove_member(scene.guild, scene.ada)
    assert (await raw("POST", path, body)).status == 200
    scene.world.remove_member(other, scene.ada)
    await refused(scene, raw, Reason.NO_COMMON_GUILD, "POST", path, body)


async def test_leaving_is_told_only_to_those_with_the_privileged_intent(scene: Scene) -> None:
    heard: list[Event] = []
    scene.world.listeners.append(heard.append)
    scene.world.remove_member(scene.guild, scene.ada)
    assert [(event.name, event.intents) for event in heard] == [("GUILD_MEMBER_REMOVE", GUILD_MEMBERS_INTENT)]
