"""How messages come to be, change and go, and how threads open: the rules of a channel."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.sandbox import payloads
from bot.sandbox.component_rules import walk
from bot.sandbox.files import content_type, keep, measure, safe_name
from bot.sandbox.form import Form, as_snowflake
from bot.sandbox.mentions import pings_of
from bot.sandbox.message_rules import (
    CREATE,
    EDIT,
    FILES_MAX,
    check_file_nonce,
    check_message,
    check_not_empty,
    texts_of,
)
from bot.sandbox.records import (
    Attachment,
    Channel,
    ChannelType,
    Json,
    Message,
    MessageFlag,
    MessageType,
    Permission,
    Pings,
    Upload,
)
from bot.sandbox.refusal import Reason, RefusedError
from bot.sandbox.world import DIRECT_MESSAGES_INTENT, GUILD_MESSAGES_INTENT, GUILDS_INTENT, Event, World

# What an edit may change; the other bits are the message's own.
_EDITABLE_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.COMPONENTS_V2


def post_as_bot(world: World, channel_id: int, body: Json, uploads: Sequence[Upload]) -> Message:
    """Create Message: https://docs.discord.com/developers/resources/message#create-message."""
    channel = world.visible_channel(channel_id)
    check_sizes(world, channel, uploads)
    check_message(body, uploads, door=CREATE)
    check_not_empty(body, uploads)
    check_file_nonce(body, uploads, world.nonce_pattern)
    _check_may_post(world, channel, uploads)
    reference = _reference(world, channel, body.get("message_reference"))
    if (earlier := _same_nonce(world, body)) is not None:
        return earlier
    _unarchive(world, channel)
    kind = MessageType.REPLY if reference else MessageType.DEFAULT
    return store(
        world,
        channel,
        body,
        uploads,
        author_id=world.bot.id,
        kind=kind,
        reference_id=reference.id if reference else None,
    )


def edit_as_bot(world: World, channel_id: int, message_id: int, body: Json, uploads: Sequence[Upload]) -> Message:
    """Edit Message: https://docs.discord.com/developers/resources/message#edit-message."""
    channel = world.visible_channel(channel_id)
    message = public_message(world, channel_id, message_id)
    if message.author_id != world.bot.id:
        raise RefusedError(Reason.NOT_OWN_MESSAGE)
    check_sizes(world, channel, uploads)
    check_message(body, uploads, door=EDIT)
    if channel.archived:
        raise RefusedError(Reason.ARCHIVED_THREAD)
    return change(world, message, body, uploads)


def delete_as_bot(world: World, channel_id: int, message_id: int) -> None:
    channel = world.visible_channel(channel_id)
    message = public_message(world, channel_id, message_id)
    if message.author_id != world.bot.id:
        world.require(channel, Permission.MANAGE_MESSAGES)
    if channel.archived:
        raise RefusedError(Reason.ARCHIVED_THREAD)
    remove(world, message)


def public_message(world: World, channel_id: int, message_id: int) -> Message:
    """Find a message the bot token can reach; an ephemeral one exists only for its interaction's token."""
    message = world.message(channel_id, message_id)
    if message.ephemeral:
        raise RefusedError(Reason.UNKNOWN_MESSAGE)
    return message


def store(
    world: World,
    channel: Channel,
    body: Json,
    uploads: Sequence[Upload],
    *,
    author_id: int,
    kind: MessageType = MessageType.DEFAULT,
    reference_id: int | None = None,
    interaction_id: int | None = None,
    visible_to: int | None = None,
) -> Message:
    """Write a checked message down and tell whoever listens."""
    replied = world.stored.messages.get(reference_id or 0)
    mentions = pings_of(texts_of(body), body.get("allowed_mentions"), replied_to=replied.author_id if replied else None)
    message_id = world.new_id()
    message = Message(
        id=message_id,
        channel_id=channel.id,
        author_id=author_id,
        created_ms=world.now_ms(),
        type=kind,
        content=body.get("content") or "",
        embeds=body.get("embeds") or [],
        components=numbered(body.get("components") or []),
        attachments=[shelve(world, channel.id, item, _description(body, item)) for item in uploads],
        flags=body.get("flags") or 0,
        nonce=_nonce(body),
        reference_id=reference_id,
        pings=_heard(world, channel, mentions),
        mentions=mentions,
        interaction_id=interaction_id,
        visible_to=visible_to,
    )
    world.stored.messages[message_id] = message
    channel.last_message_id = message_id
    if message.nonce is not None:
        world.stored.nonces[author_id, message.nonce] = (message_id, world.now_ms())
    tell(world, "MESSAGE_CREATE", message)
    return message


def change(world: World, message: Message, body: Json, uploads: Sequence[Upload]) -> Message:
    """Apply a checked edit: fields that are absent stay; an edit of a waiting placeholder is its first content."""
    content = message.content if "content" not in body else body["content"] or ""
    embeds = message.embeds if "embeds" not in body else body["embeds"] or []
    components = message.components if "components" not in body else numbered(body["components"] or [])
    kept = _kept(message, body)
    flags = message.flags if body.get("flags") is None else _edited_flags(message, body["flags"])
    _check_edited(content, embeds, components, len(kept) + len(uploads), flags)

    first = message.loading
    message.content, message.embeds, message.components = content, embeds, components
    message.attachments = kept + [shelve(world, message.channel_id, u, _description(body, u)) for u in uploads]
    message.flags = flags & ~MessageFlag.LOADING
    if "content" in body or "components" in body:
        texts = texts_of({"content": content, "components": components})
        message.mentions = pings_of(texts, body.get("allowed_mentions"))
    if first:
        message.pings = _heard(world, world.channel(message.channel_id), message.mentions)
    else:
        message.edited_ms = world.now_ms()
    tell(world, "MESSAGE_UPDATE", message)
    return message


def remove(world: World, message: Message) -> None:
    """Delete a message; a thread that grew from it survives without it."""
    del world.stored.messages[message.id]
    if not message.ephemeral:
        data = {"id": str(message.id), "channel_id": str(message.channel_id)}
        world.emit(_message_event(world, "MESSAGE_DELETE", message, data))
    world.changes.announce()


def tell(world: World, name: str, message: Message) -> None:
    """An ephemeral message is no event for the bot, nor one it may not see; waiting tests hear of every change."""
    seen = world.bot_permissions(world.channel(message.channel_id)) & Permission.VIEW_CHANNEL
    if seen and not message.ephemeral:
        world.emit(_message_event(world, name, message, payloads.message(world, message)))
    world.changes.announce()


def _message_event(world: World, name: str, message: Message, data: Json) -> Event:
    channel = world.channel(message.channel_id)
    if channel.guild_id is None:
        return Event(name=name, data=data, guild_id=None, intents=DIRECT_MESSAGES_INTENT)
    data |= {"guild_id": str(channel.guild_id)}
    return Event(name=name, data=data, guild_id=channel.guild_id, intents=GUILD_MESSAGES_INTENT)


def check_sizes(world: World, channel: Channel, uploads: Sequence[Upload]) -> None:
    """The guild's limit is per file: https://docs.discord.com/developers/reference#uploading-files."""
    if any(upload.size > world.upload_bytes_max(channel) for upload in uploads):
        raise RefusedError(Reason.TOO_LARGE)


def shelve(
    world: World, channel_id: int, upload: Upload, description: str | None = None, *, ephemeral: bool = False
) -> Attachment:
    """Give an arrived file its id and its place."""
    attachment_id = world.new_id()
    filename = safe_name(upload.filename)
    path = keep(upload, folder=world.folder / "attachments" / str(attachment_id), filename=filename)
    shelf = f"ephemeral-attachments/{world.application_id}" if ephemeral else f"attachments/{channel_id}"
    measures = measure(path)
    attachment = Attachment(
        id=attachment_id,
        filename=filename,
        path=path,
        size=upload.size,
        sha256=upload.sha256,
        content_type=content_type(filename),
        link_path=f"/{shelf}/{attachment_id}/{filename}",
        description=description,
        ephemeral=ephemeral,
        width=measures.width,
        height=measures.height,
        duration_seconds=measures.duration_seconds,
    )
    world.stored.links[attachment.link_path] = path
    return attachment


def numbered(components: list[Json]) -> list[Json]:
    """Give every component an id, as Discord does where none was sent."""
    for number, component in enumerate(walk(components), start=1):
        component.setdefault("id", number)
    return components


def open_thread(
    world: World, channel: Channel, body: Json, *, starter: Message | None = None, kind: ChannelType
) -> Channel:
    """Store a thread; one that starts from a message has the message's id."""
    thread = Channel(
        id=starter.id if starter else world.new_id(),
        type=kind,
        name=body["name"],
        guild_id=channel.guild_id,
        parent_id=channel.id,
        owner_id=world.bot.id,
        created_ms=world.now_ms(),
        auto_archive_minutes=body.get("auto_archive_duration") or 1440,
        slowmode_seconds=body.get("rate_limit_per_user") or 0,
    )
    world.stored.channels[thread.id] = thread
    if starter is not None:
        starter.thread_id = thread.id
    data = payloads.channel(world, thread) | {"newly_created": True}
    world.emit(Event(name="THREAD_CREATE", data=data, guild_id=channel.guild_id, intents=GUILDS_INTENT))
    return thread


def tell_thread(world: World, thread: Channel) -> None:
    data = payloads.channel(world, thread)
    world.emit(Event(name="THREAD_UPDATE", data=data, guild_id=thread.guild_id, intents=GUILDS_INTENT))


def _check_may_post(world: World, channel: Channel, uploads: Sequence[Upload]) -> None:
    if channel.type is ChannelType.FORUM:
        raise RefusedError(Reason.FORUM_MESSAGE)
    if channel.type is ChannelType.DM:
        if not world.shares_guild(channel.recipient_id or 0):
            raise RefusedError(Reason.NO_COMMON_GUILD)
        if not world.stored.users[channel.recipient_id or 0].accepts_dms:
            raise RefusedError(Reason.CLOSED_DM)
        return
    world.require(channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES)
    if uploads:
        world.require(channel, Permission.ATTACH_FILES)
    if channel.locked and not world.bot_permissions(channel) & Permission.MANAGE_THREADS:
        raise RefusedError(Reason.THREAD_LOCKED)


def _reference(world: World, channel: Channel, reference: Json | None) -> Message | None:
    """Find the message replied to; it must be in the same channel."""
    if reference is None:
        return None
    world.require(channel, Permission.READ_MESSAGE_HISTORY)
    message = world.stored.messages.get(as_snowflake(reference["message_id"]) or 0)
    elsewhere = as_snowflake(reference.get("channel_id", channel.id)) != channel.id
    if message is not None and message.channel_id == channel.id and not elsewhere and not message.ephemeral:
        return message
    if not elsewhere and message is None and reference.get("fail_if_not_exists") is False:
        return None
    form = Form()
    form.wrong("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
    form.finish()
    return None


def _same_nonce(world: World, body: Json) -> Message | None:
    """Return the author's message of the same nonce; if it was deleted meanwhile there is nothing to return."""
    nonce = _nonce(body)
    if nonce is None or not body.get("enforce_nonce"):
        return None
    message_id, created_ms = world.stored.nonces.get((world.bot.id, nonce), (0, 0))
    if not message_id or world.now_ms() - created_ms > world.nonce_window_ms:
        return None
    if message_id not in world.stored.messages:
        raise RefusedError(Reason.UNKNOWN_MESSAGE)
    return world.stored.messages[message_id]


def _heard(world: World, channel: Channel, mentions: Pings) -> Pings:
    """Whoever left the guild can be named in it, and hears nothing of it."""
    if channel.guild_id is None:
        return mentions
    members = world.guild(channel.guild_id).members
    return replace(mentions, users=mentions.users.intersection(members))


def _unarchive(world: World, channel: Channel) -> None:
    if channel.archived:
        channel.archived = False
        channel.archived_ms = world.now_ms()
        tell_thread(world, channel)


def _kept(message: Message, body: Json) -> list[Attachment]:
    """An edit's list names what stays; without a list everything stays."""
    if body.get("attachments") is None:
        return list(message.attachments)
    named = {as_snowflake(entry["id"]) for entry in body["attachments"]}
    form = Form()
    for number in named - {attachment.id for attachment in message.attachments}:
        if number is None or number >= FILES_MAX:
            form.wrong("attachments", "ATTACHMENT_NOT_FOUND", f"The message has no attachment {number}.")
    form.finish()
    return [attachment for attachment in message.attachments if attachment.id in named]


def _edited_flags(message: Message, flags: int) -> int:
    """A layout stays a layout; of the rest an edit changes only the suppression of embeds."""
    kept = message.flags & ~MessageFlag.SUPPRESS_EMBEDS
    return kept | (flags & _EDITABLE_FLAGS)


def _check_edited(content: str, embeds: list[Json], components: list[Json], files: int, flags: int) -> None:
    if not (content or embeds or components or files):
        raise RefusedError(Reason.EMPTY_MESSAGE)
    form = Form()
    if flags & MessageFlag.COMPONENTS_V2 and (content or embeds):
        form.wrong("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "A layout has no content or embeds.")
    if files > FILES_MAX:
        form.wrong("attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES_MAX} or fewer in length.")
    form.finish()


def _description(body: Json, upload: Upload) -> str | None:
    entries: list[Json] = body.get("attachments") or []
    return next((e.get("description") for e in entries if as_snowflake(e.get("id")) == upload.index), None)


def _nonce(body: Json) -> str | None:
    nonce: Any = body.get("nonce")
    return None if nonce is None else str(nonce)
