"""The published schema as a second opinion, on requests and on the sandbox's own answers."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox import payloads
from bot.sandbox.message_rules import ANSWER, check_message
from bot.sandbox.records import ChannelType, Json, Permission
from bot.sandbox.refusal import RefusedError, Rule
from bot.sandbox.schema import PLACE_VARIABLE, PublishedSchema, as_documented, place_of_schema
from bot.sandbox.server import Sandbox
from tests.sandbox.rig import CLIP, JOB_NONCE, QUIET, Raw, Scene

MESSAGES = "/channels/{channel_id}/messages"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


@pytest.fixture
def at_hand(published: PublishedSchema) -> PublishedSchema:
    if published.skipped is not None:
        pytest.skip(published.skipped)
    return published


def test_the_layer_says_why_it_is_skipped(tmp_path: Path) -> None:
    assert (
        PublishedSchema(place=place_of_schema({})).skipped == f"{PLACE_VARIABLE} does not name Discord's openapi.json"
    )
    absent = PublishedSchema(place=place_of_schema({PLACE_VARIABLE: str(tmp_path / "openapi.json")}))
    assert absent.skipped is not None
    assert "is not a file" in absent.skipped
    absent.check("POST", MESSAGES, {"nonce": "n" * 26})


def test_ids_are_compared_as_the_documents_write_them() -> None:
    body = {"attachments": [{"id": 0}], "allowed_mentions": {"users": [5], "parse": []}}
    expected = {"attachments": [{"id": "0"}], "allowed_mentions": {"users": ["5"], "parse": []}}
    assert as_documented({"type": 4, "data": body}) == {"type": 4, "data": expected}
    assert as_documented(body) == expected
    assert body["attachments"] == [{"id": 0}]


WRONG: dict[str, tuple[str, Any]] = {
    "nonce": (MESSAGES, {"nonce": "n" * 26}),
    "embeds": (MESSAGES, {"embeds": [{}] * 11}),
    "content": (MESSAGES, {"content": 5}),
    "callback": (CALLBACK, {"type": 3}),
    "form": (CALLBACK, {"type": 9, "data": {"custom_id": "m", "title": "x" * 46, "components": []}}),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_schema_refuses(at_hand: PublishedSchema, name: str) -> None:
    template, body = WRONG[name]
    with pytest.raises(RefusedError) as refusal:
        at_hand.check("POST", template, body)
    assert refusal.value.rule is Rule.PUBLISHED_SCHEMA


def test_what_the_schema_lets_through_our_own_rules_refuse(at_hand: PublishedSchema) -> None:
    wrong: list[Json] = [
        {"content": "x" * 2001, **QUIET},
        {"contnet": "x"},
        {"content": "x", "flags": 1 << 15, **QUIET},
    ]
    for body in wrong:
        at_hand.check("POST", MESSAGES, body)
        with pytest.raises(RefusedError):
            check_message(body, (), door=ANSWER)


async def test_the_schema_stands_at_the_door(at_hand: PublishedSchema, scene: Scene) -> None:
    """An embed's timestamp is nothing that our own rules look at."""
    async with (
        Sandbox(world=scene.world, schema=at_hand) as checked,
        aiohttp.ClientSession() as session,
    ):
        fields = {name: getattr(scene, name) for name in scene.__slots__}
        raw = Raw(session, Scene(**fields | {"sandbox": checked}))
        answer = await raw("POST", f"/channels/{scene.channel.id}/messages", {"embeds": [{"timestamp": 5}]})
    assert (answer.status, answer.code) == (400, 50035)
    assert [violation.rule for violation in scene.world.violations] == [Rule.PUBLISHED_SCHEMA]
    assert scene.world.messages(scene.channel.id) == []


def valid(at_hand: PublishedSchema, schema: str, answer: Any) -> list[str]:
    errors = at_hand.validator(f"#/components/schemas/{schema}").iter_errors(answer)
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors]


async def test_the_sandboxs_own_answers_follow_the_schema(at_hand: PublishedSchema, scene: Scene, raw: Raw) -> None:
    body = {
        "content": "x",
        "nonce": JOB_NONCE,
        "attachments": [{"id": 0, "description": "a fox"}],
        "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}],
        **QUIET,
    }
    message = await raw("POST", f"/channels/{scene.channel.id}/messages", body, files=CLIP)
    thread = await raw(
        "POST", f"/channels/{scene.channel.id}/messages/{message.body['id']}/threads", {"name": "A clip"}
    )
    again = await raw("GET", f"/channels/{scene.channel.id}/messages/{message.body['id']}")
    text = scene.world.add_channel(scene.guild, kind=ChannelType.TEXT)
    assert valid(at_hand, "MessageResponse", message.body) == []
    assert valid(at_hand, "MessageResponse", again.body) == []
    assert valid(at_hand, "ThreadResponse", thread.body) == []
    assert valid(at_hand, "GuildChannelResponse", payloads.channel(scene.world, text)) == []
    scene.world.overwrite(text, scene.ada, deny=Permission.VIEW_CHANNEL)
    assert valid(at_hand, "GuildChannelResponse", payloads.channel(scene.world, text)) == []
    for role in scene.guild.roles.values():
        assert valid(at_hand, "GuildRoleResponse", payloads.role(scene.world, role)) == []
    assert valid(at_hand, "UserResponse", payloads.user(scene.ada.user)) == []
    assert valid(at_hand, "GuildMemberResponse", payloads.member(scene.ada)) == []


async def test_a_callbacks_answer_follows_the_schema(at_hand: PublishedSchema, scene: Scene, raw: Raw) -> None:
    shown = scene.interact()
    path = f"/interactions/{shown.id}/{shown.token}/callback?with_response=1"
    answer = await raw("POST", path, {"type": 4, "data": {"content": "x", **QUIET}})
    assert valid(at_hand, "InteractionCallbackResponse", answer.body) == []
