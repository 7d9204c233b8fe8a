"""Who is shown a command, and what an admin's overrides change about it."""

import pytest

from bot.sandbox.options import ClientRefusalError
from bot.sandbox.records import Json, Member, Permission, Role
from tests.sandbox.rig import Raw, Scene

QUOTA: Json = {"name": "quota", "description": "x", "default_member_permissions": str(1 << 5)}
LOCKED: Json = {"name": "locked", "description": "x", "default_member_permissions": "0"}
OPEN: Json = {"name": "open", "description": "x"}


@pytest.fixture
async def registered(scene: Scene, raw: Raw) -> Scene:
    answer = await raw("PUT", f"/applications/{scene.world.application_id}/commands", [QUOTA, LOCKED, OPEN])
    assert answer.status == 200
    return scene


def shown(scene: Scene, member: Member, name: str = "quota", channel_id: int = 0) -> bool:
    try:
        scene.sandbox.client(member).slash(channel_id or scene.channel.id, name)
    except ClientRefusalError:
        return False
    return True


def with_role(scene: Scene, name: str, permissions: int) -> Member:
    role = scene.world.add_role(scene.guild, name, permissions=permissions)
    return scene.world.add_member(scene.guild, name, roles=(role,))


async def test_default_permissions_hide_a_command(registered: Scene) -> None:
    manager = with_role(registered, "Manager", Permission.MANAGE_GUILD)
    admin = with_role(registered, "Admin", Permission.ADMINISTRATOR)
    assert [shown(registered, who) for who in (admin, manager, registered.ada)] == [True, True, False]
    assert [shown(registered, who, "locked") for who in (admin, manager, registered.ada)] == [True, False, False]
    assert shown(registered, registered.ada, "open")


async def test_nobody_uses_commands_without_the_permission_for_it(registered: Scene) -> None:
    registered.world.overwrite(registered.channel, registered.ada, deny=Permission.USE_APPLICATION_COMMANDS)
    assert not shown(registered, registered.ada, "open")
    assert shown(registered, registered.grace, "open")


async def test_a_command_granted_to_everyone_reaches_members_without_the_permission(registered: Scene) -> None:
    everyone = registered.guild.roles[registered.guild.id]
    registered.world.override_command(registered.guild, "quota", everyone, allow=True)
    sent = registered.client.slash(registered.channel.id, "quota").interaction
    permissions = int(registered.twin(sent.id)["member"]["permissions"])
    assert not permissions & Permission.MANAGE_GUILD
    registered.world.override_command(registered.guild, "quota", everyone, allow=None)
    assert not shown(registered, registered.ada)


def target(scene: Scene, name: str) -> Role | Member:
    roles = {"everyone": scene.guild.roles[scene.guild.id], "editors": scene.guild.roles[scene.ada.role_ids[0]]}
    members = {"ada": scene.ada, "grace": scene.grace}
    return roles.get(name) or members[name]


@pytest.mark.parametrize(
    ("overrides", "ada", "grace"),
    [
        ({"editors": True}, True, False),
        ({"grace": True}, False, True),
        ({"everyone": True, "editors": False}, False, True),
        ({"everyone": True, "ada": False}, False, True),
        ({"editors": True, "ada": False}, False, False),
        ({"everyone": False, "ada": True}, True, False),
    ],
)
async def test_the_nearest_override_decides(
    registered: Scene,
    overrides: dict[str, bool],
    ada: bool,  # noqa: FBT001 - a parameter of the case
    grace: bool,  # noqa: FBT001 - as above
) -> None:
    for name, allow in overrides.items():
        registered.world.override_command(registered.guild, "quota", target(registered, name), allow=allow)
    assert (shown(registered, registered.ada), shown(registered, registered.grace)) == (ada, grace)


async def test_one_allowing_role_of_several_is_enough(registered: Scene) -> None:
    guests = registered.world.add_role(registered.guild, "Guests")
    registered.ada.role_ids.append(guests.id)
    registered.world.override_command(registered.guild, "quota", guests, allow=False)
    registered.world.override_command(registered.guild, "quota", target(registered, "editors"), allow=True)
    assert shown(registered, registered.ada)


async def test_a_denied_override_hides_it_from_managers_but_not_from_administrators(registered: Scene) -> None:
    manager = with_role(registered, "Manager", Permission.MANAGE_GUILD)
    admin = with_role(registered, "Admin", Permission.ADMINISTRATOR)
    registered.world.override_command(registered.guild, "quota", manager, allow=False)
    registered.world.override_command(registered.guild, "quota", registered.channel, allow=False)
    assert (shown(registered, manager), shown(registered, admin)) == (False, True)


async def test_channels_are_overridden_one_by_one_or_all_at_once(registered: Scene) -> None:
    world, other = registered.world, registered.world.add_channel(registered.guild, "admin")
    thread = world.add_thread(registered.channel, "A clip")

    def places() -> list[bool]:
        return [shown(registered, registered.ada, "open", c.id) for c in (registered.channel, thread, other)]

    world.override_command(registered.guild, "open", registered.channel, allow=False)
    assert places() == [False, False, True]
    world.override_command(registered.guild, "open", registered.channel, allow=None)
    world.override_command(registered.guild, "open", registered.guild, allow=False)
    assert places() == [False, False, False]
    world.override_command(registered.guild, "open", other, allow=True)
    assert places() == [False, False, True]


async def test_overrides_are_a_guilds_own_and_survive_a_new_registration(registered: Scene, raw: Raw) -> None:
    everyone = registered.guild.roles[registered.guild.id]
    registered.world.override_command(registered.guild, "quota", everyone, allow=True)
    await raw("PUT", f"/applications/{registered.world.application_id}/commands", [QUOTA])
    assert shown(registered, registered.ada)
    other = registered.world.add_guild("Another")
    stranger = registered.world.add_member(other, "Lin")
    assert not shown(registered, stranger, "quota", registered.world.add_channel(other).id)
    with pytest.raises(LookupError):
        registered.world.override_command(registered.guild, "nothing", everyone, allow=True)


async def test_force_sends_a_hidden_command_all_the_same(registered: Scene) -> None:
    sent = registered.client.slash(registered.channel.id, "quota", force=True).interaction
    assert sent.data["name"] == "quota"
    assert not int(registered.twin(sent.id)["member"]["permissions"]) & Permission.MANAGE_GUILD
    with pytest.raises(ClientRefusalError):
        registered.client.slash(registered.world.add_channel(registered.world.add_guild()).id, "quota", force=True)
