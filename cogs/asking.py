"""Who is asking, and how every click is answered: the same for all commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord

from bot.client import answer_error
from bot.domain.request_errors import NotAllowedError

MANAGE = "Manage Server"


def role_ids(user: discord.User | discord.Member) -> tuple[int, ...]:
    """The ids in the payload: without intents the library has no role objects, so `user.roles` is empty."""
    return tuple(user._roles) if isinstance(user, discord.Member) else ()  # noqa: SLF001 -- there is no public way


def is_manager(interaction: discord.Interaction) -> bool:
    return interaction.permissions.manage_guild


def managed_guild(interaction: discord.Interaction) -> int:
    """The server's id for somebody who manages it, checked at this moment. Raises NotAllowedError."""
    if interaction.guild_id is None or not is_manager(interaction):
        raise NotAllowedError(permission=MANAGE)
    return interaction.guild_id


@asynccontextmanager
async def answering(interaction: discord.Interaction) -> AsyncIterator[None]:
    """A click's every error is answered: the library would log it and leave whoever clicked waiting."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- a click has no handler of the library's own; this answers them all
        await answer_error(interaction, error)
