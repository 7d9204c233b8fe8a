"""An interaction's life: one acknowledgement within 3 s, a token of 15 min, its messages."""

from collections.abc import Sequence
from secrets import token_urlsafe

from bot.sandbox import payloads, posting
from bot.sandbox.command_rules import check_choice
from bot.sandbox.component_rules import check_modal
from bot.sandbox.form import Form
from bot.sandbox.message_rules import ANSWER, ANSWER_EDIT, check_message, check_not_empty
from bot.sandbox.records import (
    AnswerType,
    Attachment,
    Interaction,
    InteractionType,
    Json,
    Member,
    Message,
    MessageFlag,
    MessageType,
    Upload,
)
from bot.sandbox.refusal import Reason, RefusedError, Rule
from bot.sandbox.world import Event, World

# https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
ACKNOWLEDGE_WITHIN_MS = 3_000
TOKEN_LIFE_MS = 15 * 60 * 1000

_MESSAGE_ANSWERS = {AnswerType.MESSAGE, AnswerType.DEFERRED_MESSAGE}
_UPDATE_ANSWERS = {AnswerType.DEFERRED_UPDATE, AnswerType.UPDATE}
_ALLOWED = {
    InteractionType.COMMAND: _MESSAGE_ANSWERS | {AnswerType.MODAL},
    InteractionType.COMPONENT: _MESSAGE_ANSWERS | _UPDATE_ANSWERS | {AnswerType.MODAL},
    InteractionType.AUTOCOMPLETE: {AnswerType.CHOICES},
    InteractionType.MODAL_SUBMIT: _MESSAGE_ANSWERS,
}


def begin(
    world: World,
    member: Member,
    channel_id: int,
    kind: InteractionType,
    data: Json,
    *,
    source: Message | None = None,
    uploads: Sequence[Attachment] = (),
) -> Interaction:
    """Write an interaction down and send it through the gateway."""
    interaction = Interaction(
        id=world.new_id(),
        token=token_urlsafe(48),
        type=kind,
        member=member,
        channel_id=channel_id,
        data=data,
        created_ms=world.now_ms(),
        source_message_id=source.id if source else None,
        uploads=list(uploads),
    )
    world.stored.interactions[interaction.id] = interaction
    payload = payloads.interaction(world, interaction)
    world.emit(Event(name="INTERACTION_CREATE", data=payload, guild_id=member.guild_id))
    return interaction


def acknowledge(world: World, interaction_id: int, token: str, body: Json, uploads: Sequence[Upload]) -> Interaction:
    """Create Interaction Response: the first and only one, in time."""
    interaction = world.stored.interactions.get(interaction_id)
    if interaction is None or interaction.token != token:
        raise RefusedError(Reason.UNKNOWN_INTERACTION)
    if interaction.answer is not None:
        raise RefusedError(Reason.ALREADY_ACKNOWLEDGED)
    if world.now_ms() > interaction.created_ms + ACKNOWLEDGE_WITHIN_MS:
        raise RefusedError(Reason.UNKNOWN_INTERACTION, rule=Rule.LATE_ACKNOWLEDGEMENT)
    answer = _answer_type(interaction, body)
    _give(world, interaction, answer, body.get("data") or {}, uploads)
    interaction.answer = answer
    interaction.answered_ms = world.now_ms()
    world.changes.announce()
    return interaction


def callback_payload(world: World, interaction: Interaction) -> Json:
    """What `with_response` returns.

    https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-callback-interaction-callback-response-object
    """
    message = world.stored.messages.get(interaction.response_id or 0)
    about: Json = {"id": str(interaction.id), "type": int(interaction.type)}
    if message is not None:
        about |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.loading,
            "response_message_ephemeral": message.ephemeral,
        }
    resource: Json = {"type": int(interaction.answer or 0)}
    if message is not None and interaction.answer in _MESSAGE_ANSWERS | {AnswerType.UPDATE}:
        resource["message"] = payloads.message(world, message)
    return {"interaction": about, "resource": resource}


def follow_up(world: World, token: str, body: Json, uploads: Sequence[Upload]) -> Message:
    """Create Followup Message; after a deferral the first one fills the placeholder."""
    interaction = live(world, token)
    channel = world.channel(interaction.channel_id)
    posting.check_sizes(world, channel, uploads)
    check_message(body, uploads, door=ANSWER)
    check_not_empty(body, uploads)
    placeholder = world.stored.messages.get(interaction.response_id or 0)
    if placeholder is not None and placeholder.loading:
        return posting.change(world, placeholder, body, uploads)
    return _say(world, interaction, body, uploads)


def edit(world: World, token: str, message_id: int | None, body: Json, uploads: Sequence[Upload]) -> Message:
    """Edit the original response, or a follow-up by its id."""
    message = own_message(world, token, message_id)
    posting.check_sizes(world, world.channel(message.channel_id), uploads)
    check_message(body, uploads, door=ANSWER_EDIT)
    return posting.change(world, message, body, uploads)


def delete(world: World, token: str, message_id: int | None) -> None:
    posting.remove(world, own_message(world, token, message_id))


def own_message(world: World, token: str, message_id: int | None) -> Message:
    """Find a message that this token may touch: the original response (no id), or one it made."""
    interaction = live(world, token)
    wanted = interaction.response_id if message_id is None else message_id
    if wanted is None or wanted not in {interaction.response_id, *interaction.message_ids}:
        raise RefusedError(Reason.UNKNOWN_MESSAGE)
    return world.message(interaction.channel_id, wanted)


def live(world: World, token: str) -> Interaction:
    """Find the acknowledged interaction of a token that is still alive."""
    found = (i for i in world.stored.interactions.values() if i.token == token)
    interaction = next(found, None)
    if interaction is None or interaction.answer is None:
        raise RefusedError(Reason.UNKNOWN_WEBHOOK)
    if world.now_ms() > interaction.created_ms + TOKEN_LIFE_MS:
        raise RefusedError(Reason.DEAD_TOKEN)
    return interaction


def _answer_type(interaction: Interaction, body: Json) -> AnswerType:
    form = Form()
    form.known(body, {"type", "data"})
    allowed = set(_ALLOWED[interaction.type])
    if interaction.type is InteractionType.MODAL_SUBMIT and interaction.source_message_id is not None:
        allowed |= _UPDATE_ANSWERS
    form.choice(body, "type", allowed, required=True)
    if body.get("data") is not None:
        form.mapping(body["data"], "data")
    form.finish()
    return AnswerType(body["type"])


def _give(world: World, interaction: Interaction, answer: AnswerType, data: Json, uploads: Sequence[Upload]) -> None:
    match answer:
        case AnswerType.MESSAGE:
            posting.check_sizes(world, world.channel(interaction.channel_id), uploads)
            check_message(data, uploads, door=ANSWER, prefix="data.")
            check_not_empty(data, uploads)
            interaction.response_id = _say(world, interaction, data, uploads).id
        case AnswerType.DEFERRED_MESSAGE:
            _check_deferral(data)
            placeholder = {"flags": (data.get("flags") or 0) | MessageFlag.LOADING}
            interaction.response_id = _say(world, interaction, placeholder, ()).id
        case AnswerType.DEFERRED_UPDATE:
            interaction.response_id = interaction.source_message_id
        case AnswerType.UPDATE:
            _update_source(world, interaction, data, uploads)
        case AnswerType.CHOICES:
            interaction.choices = _checked_choices(interaction, data)
        case AnswerType.MODAL:
            form = Form()
            check_modal(form, data)
            form.finish()
            interaction.modal = data


def _check_deferral(data: Json) -> None:
    """A deferral says one thing only: whether the answer will be ephemeral."""
    form = Form()
    form.known(data, {"flags"}, "data")
    form.choice(data, "flags", {0, int(MessageFlag.EPHEMERAL)}, path="data")
    form.finish()


def _update_source(world: World, interaction: Interaction, data: Json, uploads: Sequence[Upload]) -> None:
    message = world.message(interaction.channel_id, interaction.source_message_id or 0)
    posting.check_sizes(world, world.channel(interaction.channel_id), uploads)
    check_message(data, uploads, door=ANSWER_EDIT, prefix="data.")
    posting.change(world, message, data, uploads)
    interaction.response_id = message.id


def _checked_choices(interaction: Interaction, data: Json) -> list[Json]:
    form = Form()
    form.known(data, {"choices"}, "data")
    kind = next((option["type"] for option in leaf_options(interaction.data) if option.get("focused")), None)
    for path, item in form.items(data.get("choices"), "data.choices", most=25):
        if (choice := form.mapping(item, path)) is not None:
            check_choice(form, choice, path, kind=kind)
    form.finish()
    return list(data.get("choices") or [])


def leaf_options(data: Json) -> list[Json]:
    """The options with values, out of whatever subcommand they stand in."""
    options: list[Json] = data.get("options") or []
    return [leaf for option in options for leaf in (leaf_options(option) if "options" in option else [option])]


def _say(world: World, interaction: Interaction, body: Json, uploads: Sequence[Upload]) -> Message:
    ephemeral = bool((body.get("flags") or 0) & MessageFlag.EPHEMERAL)
    message = posting.store(
        world,
        world.channel(interaction.channel_id),
        body,
        uploads,
        author_id=world.bot.id,
        kind=_message_type(interaction),
        interaction_id=interaction.id,
        visible_to=interaction.member.id if ephemeral else None,
    )
    interaction.message_ids.append(message.id)
    return message


def _message_type(interaction: Interaction) -> MessageType:
    """The first message of a command carries the command; everything else is a plain message."""
    if interaction.type is not InteractionType.COMMAND or interaction.message_ids:
        return MessageType.DEFAULT
    slash = interaction.data.get("type") == 1
    return MessageType.CHAT_INPUT_COMMAND if slash else MessageType.CONTEXT_MENU_COMMAND
