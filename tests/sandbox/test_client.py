"""What a member's own client refuses to send, and what a member can see."""

from typing import Any

import pytest

from bot.sandbox.client import Invocation
from bot.sandbox.options import ClientRefusalError
from bot.sandbox.posting import remove, store
from bot.sandbox.records import ChannelType, Json, Permission
from tests.sandbox.rig import Raw, Scene


@pytest.fixture
async def registered(scene: Scene, raw: Raw) -> Scene:
    text = {"type": 3, "name": "prompt", "description": "x", "required": True, "min_length": 2, "max_length": 10}
    generate = {
        "name": "generate",
        "description": "x",
        "options": [
            text,
            {"type": 4, "name": "seconds", "description": "x", "min_value": 4, "max_value": 15},
            {"type": 3, "name": "aspect", "description": "x", "choices": [{"name": "Wide", "value": "16:9"}]},
            {"type": 5, "name": "sound", "description": "x"},
            {"type": 10, "name": "weight", "description": "x"},
            {"type": 6, "name": "member", "description": "x"},
            {"type": 8, "name": "role", "description": "x"},
            {"type": 7, "name": "channel", "description": "x", "channel_types": [0]},
            {"type": 9, "name": "owner", "description": "x"},
            {"type": 11, "name": "image1", "description": "x", "file_types": ["image"]},
        ],
    }
    show = {"type": 1, "name": "show", "description": "x", "options": [{"type": 3, "name": "unit", "description": "x"}]}
    quota = {"name": "quota", "description": "x", "options": [show], "default_member_permissions": str(1 << 5)}
    menu = {"type": 3, "name": "Use as reference"}
    answer = await raw("PUT", f"/applications/{scene.world.application_id}/commands", [generate, quota, menu])
    assert answer.status == 200
    return scene


def use(scene: Scene, **options: Any) -> Invocation:
    return scene.client.slash(scene.channel.id, "generate", options={"prompt": "a fox"} | options)


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": ""},
        {"prompt": "x" * 11},
        {"prompt": 5},
        {"seconds": 3},
        {"seconds": 16},
        {"seconds": "five"},
        {"seconds": True},
        {"aspect": "4:3"},
        {"sound": "yes"},
        {"member": 5},
        {"image1": "cat.jpg"},
        {"colour": "red"},
    ],
)
async def test_the_client_refuses_what_the_command_does_not_declare(registered: Scene, options: Json) -> None:
    with pytest.raises(ClientRefusalError):
        use(registered, **options)
    assert registered.world.stored.interactions == {}


async def test_the_client_refuses_wrong_files_commands_and_places(registered: Scene) -> None:
    client, channel = registered.client, registered.channel
    wrong: list[tuple[str, Json, Json]] = [
        ("generate", {}, {}),
        ("generate", {"prompt": "a fox"}, {"image1": registered.file("clip.mp4")}),
        ("generate", {}, {"prompt": registered.file("cat.jpg")}),
        ("generate now", {"prompt": "a fox"}, {}),
        ("nothing", {}, {}),
        ("quota show", {}, {}),
    ]
    for name, options, files in wrong:
        with pytest.raises(ClientRefusalError):
            client.slash(channel.id, name, options=options, files=files)
    admins = registered.world.add_role(registered.guild, "Admins", permissions=Permission.MANAGE_GUILD)
    registered.ada.role_ids.append(admins.id)
    with pytest.raises(ClientRefusalError):
        client.slash(channel.id, "quota")
    shown = client.slash(channel.id, "quota show", options={"unit": "usd"}).interaction
    assert shown.data["options"] == [
        {"type": 1, "name": "show", "options": [{"type": 3, "name": "unit", "value": "usd"}]}
    ]
    thread = registered.world.add_thread(channel, "A clip")
    thread.archived = True
    with pytest.raises(ClientRefusalError):
        client.slash(thread.id, "quota show")


async def test_what_ids_stand_for_travels_beside_them(registered: Scene) -> None:
    role = next(iter(registered.ada.role_ids))
    shown = registered.client.slash(
        registered.channel.id,
        "generate",
        options={"prompt": "a fox", "member": registered.grace.id, "role": role, "channel": registered.channel.id},
        files={"image1": registered.file("cat.png")},
    ).interaction
    resolved = shown.data["resolved"]
    assert set(resolved) == {"users", "members", "roles", "channels", "attachments"}
    assert [entry["value"] for entry in shown.data["options"][1:4]] == [
        str(registered.grace.id),
        str(role),
        str(registered.channel.id),
    ]
    assert next(iter(resolved["attachments"].values()))["ephemeral"] is True


async def test_everyone_is_a_role_that_can_be_picked(registered: Scene) -> None:
    everyone = registered.guild.id
    resolved = use(registered, role=everyone, owner=everyone).interaction.data["resolved"]
    assert resolved == {"roles": {str(everyone): resolved["roles"][str(everyone)]}}
    assert resolved["roles"][str(everyone)]["name"] == "@everyone"


async def test_permissions_travel_with_what_was_picked(registered: Scene) -> None:
    """A member's are theirs, a channel's are the asking member's."""
    world, grace = registered.world, registered.grace
    other = world.add_channel(registered.guild, "other")
    world.overwrite(registered.channel, grace, allow=Permission.MANAGE_MESSAGES)
    world.overwrite(other, registered.ada, allow=Permission.MANAGE_THREADS)
    resolved = use(registered, member=grace.id, channel=other.id).interaction.data["resolved"]
    member, channel = resolved["members"][str(grace.id)], resolved["channels"][str(other.id)]
    assert int(member["permissions"]) & Permission.MANAGE_MESSAGES
    assert int(channel["permissions"]) & Permission.MANAGE_THREADS
    assert not {"user", "deaf", "mute"} & member.keys()
    assert "permission_overwrites" not in channel


async def test_what_the_server_does_not_have_can_only_be_forced(registered: Scene) -> None:
    world, grace = registered.world, registered.grace
    another = world.add_guild("Another")
    world.remove_member(registered.guild, grace)
    voice = world.add_channel(registered.guild, "voice", kind=ChannelType.VOICE)
    hidden = world.add_channel(registered.guild, "hidden")
    world.overwrite(hidden, registered.ada, deny=Permission.VIEW_CHANNEL)
    gone = world.add_role(registered.guild, "Gone")
    world.remove_role(registered.guild, gone)
    cases: list[tuple[Json, set[str]]] = [
        ({"role": another.id}, set()),
        ({"role": gone.id}, set()),
        ({"role": grace.id}, set()),
        ({"member": grace.id}, {"users"}),
        ({"owner": grace.id}, {"users"}),
        ({"member": 5}, set()),
        ({"channel": world.add_channel(another).id}, set()),
        ({"channel": voice.id}, {"channels"}),
        ({"channel": hidden.id}, {"channels"}),
    ]
    for options, resolved in cases:
        with pytest.raises(ClientRefusalError):
            use(registered, **options)
        values = {"prompt": "a fox"} | options
        sent = registered.client.slash(registered.channel.id, "generate", options=values, force=True).interaction
        assert set(sent.data.get("resolved", {})) == resolved, options
        assert sent.data["options"][1]["value"] == str(next(iter(options.values())))


async def test_force_sends_values_out_of_bounds_but_not_into_nowhere(registered: Scene) -> None:
    sent = registered.client.slash(registered.channel.id, "generate", options={"seconds": 99}, force=True).interaction
    assert sent.data["options"] == [{"type": 4, "name": "seconds", "value": 99}]
    with pytest.raises(ClientRefusalError):
        registered.client.slash(registered.channel.id, "generate", options={"colour": "red"}, force=True)


async def test_only_options_that_say_so_suggest(registered: Scene) -> None:
    with pytest.raises(ClientRefusalError):
        registered.client.autocomplete(registered.channel.id, "generate", focused="aspect")


async def test_buttons_must_be_there_enabled_and_visible(registered: Scene) -> None:
    world, client = registered.world, registered.client
    buttons = [
        {"type": 2, "style": 1, "label": "Go", "custom_id": "go"},
        {"type": 2, "style": 1, "label": "Off", "custom_id": "off", "disabled": True},
    ]
    body = {"components": [{"type": 1, "components": buttons}]}
    message = store(world, registered.channel, body, (), author_id=world.bot.id, visible_to=registered.ada.id)
    assert client.click(message, "go").interaction.data["custom_id"] == "go"
    for custom_id in ("off", "gone"):
        with pytest.raises(ClientRefusalError):
            client.click(message, custom_id)
    with pytest.raises(ClientRefusalError):
        registered.sandbox.client(registered.grace).click(message, "go")
    with pytest.raises(ClientRefusalError):
        registered.sandbox.client(registered.grace).message_command(message, "Use as reference")


async def test_another_member_may_click_what_they_see_and_nothing_else(registered: Scene) -> None:
    world, other = registered.world, registered.sandbox.client(registered.grace)
    button = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}
    body: Json = {"components": [{"type": 1, "components": [button]}]}
    message = store(world, registered.channel, body, (), author_id=world.bot.id)
    clicked = other.click(message, "go").interaction
    assert registered.twin(clicked.id)["member"]["user"]["id"] == str(registered.grace.id)
    world.overwrite(registered.channel, registered.grace, deny=Permission.VIEW_CHANNEL)
    with pytest.raises(ClientRefusalError):
        other.click(message, "go")
    world.overwrite(registered.channel, registered.grace)
    other.click(message, "go")
    remove(world, message)
    with pytest.raises(ClientRefusalError):
        other.click(message, "go")


async def test_a_select_menu_takes_what_it_offers(registered: Scene) -> None:
    world = registered.world
    menu = {"type": 3, "custom_id": "tier", "options": [{"label": "Fast", "value": "fast"}], "placeholder": "Tier"}
    body = {"components": [{"type": 1, "components": [menu]}]}
    message = store(world, registered.channel, body, (), author_id=world.bot.id)
    assert registered.client.choose(message, "tier", ["fast"]).interaction.data["values"] == ["fast"]
    for values in ([], ["pro"], ["fast", "fast"]):
        with pytest.raises(ClientRefusalError):
            registered.client.choose(message, "tier", values)


async def test_forms_take_what_their_inputs_allow(registered: Scene, raw: Raw) -> None:
    shown = use(registered)
    inputs: list[Json] = [
        {"type": 4, "custom_id": "prompt", "style": 2, "max_length": 10},
        {"type": 19, "custom_id": "images", "required": False, "min_values": 0, "max_values": 1},
        {"type": 21, "custom_id": "aspect", "options": [{"label": a, "value": a} for a in ("16:9", "9:16")]},
    ]
    components = [{"type": 18, "label": "x", "component": component} for component in inputs]
    modal = {"custom_id": "m", "title": "Studio", "components": components}
    path = f"/interactions/{shown.id}/{shown.token}/callback"
    assert (await raw("POST", path, {"type": 9, "data": modal})).status == 204
    right: Json = {"prompt": "a fox", "aspect": "9:16"}
    image = registered.file("cat.png")
    wrong: list[Json] = [
        {"aspect": "9:16"},
        right | {"prompt": "x" * 11},
        right | {"aspect": "1:1"},
        right | {"images": [image, image]},
        right | {"colour": "red"},
    ]
    for values in wrong:
        with pytest.raises(ClientRefusalError):
            registered.client.submit(shown, values)
    sent = registered.client.submit(shown, right | {"images": [image]}).interaction
    assert [part["component"].get("value") for part in sent.data["components"]] == ["a fox", None, "9:16"]
    assert sent.data["components"][1]["component"]["values"] == list(sent.data["resolved"]["attachments"])
    with pytest.raises(ClientRefusalError):
        registered.client.submit(use(registered), {})


async def test_an_unanswered_interaction_times_out(registered: Scene) -> None:
    with pytest.raises(TimeoutError):
        await use(registered).acknowledged(seconds=0.01)
