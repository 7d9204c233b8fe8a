"""Negative controls for permissions, threads and DMs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bot.sandbox.records import ChannelType, Json, Permission
from bot.sandbox.refusal import Reason, Rule
from tests.sandbox.rig import CLIP, JOB_NONCE, QUIET, Raw, Scene, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A world in which a right request is refused all the same."""

    reason: Reason
    prepare: Callable[[Scene], Any]
    files: bool = False


def deny(permission: Permission) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        scene.world.overwrite(scene.channel, scene.world.bot, deny=permission)

    return prepare


def make_forum(scene: Scene) -> None:
    scene.channel.type = ChannelType.FORUM


def lock(scene: Scene) -> None:
    scene.channel.type = ChannelType.PUBLIC_THREAD
    scene.channel.parent_id = scene.world.add_channel(scene.guild, "parent").id
    scene.channel.locked = True


TROUBLES = {
    "no access": Trouble(reason=Reason.MISSING_ACCESS, prepare=deny(Permission.VIEW_CHANNEL)),
    "may not send": Trouble(reason=Reason.MISSING_PERMISSIONS, prepare=deny(Permission.SEND_MESSAGES)),
    "may not attach": Trouble(reason=Reason.MISSING_PERMISSIONS, prepare=deny(Permission.ATTACH_FILES), files=True),
    "channel deleted": Trouble(
        reason=Reason.UNKNOWN_CHANNEL, prepare=lambda scene: scene.world.remove_channel(scene.channel.id)
    ),
    "guild left": Trouble(
        reason=Reason.UNKNOWN_CHANNEL, prepare=lambda scene: scene.world.remove_guild(scene.guild.id)
    ),
    "forum": Trouble(
        reason=Reason.FORUM_MESSAGE, prepare=lambda scene: setattr(scene.channel, "type", ChannelType.FORUM)
    ),
    "locked thread": Trouble(reason=Reason.THREAD_LOCKED, prepare=lock),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_right_message_in_a_hostile_world_is_refused_and_is_no_fault_of_the_bot(
    scene: Scene, raw: Raw, name: str
) -> None:
    trouble = TROUBLES[name]
    path = f"/channels/{scene.channel.id}/messages"
    trouble.prepare(scene)
    body: Json = {"content": "x", **QUIET}
    files = CLIP if trouble.files else ()
    if files:
        body |= {"nonce": JOB_NONCE, "attachments": [{"id": 0}]}
    await refused(scene, raw, trouble.reason, "POST", path, body, files=files)


async def test_a_thread_needs_its_own_permission_to_talk(scene: Scene, raw: Raw) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.SEND_MESSAGES)
    path, body = f"/channels/{thread.id}/messages", {"content": "x", **QUIET}
    assert (await raw("POST", path, body)).status == 200
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.SEND_MESSAGES_IN_THREADS)
    await refused(scene, raw, Reason.MISSING_PERMISSIONS, "POST", path, body)


async def test_threads_are_refused_as_discord_does(scene: Scene, raw: Raw) -> None:
    starter = scene.client.say(scene.channel.id, "hello")
    path = f"/channels/{scene.channel.id}/messages/{starter.id}/threads"
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, {"name": ""}, rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, {"name": "x" * 101}, rule=Rule.INVALID_BODY)
    body = {"name": "A clip", "auto_archive_duration": 61}
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, body, rule=Rule.INVALID_BODY)
    scene.guild.active_threads_max = 0
    await refused(scene, raw, Reason.TOO_MANY_THREADS, "POST", path, {"name": "A clip"})
    scene.guild.active_threads_max = 1000
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.CREATE_PUBLIC_THREADS)
    await refused(scene, raw, Reason.MISSING_PERMISSIONS, "POST", path, {"name": "A clip"})
    scene.world.overwrite(scene.channel, scene.world.bot)

    opened = await raw("POST", path, {"name": "A clip"})
    assert (opened.status, opened.body["id"]) == (201, str(starter.id))
    await refused(scene, raw, Reason.THREAD_EXISTS, "POST", path, {"name": "A clip"})
    inside = f"/channels/{opened.body['id']}/threads"
    await refused(scene, raw, Reason.WRONG_CHANNEL_TYPE, "POST", inside, {"name": "A clip", "type": 11})
    assert (await raw("POST", f"/channels/{scene.channel.id}/threads", {"name": "Alone"})).body["type"] == 12


async def test_an_archived_thread_takes_no_edit_but_a_message_wakes_it(scene: Scene, raw: Raw) -> None:
    thread = scene.world.add_thread(scene.channel, "A clip")
    path = f"/channels/{thread.id}/messages"
    message = (await raw("POST", path, {"content": "x", **QUIET})).body["id"]
    assert (await raw("PATCH", f"/channels/{thread.id}", {"archived": True})).status == 200
    await refused(scene, raw, Reason.ARCHIVED_THREAD, "PATCH", f"{path}/{message}", {"content": "y", **QUIET})
    await refused(
        scene, raw, Reason.MISSING_PERMISSIONS, "PATCH", f"/channels/{thread.id}", {"archived": False, "locked": True}
    )
    assert (await raw("POST", path, {"content": "y", **QUIET})).status == 200
    assert not thread.archived


async def test_a_closed_dm_is_refused(scene: Scene, raw: Raw) -> None:
    await refused(scene, raw, Reason.INVALID_RECIPIENT, "POST", "/users/@me/channels", {"recipient_id": "5"})
    opened = await raw("POST", "/users/@me/channels", {"recipient_id": str(scene.ada.id)})
    path, body = f"/channels/{opened.body['id']}/messages", {"content": "x", **QUIET}
    assert (await raw("POST", path, body)).status == 200
    scene.ada.user.accepts_dms = False
    await refused(scene, raw, Reason.CLOSED_DM, "POST", path, body)
