"""What a member's own client refuses to send, and what a member can see."""

from typing import Any

import pytest

from bot.sandbox.client import Invocation
from bot.sandbox.options import ClientRefusalError
from bot.sandbox.posting import store
from bot.sandbox.records import Json, Permission
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
            {"type": 7, "name": "channel", "description": "x"},
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
    registered.ada.permissions |= Permission.MANAGE_GUILD
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
