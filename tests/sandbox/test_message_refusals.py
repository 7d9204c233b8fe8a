"""A negative control for every rule of messages: a raw request that must be refused, and changes nothing."""

from typing import Any

import pytest

from bot.sandbox.form import Form
from bot.sandbox.records import Json, Permission
from bot.sandbox.refusal import Reason, Rule
from tests.sandbox.rig import CLIP, JOB_NONCE, QUIET, Raw, Scene, refused


def row(*components: Json) -> Json:
    return {"type": 1, "components": list(components)}


def button(**fields: Any) -> Json:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go"} | fields


WRONG_MESSAGES: dict[str, Json] = {
    "content too long": {"content": "x" * 2001, **QUIET},
    "content not text": {"content": 5, **QUIET},
    "misspelt field": {"content": "x", "contnet": "x", **QUIET},
    "ephemeral flag on a channel message": {"content": "x", "flags": 64, **QUIET},
    "layout with content": {"content": "x", "flags": 1 << 15, **QUIET},
    "layout component without its flag": {"components": [{"type": 10, "content": "x"}], **QUIET},
    "eleven embeds": {"embeds": [{"title": "x"}] * 11},
    "embeds of 6001 characters": {"embeds": [{"description": "x" * 3001}, {"description": "x" * 3000}]},
    "embed title too long": {"embeds": [{"title": "x" * 257}]},
    "embed with 26 fields": {"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]},
    "misspelt embed field": {"embeds": [{"titel": "x"}]},
    "six rows": {"content": "x", "components": [row(button(custom_id=f"{n}")) for n in range(6)], **QUIET},
    "six buttons in a row": {"components": [row(*(button(custom_id=f"{n}") for n in range(6)))]},
    "custom id too long": {"components": [row(button(custom_id="x" * 101))]},
    "custom id empty": {"components": [row(button(custom_id=""))]},
    "custom id twice": {"components": [row(button(), button())]},
    "label too long": {"components": [row(button(label="x" * 81))]},
    "button without a label": {"components": [row({"type": 2, "style": 1, "custom_id": "go"})]},
    "link button with a custom id": {"components": [row(button(style=5, url="https://example.com"))]},
    "unknown button style": {"components": [row(button(style=9))]},
    "bare button": {"components": [button()]},
    "nonce too long": {"content": "x", "nonce": "n" * 26, "enforce_nonce": True, **QUIET},
    "mentions parse unknown": {"content": "x", "allowed_mentions": {"parse": ["members"]}},
    "mentions parse and list": {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
    "mentions not ids": {"content": "x", "allowed_mentions": {"users": ["ada"]}},
    "mentions misspelt": {"content": "x", "allowed_mentions": {"user": []}},
    "reply to nothing": {"content": "x", "message_reference": {"message_id": "5"}, **QUIET},
    "declared file without its part": {"content": "x", "attachments": [{"id": 0}], **QUIET},
    "layout of 41 components": {"flags": 1 << 15, "components": [{"type": 14}] * 41},
    "layout text of 4001 characters": {
        "flags": 1 << 15,
        "components": [{"type": 10, "content": "x" * 2000}, {"type": 10, "content": "x" * 2001}],
        **QUIET,
    },
}


@pytest.mark.parametrize("name", WRONG_MESSAGES)
async def test_a_wrong_message_is_refused(scene: Scene, raw: Raw, name: str) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, WRONG_MESSAGES[name], rule=Rule.INVALID_BODY)


@pytest.mark.parametrize("name", ["content too long", "misspelt field", "six rows", "eleven embeds"])
async def test_a_wrong_edit_is_refused(scene: Scene, raw: Raw, name: str) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    message = (await raw("POST", path, {"content": "x", **QUIET})).body["id"]
    body = WRONG_MESSAGES[name]
    await refused(scene, raw, Reason.INVALID_FORM, "PATCH", f"{path}/{message}", body, rule=Rule.INVALID_BODY)


async def test_a_right_message_is_stored(scene: Scene, raw: Raw) -> None:
    body = {"content": "x", "components": [row(button())], "nonce": "n" * 25, "enforce_nonce": True, **QUIET}
    answer = await raw("POST", f"/channels/{scene.channel.id}/messages", body)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert {"Via", "X-RateLimit-Bucket", "X-RateLimit-Limit", "X-RateLimit-Remaining"} <= set(answer.headers)
    assert len(scene.world.messages(scene.channel.id)) == 1


WRONG_FILES: dict[str, tuple[Json, int]] = {
    "file not declared": ({"nonce": JOB_NONCE}, 1),
    "file declared twice": ({"nonce": JOB_NONCE, "attachments": [{"id": 0}, {"id": "0"}]}, 1),
    "eleven files": ({"nonce": JOB_NONCE, "attachments": [{"id": n} for n in range(10)]}, 11),
    "alt text too long": ({"nonce": JOB_NONCE, "attachments": [{"id": 0, "description": "x" * 1025}]}, 1),
}


@pytest.mark.parametrize("name", WRONG_FILES)
async def test_wrong_files_are_refused(scene: Scene, raw: Raw, name: str) -> None:
    body, count = WRONG_FILES[name]
    path = f"/channels/{scene.channel.id}/messages"
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, body, files=CLIP * count, rule=Rule.INVALID_BODY)


async def test_the_limit_is_the_guilds_and_a_byte_more_is_refused(scene: Scene, raw: Raw) -> None:
    scene.guild.upload_bytes_override = 1000
    path = f"/channels/{scene.channel.id}/messages"
    body = {"nonce": JOB_NONCE, "attachments": [{"id": 0}]}
    over, exact = (("clip.mp4", b"\0" * 1001),), (("clip.mp4", b"\0" * 1000),)
    await refused(scene, raw, Reason.TOO_LARGE, "POST", path, body, files=over, rule=Rule.OVERSIZE_FILE)
    assert (await raw("POST", path, body, files=exact)).status == 200


@pytest.mark.parametrize(("tier", "mebibytes"), [(0, 10), (1, 10), (2, 50), (3, 100)])
def test_boosts_raise_the_limit(scene: Scene, tier: int, mebibytes: int) -> None:
    scene.guild.premium_tier = tier
    assert scene.world.upload_bytes_max(scene.channel) == mebibytes * 1024 * 1024


async def test_requests_without_sense_are_refused(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    await refused(scene, raw, Reason.INVALID_JSON, "POST", path, text="{", rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, [], rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.EMPTY_MESSAGE, "POST", path, {}, rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.UNAUTHORIZED, "POST", path, {}, token="x", rule=Rule.UNAUTHORIZED)
    await refused(scene, raw, Reason.UNAUTHORIZED, "GET", "/users/@me", token=None, rule=Rule.UNAUTHORIZED)
    await refused(scene, raw, Reason.NOT_FOUND, "GET", "/nowhere", rule=Rule.UNKNOWN_ROUTE)
    await refused(scene, raw, Reason.METHOD_NOT_ALLOWED, "PUT", path, {}, rule=Rule.UNKNOWN_ROUTE)
    await refused(scene, raw, Reason.UNKNOWN_GUILD, "GET", "/guilds/5")
    await refused(scene, raw, Reason.UNKNOWN_CHANNEL, "GET", "/channels/5")
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "GET", f"{path}/5")
    await refused(scene, raw, Reason.INVALID_FORM, "GET", f"{path}?limit=101", rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.UNKNOWN_APPLICATION, "PUT", "/applications/5/commands", [])


async def test_a_reply_to_another_channel_is_refused(scene: Scene, raw: Raw) -> None:
    elsewhere = scene.world.add_channel(scene.guild, "elsewhere")
    there = f"/channels/{elsewhere.id}/messages"
    message = scene.client.say(scene.channel.id, "hello")
    body = {"content": "x", "message_reference": {"message_id": str(message.id)}, **QUIET}
    await refused(scene, raw, Reason.INVALID_FORM, "POST", there, body, rule=Rule.INVALID_BODY)
    assert (await raw("POST", f"/channels/{scene.channel.id}/messages", body)).body["type"] == 19


async def test_only_own_messages_can_be_edited(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages/{scene.client.say(scene.channel.id, 'hello').id}"
    await refused(scene, raw, Reason.NOT_OWN_MESSAGE, "PATCH", path, {"content": "x", **QUIET})
    await refused(scene, raw, Reason.MISSING_PERMISSIONS, "DELETE", path)


async def test_a_nonce_returns_its_message_for_some_minutes(scene: Scene, raw: Raw) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    body = {"nonce": JOB_NONCE, "enforce_nonce": True, "attachments": [{"id": 0}]}
    first = await raw("POST", path, body, files=CLIP)
    again = await raw("POST", path, body, files=CLIP)
    assert first.body["id"] == again.body["id"]
    assert len(list((scene.world.folder / "attachments").rglob("*.mp4"))) == 1
    scene.clock.advance(seconds=301)
    later = await raw("POST", path, body, files=CLIP)
    assert later.body["id"] != first.body["id"]
    assert (await raw("DELETE", f"{path}/{later.body['id']}")).status == 204
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "POST", path, body, files=CLIP)


async def test_pages_of_messages(scene: Scene, raw: Raw) -> None:
    ids = [str(scene.client.say(scene.channel.id, str(number)).id) for number in range(5)]
    path = f"/channels/{scene.channel.id}/messages"

    async def page(query: str) -> list[str]:
        return [message["id"] for message in (await raw("GET", f"{path}?{query}")).body]

    assert await page("limit=2") == [ids[4], ids[3]]
    assert await page(f"before={ids[3]}&limit=2") == [ids[2], ids[1]]
    assert await page(f"after={ids[0]}&limit=2") == [ids[2], ids[1]]
    assert await page(f"around={ids[2]}&limit=3") == [ids[3], ids[2], ids[1]]
    scene.world.overwrite(scene.channel, scene.world.bot, deny=Permission.READ_MESSAGE_HISTORY)
    assert await page("limit=2") == []


def test_errors_nest_by_path() -> None:
    form = Form()
    form.wrong("embeds.0.title", "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 256 in length.")
    assert not form.valid
    with pytest.raises(Exception, match="Invalid Form Body") as refusal:
        form.finish()
    assert getattr(refusal.value, "errors", None) == {
        "embeds": {
            "0": {
                "title": {
                    "_errors": [{"code": "BASE_TYPE_BAD_LENGTH", "message": "Must be between 0 and 256 in length."}]
                }
            }
        }
    }
