"""Negative controls for answers to interactions."""

from bot.sandbox.interactions import begin
from bot.sandbox.records import InteractionType, Json
from bot.sandbox.refusal import Reason, Rule
from tests.sandbox.rig import QUIET, Raw, Scene, refused


async def test_answers_that_do_not_fit_the_interaction_are_refused(scene: Scene, raw: Raw) -> None:
    command = scene.interact()
    path = f"/interactions/{command.id}/{command.token}/callback"
    wrong: list[Json] = [
        {"type": 3},
        {"type": 6},
        {"type": 7, "data": {"content": "x", **QUIET}},
        {"type": 8, "data": {"choices": []}},
        {"type": 5, "data": {"content": "x"}},
        {"type": 5, "data": {"flags": 4}},
        {"type": 4, "data": {"content": "x" * 2001, **QUIET}},
        {"type": 9, "data": {"custom_id": "m", "title": "x" * 46, "components": [{"type": 10, "content": "x"}]}},
        {"type": 9, "data": {"custom_id": "m", "title": "x", "components": []}},
        {"type": 5, "dta": {}},
        {},
    ]
    for body in wrong:
        await refused(scene, raw, Reason.INVALID_FORM, "POST", path, body, rule=Rule.INVALID_BODY)
    empty = {"type": 4, "data": {}}
    await refused(scene, raw, Reason.EMPTY_MESSAGE, "POST", path, empty, rule=Rule.INVALID_BODY)
    await refused(scene, raw, Reason.UNKNOWN_INTERACTION, "POST", path.replace(command.token, "x"), {"type": 5})
    assert command.answer is None


async def test_autocomplete_takes_only_choices(scene: Scene, raw: Raw) -> None:
    typed = scene.interact(
        kind=InteractionType.AUTOCOMPLETE, options=[{"name": "clip", "type": 3, "value": "", "focused": True}]
    )
    path = f"/interactions/{typed.id}/{typed.token}/callback"
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, {"type": 5}, rule=Rule.INVALID_BODY)
    choice = {"name": "n", "value": "v"}
    for choices in (
        [choice] * 26,
        [choice | {"name": "x" * 101}],
        [choice | {"value": "x" * 101}],
        [choice | {"value": 5}],
    ):
        body = {"type": 8, "data": {"choices": choices}}
        await refused(scene, raw, Reason.INVALID_FORM, "POST", path, body, rule=Rule.INVALID_BODY)


async def test_a_form_cannot_answer_a_form(scene: Scene, raw: Raw) -> None:
    sent = begin(scene.world, scene.ada, scene.channel.id, InteractionType.MODAL_SUBMIT, {"custom_id": "m"})
    modal = {"custom_id": "m", "title": "x", "components": [{"type": 10, "content": "x"}]}
    path = f"/interactions/{sent.id}/{sent.token}/callback"
    await refused(scene, raw, Reason.INVALID_FORM, "POST", path, {"type": 9, "data": modal}, rule=Rule.INVALID_BODY)


async def test_an_interactions_token_reaches_only_its_own_messages(scene: Scene, raw: Raw) -> None:
    shown = scene.interact()
    webhook = f"/webhooks/{scene.world.application_id}/{shown.token}"
    await refused(
        scene, raw, Reason.UNKNOWN_WEBHOOK, "PATCH", f"{webhook}/messages/@original", {"content": "", **QUIET}
    )
    body = {"type": 4, "data": {"content": "x", "flags": 64, **QUIET}}
    await raw("POST", f"/interactions/{shown.id}/{shown.token}/callback", body, token=None)
    other = scene.client.say(scene.channel.id, "hello")
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "DELETE", f"{webhook}/messages/{other.id}", token=None)
    await refused(scene, raw, Reason.UNKNOWN_WEBHOOK, "GET", "/webhooks/5/x/messages/@original", token=None)
    # An ephemeral message exists for its token only.
    by_bot = f"/channels/{scene.channel.id}/messages/{shown.response_id}"
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "PATCH", by_bot, {"content": "y", **QUIET})
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "POST", f"{by_bot}/threads", {"name": "A clip"})
    assert (await raw("DELETE", f"{webhook}/messages/@original", token=None)).status == 204
    await refused(scene, raw, Reason.UNKNOWN_MESSAGE, "GET", f"{webhook}/messages/@original", token=None)


async def test_the_first_follow_up_after_a_deferral_fills_the_placeholder(scene: Scene, raw: Raw) -> None:
    shown = scene.interact()
    await raw(
        "POST", f"/interactions/{shown.id}/{shown.token}/callback", {"type": 5, "data": {"flags": 64}}, token=None
    )
    webhook = f"/webhooks/{scene.world.application_id}/{shown.token}"
    first = await raw("POST", webhook, {"content": "one", **QUIET}, token=None)
    second = await raw("POST", webhook, {"content": "two", **QUIET}, token=None)
    assert first.body["id"] == str(shown.response_id)
    assert [message.ephemeral for message in scene.world.messages(scene.channel.id)] == [True, False]
    assert second.body["content"] == "two"
