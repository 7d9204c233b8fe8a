"""The world's things as Discord writes them: https://docs.discord.com/developers/resources/message and its siblings."""

from bot.sandbox.clock import snowflake_ms, timestamp
from bot.sandbox.records import (
    Attachment,
    Channel,
    ChannelType,
    Guild,
    Interaction,
    InteractionType,
    Json,
    Member,
    Message,
    MessageFlag,
    MessageType,
    Role,
    User,
)
from bot.sandbox.world import World


def user(value: User) -> Json:
    return {
        "id": str(value.id),
        "username": value.name.lower().replace(" ", "_"),
        "global_name": None if value.bot else value.name,
        "discriminator": "0",
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "bot": value.bot,
        "primary_guild": None,
    }


def member(value: Member, *, with_user: bool = True) -> Json:
    """A member as `resolved.members` has it comes without the user, who stands beside it, and without ears.

    https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure
    """
    payload: Json = {
        "roles": [str(role_id) for role_id in value.role_ids],
        "nick": None,
        "avatar": None,
        "banner": None,
        "joined_at": timestamp(snowflake_ms(value.id)),
        "premium_since": None,
        "communication_disabled_until": None,
        "pending": False,
        "flags": 0,
    }
    return payload | {"user": user(value.user), "deaf": False, "mute": False} if with_user else payload


def role(world: World, value: Role) -> Json:
    payload: Json = {
        "id": str(value.id),
        "name": value.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 0,
        "permissions": str(int(value.permissions)),
        "managed": value.managed,
        "mentionable": False,
        "flags": 0,
    }
    return payload | {"tags": {"bot_id": str(world.bot.id)}} if value.managed else payload


def guild(world: World, value: Guild) -> Json:
    return {
        "id": str(value.id),
        "name": value.name,
        "icon": None,
        "splash": None,
        "banner": None,
        "description": None,
        "owner_id": str(value.owner_id),
        "preferred_locale": value.locale,
        "premium_tier": value.premium_tier,
        "premium_subscription_count": 0,
        "roles": [role(world, item) for item in value.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "system_channel_flags": 0,
    }


def whole_guild(world: World, value: Guild) -> Json:
    """GUILD_CREATE: https://docs.discord.com/developers/events/gateway-events#guild-create."""
    channels = [item for item in world.stored.channels.values() if item.guild_id == value.id]
    return guild(world, value) | {
        "joined_at": timestamp(snowflake_ms(value.id)),
        "large": False,
        "unavailable": False,
        "member_count": len(value.members),
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "members": [member(value.members[world.bot.id])],
        "channels": [channel(world, item) for item in channels if not item.is_thread],
        "threads": [channel(world, item) for item in channels if item.is_thread and not item.archived],
    }


def channel(world: World, value: Channel) -> Json:
    payload: Json = {
        "id": str(value.id),
        "type": int(value.type),
        "flags": 0,
        "last_message_id": _text(value.last_message_id),
    }
    if value.type is ChannelType.DM:
        recipient = world.stored.users[value.recipient_id or 0]
        return payload | {"recipients": [user(recipient)]}
    payload |= {
        "guild_id": str(value.guild_id),
        "name": value.name,
        "parent_id": _text(value.parent_id),
        "rate_limit_per_user": value.slowmode_seconds,
    }
    if value.is_thread:
        return payload | _thread_fields(world, value)
    payload |= {"position": 0, "nsfw": False, "topic": None, "permission_overwrites": _overwrites(value)}
    return payload | ({"bitrate": 64_000, "user_limit": 0} if value.type is ChannelType.VOICE else {})


def _overwrites(value: Channel) -> list[Json]:
    """https://docs.discord.com/developers/resources/channel#overwrite-object."""
    return [
        {
            "id": str(number),
            "type": 0 if item.for_role else 1,
            "allow": str(int(item.allow)),
            "deny": str(int(item.deny)),
        }
        for number, item in value.overwrites.items()
    ]


def _thread_fields(world: World, value: Channel) -> Json:
    count = len(world.messages(value.id))
    return {
        "owner_id": str(value.owner_id),
        "message_count": count,
        "total_message_sent": count,
        "member_count": 1,
        "thread_metadata": {
            "archived": value.archived,
            "archive_timestamp": timestamp(value.archived_ms or value.created_ms),
            "auto_archive_duration": value.auto_archive_minutes,
            "locked": value.locked,
            "create_timestamp": timestamp(value.created_ms),
        },
    }


def attachment(world: World, value: Attachment) -> Json:
    url = world.links.sign(value.link_path)
    payload: Json = {
        "id": str(value.id),
        "filename": value.filename,
        "size": value.size,
        "url": url,
        "proxy_url": url,
        "content_type": value.content_type,
    }
    extras = {
        "description": value.description,
        "width": value.width,
        "height": value.height,
        "duration_secs": value.duration_seconds,
        "ephemeral": value.ephemeral or None,
    }
    return payload | {name: extra for name, extra in extras.items() if extra is not None}


def message(world: World, value: Message, *, whole: bool = False) -> Json:
    """A message as the bot sees it.

    Without the message content intent others' messages come empty, except in DMs and when they mention the bot:
    https://docs.discord.com/developers/events/gateway#message-content-intent
    """
    if not (whole or _content_visible(world, value)):
        return message(world, _emptied(value), whole=True)
    payload: Json = {
        "id": str(value.id),
        "channel_id": str(value.channel_id),
        "type": int(value.type),
        "author": user(world.stored.users[value.author_id]),
        "content": value.content,
        "embeds": [_embed(world, value, embed) for embed in value.embeds],
        "components": value.components,
        "attachments": [attachment(world, item) for item in value.attachments],
        "mentions": [user(world.stored.users[i]) for i in sorted(value.mentions.users) if i in world.stored.users],
        "mention_roles": [str(item) for item in sorted(value.mentions.roles)],
        "mention_everyone": value.mentions.everyone,
        "timestamp": timestamp(value.created_ms),
        "edited_timestamp": timestamp(value.edited_ms) if value.edited_ms else None,
        "flags": value.flags | (MessageFlag.HAS_THREAD if value.thread_id else 0),
        "pinned": False,
        "tts": False,
    }
    return payload | _references(world, value)


def _embed(world: World, value: Message, embed: Json) -> Json:
    """An embed shows its message's files by `attachment://name`; whoever reads it gets their links."""
    payload: Json = {"type": "rich", **embed}
    for part in ("image", "thumbnail"):
        shown = embedded_file(value, embed.get(part))
        if shown is not None:
            payload[part] = embed[part] | {"url": attachment(world, shown)["url"]}
    return payload


def embedded_file(value: Message, media: Json | None) -> Attachment | None:
    """Find the attachment that `attachment://name` stands for."""
    url = str((media or {}).get("url", ""))
    return next((item for item in value.attachments if url == f"attachment://{item.filename}"), None)


def _references(world: World, value: Message) -> Json:
    payload: Json = {"nonce": value.nonce} if value.nonce is not None else {}
    if value.reference_id is not None:
        payload["message_reference"] = {
            "type": 0,
            "message_id": str(value.reference_id),
            "channel_id": str(value.channel_id),
        }
        replied = world.stored.messages.get(value.reference_id)
        payload["referenced_message"] = message(world, replied) if replied else None
    if value.thread_id in world.stored.channels:
        payload["thread"] = channel(world, world.channel(value.thread_id))
    if value.interaction_id is not None:
        interaction = world.stored.interactions[value.interaction_id]
        payload["application_id"] = payload["webhook_id"] = str(world.application_id)
        payload["interaction_metadata"] = {
            "id": str(interaction.id),
            "type": int(interaction.type),
            "user": user(interaction.member.user),
            "authorizing_integration_owners": {"0": str(interaction.member.guild_id)},
        }
    return payload


def _content_visible(world: World, value: Message) -> bool:
    own = value.author_id == world.bot.id
    return own or world.bot.id in value.mentions.users or world.channel(value.channel_id).type is ChannelType.DM


def _emptied(value: Message) -> Message:
    return Message(
        id=value.id,
        channel_id=value.channel_id,
        author_id=value.author_id,
        created_ms=value.created_ms,
        type=MessageType(value.type),
        reference_id=value.reference_id,
        edited_ms=value.edited_ms,
        mentions=value.mentions,
        thread_id=value.thread_id,
    )


def interaction(world: World, value: Interaction) -> Json:
    """INTERACTION_CREATE: https://docs.discord.com/developers/interactions/receiving-and-responding."""
    place = world.channel(value.channel_id)
    home = world.guild(value.member.guild_id)
    permissions = str(int(world.permissions(value.member, place)))
    payload: Json = {
        "id": str(value.id),
        "application_id": str(world.application_id),
        "type": int(value.type),
        "version": 1,
        "token": value.token,
        "data": value.data,
        "guild_id": str(home.id),
        "guild": {"id": str(home.id), "locale": home.locale, "features": []},
        "guild_locale": home.locale,
        "channel_id": str(place.id),
        "channel": channel(world, place) | {"permissions": permissions},
        "member": member(value.member) | {"permissions": permissions},
        "app_permissions": str(int(world.bot_permissions(place))),
        "locale": value.member.locale,
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(home.id)},
        "context": 0,
        "attachment_size_limit": home.upload_bytes_max,
    }
    source = world.stored.messages.get(value.source_message_id or 0)
    if source is not None and value.type in (InteractionType.COMPONENT, InteractionType.MODAL_SUBMIT):
        payload["message"] = message(world, source, whole=True)
    return payload


def _text(snowflake: int | None) -> str | None:
    return None if snowflake is None else str(snowflake)
