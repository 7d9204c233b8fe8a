"""What all commands that ask for a clip share: where it goes, what came with it, what the bot may do there."""

from collections.abc import Mapping

import discord

from bot.delivery.whispers import Whispers
from bot.domain.film_errors import ServerOnlyError
from bot.domain.jobs import ChannelTarget
from bot.domain.references import Reference
from bot.domain.request_errors import BotPermissionsError
from bot.domain.slots import Place
from bot.services.films import Asked
from cogs.asking import role_ids

THREADED = frozenset({discord.ChannelType.text, discord.ChannelType.news})
FILE_NAME_CHARS = 80


async def acknowledge(interaction: discord.Interaction, whispers: Whispers) -> Asked:
    """Answer first; the reply becomes the job's card. Raises ServerOnlyError, BotPermissionsError."""
    check_permissions(interaction)
    answer = await interaction.response.defer(thinking=True)
    whispers.keep(interaction.id, interaction)
    if answer is None or answer.message_id is None or interaction.channel_id is None:
        raise TypeError("Discord acknowledged the command without naming its message")
    return Asked(
        job_id=interaction.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        member_id=str(interaction.user.id),
        role_ids=role_ids(interaction.user),
        target=_target(interaction, interaction.channel_id, answer.message_id),
    )


def check_permissions(interaction: discord.Interaction) -> None:
    """What a card and a clip need; the payload says what the bot may do here.

    Raises BotPermissionsError; ServerOnlyError where no server's rules would hold: buttons also stand in direct
    messages.
    """
    if interaction.guild_id is None:
        raise ServerOnlyError
    may = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    needed = {
        "see messages": may.view_channel,
        "send messages": may.send_messages_in_threads if in_thread else may.send_messages,
        "attach files": may.attach_files,
        "embed links": may.embed_links,
    }
    missing = [words for words, allowed in needed.items() if not allowed]
    if missing:
        raise BotPermissionsError(missing=" or ".join(missing))


def references_of(places: Mapping[Place, discord.Attachment | None]) -> tuple[Reference, ...]:
    return tuple(
        Reference(place=place, name=clean_name(one.filename), source=one.url, declared_bytes=one.size)
        for place, one in places.items()
        if one is not None
    )


def clean_name(name: str) -> str:
    """A file name is the sender's text: one line, no control characters, not endless."""
    visible = "".join(character for character in name if character.isprintable())
    return visible[:FILE_NAME_CHARS] or "file"


def _target(interaction: discord.Interaction, channel_id: int, message_id: int) -> ChannelTarget:
    may_open = interaction.app_permissions.create_public_threads
    return ChannelTarget(
        channel_id=channel_id,
        status_message_id=message_id,
        opens_thread=may_open and interaction.channel is not None and interaction.channel.type in THREADED,
        parent_id=interaction.channel.parent_id if isinstance(interaction.channel, discord.Thread) else None,
        by_manager=interaction.permissions.manage_guild,
    )
