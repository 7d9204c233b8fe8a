"""What roles and channels add up to, and what members, the bot and its interactions get of it."""

import pytest

from bot.sandbox.options import ClientRefusalError
from bot.sandbox.permissions import guild_permissions
from bot.sandbox.records import (
    ALL_PERMISSIONS,
    BOT_PERMISSIONS,
    MEMBER_PERMISSIONS,
    ChannelType,
    InteractionType,
    Json,
    Permission,
)
from bot.sandbox.refusal import Reason
from tests.sandbox.rig import QUIET, Raw, Scene, refused

SEND = Permission.SEND_MESSAGES


def allowed(scene: Scene, permission: Permission = SEND) -> bool:
    return bool(scene.world.permissions(scene.ada, scene.channel) & permission)


def payload(scene: Scene, channel_id: int) -> Json:
    shown = scene.interact()
    shown.channel_id = channel_id
    found: Json = scene.twin(shown.id)
    return found


async def test_a_member_holds_what_everyone_and_the_roles_give(scene: Scene) -> None:
    assert guild_permissions(scene.guild, scene.ada) == MEMBER_PERMISSIONS
    admins = scene.world.add_role(scene.guild, "Admins", permissions=Permission.MANAGE_GUILD)
    scene.ada.role_ids.append(admins.id)
    assert guild_permissions(scene.guild, scene.ada) == MEMBER_PERMISSIONS | Permission.MANAGE_GUILD
    assert guild_permissions(scene.guild, scene.grace) == MEMBER_PERMISSIONS
    scene.world.overwrite(scene.channel, admins, allow=Permission.MANAGE_THREADS)
    scene.world.remove_role(scene.guild, admins)
    assert scene.channel.overwrites == {}
    assert guild_permissions(scene.guild, scene.ada) == MEMBER_PERMISSIONS
    own = scene.world.add_member(scene.guild, "Lin", permissions=Permission.MANAGE_GUILD)
    assert guild_permissions(scene.guild, own) == MEMBER_PERMISSIONS | Permission.MANAGE_GUILD


async def test_administrators_and_owners_have_everything_whatever_the_channel_denies(scene: Scene) -> None:
    everyone = scene.guild.roles[scene.guild.id]
    scene.world.overwrite(scene.channel, everyone, deny=Permission.VIEW_CHANNEL)
    scene.guild.roles[scene.ada.role_ids[0]].permissions = Permission.ADMINISTRATOR
    assert scene.world.permissions(scene.ada, scene.channel) == ALL_PERMISSIONS
    assert not scene.world.permissions(scene.grace, scene.channel) & Permission.VIEW_CHANNEL
    scene.guild.owner_id = scene.grace.id
    assert scene.world.permissions(scene.grace, scene.channel) == ALL_PERMISSIONS


async def test_overwrites_apply_in_the_documented_order(scene: Scene) -> None:
    world, channel, editors = scene.world, scene.channel, scene.guild.roles[scene.ada.role_ids[0]]
    guests = world.add_role(scene.guild, "Guests")
    scene.ada.role_ids.append(guests.id)
    world.overwrite(channel, scene.guild.roles[scene.guild.id], deny=SEND)
    assert not allowed(scene)
    world.overwrite(channel, editors, allow=SEND)
    assert allowed(scene)
    world.overwrite(channel, guests, deny=SEND)
    assert allowed(scene), "one role that allows is enough"
    world.overwrite(channel, editors)
    assert not allowed(scene)
    world.overwrite(channel, scene.ada, allow=SEND)
    assert allowed(scene)
    world.overwrite(channel, guests, allow=SEND)
    world.overwrite(channel, scene.ada, deny=SEND)
    assert not allowed(scene), "the member's own overwrite comes last"


async def test_a_thread_takes_its_parents_overwrites(scene: Scene) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    scene.world.overwrite(scene.channel, scene.grace, deny=Permission.VIEW_CHANNEL)
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.SEND_MESSAGES_IN_THREADS)
    assert not scene.world.permissions(scene.grace, thread) & Permission.VIEW_CHANNEL
    sent = payload(scene, thread.id)
    assert sent["app_permissions"] == str(int(BOT_PERMISSIONS & ~Permission.SEND_MESSAGES_IN_THREADS))


async def test_an_interaction_carries_both_sums_for_its_channel(scene: Scene) -> None:
    plain = payload(scene, scene.channel.id)
    assert (plain["member"]["permissions"], plain["app_permissions"]) == (
        str(int(MEMBER_PERMISSIONS)),
        str(int(BOT_PERMISSIONS)),
    )
    scene.world.overwrite(scene.channel, scene.ada, allow=Permission.MANAGE_MESSAGES)
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.ATTACH_FILES)
    here = payload(scene, scene.channel.id)
    assert here["member"]["permissions"] == str(int(MEMBER_PERMISSIONS | Permission.MANAGE_MESSAGES))
    assert here["channel"]["permissions"] == here["member"]["permissions"]
    assert here["app_permissions"] == str(int(BOT_PERMISSIONS & ~Permission.ATTACH_FILES))
    assert payload(scene, scene.world.add_channel(scene.guild).id)["app_permissions"] == plain["app_permissions"]


async def test_the_bots_role_and_overwrites_open_and_close_its_routes(scene: Scene, raw: Raw) -> None:
    path, body = f"/channels/{scene.channel.id}/messages", {"content": "x", **QUIET}
    everyone = scene.guild.roles[scene.guild.id]
    scene.world.overwrite(scene.channel, everyone, deny=Permission.VIEW_CHANNEL)
    await refused(scene, raw, Reason.MISSING_ACCESS, "POST", path, body)
    bots_role = next(role for role in scene.guild.roles.values() if role.managed)
    scene.world.overwrite(scene.channel, bots_role, allow=Permission.VIEW_CHANNEL)
    assert (await raw("POST", path, body)).status == 200
    bots_role.permissions = everyone.permissions = Permission.VIEW_CHANNEL
    await refused(scene, raw, Reason.MISSING_PERMISSIONS, "POST", path, body)


async def test_a_member_does_nothing_in_a_channel_they_cannot_see(scene: Scene) -> None:
    said = scene.client.say(scene.channel.id, "hello")
    other = scene.sandbox.client(scene.grace)
    assert other.messages(scene.channel.id) == [said]
    scene.world.overwrite(scene.channel, scene.grace, deny=Permission.VIEW_CHANNEL)
    assert other.messages(scene.channel.id) == []
    with pytest.raises(ClientRefusalError):
        other.say(scene.channel.id, "hello")
    elsewhere = scene.world.add_channel(scene.world.add_guild("Another"))
    with pytest.raises(ClientRefusalError):
        other.say(elsewhere.id, "hello")


async def test_a_member_says_only_what_the_channel_lets_them(scene: Scene) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    scene.world.overwrite(scene.channel, scene.ada, deny=SEND | Permission.ATTACH_FILES)
    with pytest.raises(ClientRefusalError):
        scene.client.say(scene.channel.id, "hello")
    with pytest.raises(ClientRefusalError):
        scene.client.say(thread.id, files=[scene.file("cat.png")])
    assert scene.client.say(thread.id, "hello").content == "hello"


async def test_a_dm_is_its_recipients_alone(scene: Scene, raw: Raw) -> None:
    opened = await raw("POST", "/users/@me/channels", {"recipient_id": str(scene.ada.id)})
    await raw("POST", f"/channels/{opened.body['id']}/messages", {"content": "x", **QUIET})
    assert len(scene.client.messages(int(opened.body["id"]))) == 1
    assert scene.sandbox.client(scene.grace).messages(int(opened.body["id"])) == []


async def test_what_the_bot_cannot_see_is_no_event_for_it(scene: Scene) -> None:
    heard: list[str] = []
    scene.world.listeners.append(lambda event: heard.append(event.name))
    scene.client.say(scene.channel.id, "hello")
    assert heard == ["MESSAGE_CREATE"]
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.VIEW_CHANNEL)
    scene.client.say(scene.channel.id, "a secret")
    assert heard == ["MESSAGE_CREATE"]


async def test_an_interaction_outlives_the_bots_sight_of_its_channel(scene: Scene, raw: Raw) -> None:
    """An answer goes by the interaction's own token, whatever the bot may do in the channel."""
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.VIEW_CHANNEL)
    shown = scene.interact(kind=InteractionType.COMMAND)
    answer = {"type": 4, "data": {"content": "x", **QUIET}}
    assert (await raw("POST", f"/interactions/{shown.id}/{shown.token}/callback", answer, token=None)).status == 204
    path = f"/channels/{scene.channel.id}/messages/{shown.response_id}"
    await refused(scene, raw, Reason.MISSING_ACCESS, "PATCH", path, {"content": "y", **QUIET})


async def test_overwrites_stand_in_the_channels_payload(scene: Scene, raw: Raw) -> None:
    everyone = scene.guild.roles[scene.guild.id]
    scene.world.overwrite(scene.channel, everyone, deny=SEND)
    scene.world.overwrite(scene.channel, scene.ada, allow=SEND)
    shown = (await raw("GET", f"/channels/{scene.channel.id}")).body
    assert shown["type"] == ChannelType.TEXT
    assert shown["permission_overwrites"] == [
        {"id": str(everyone.id), "type": 0, "allow": "0", "deny": str(int(SEND))},
        {"id": str(scene.ada.id), "type": 1, "allow": str(int(SEND)), "deny": "0"},
    ]
