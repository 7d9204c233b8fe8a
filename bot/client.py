"""The discord.py bot: cogs by name, commands synced when they changed, one answer to every error."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands

from bot.delivery.buttons import BUTTONS
from bot.delivery.whispers import Whispers
from bot.domain.errors import BotError, OperatorError
from bot.services.approvals import Approvals
from bot.services.clip_desk import ClipDesk
from bot.services.desk import JobDesk
from bot.services.films import Films
from bot.services.guild_desk import GuildDesk
from bot.services.intake import Intake
from bot.services.offers import Offers
from bot.services.quota_desk import QuotaDesk

COGS = (
    "cogs.generate",
    "cogs.jobs",
    "cogs.films",
    "cogs.clips",
    "cogs.offers",
    "cogs.quota",
    "cogs.settings",
    "cogs.approvals",
)
KEEPALIVE_SECONDS = 60.0
RATELIMIT_SECONDS_MAX = 60.0

# The library warns of missing voice packages, and this bot never speaks.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What cogs may call."""

    intake: Intake
    desk: JobDesk
    quota: QuotaDesk
    choices: GuildDesk
    approvals: Approvals
    films: Films
    clips: ClipDesk
    offers: Offers
    whispers: Whispers


class Tree(app_commands.CommandTree[commands.AutoShardedBot]):
    """Commands of a server only; one answer to every error."""

    async def on_error(
        self, interaction: discord.Interaction[commands.AutoShardedBot], error: app_commands.AppCommandError, /
    ) -> None:
        await answer_error(interaction, error.__cause__ or error)


async def answer_error(interaction: discord.Interaction, error: BaseException) -> None:
    """A BotError is said to the one who caused it; anything else is logged with a reference and apologised for."""
    if isinstance(error, BotError) and not isinstance(error, OperatorError):
        await _whisper(interaction, str(error))
        return
    if isinstance(error, app_commands.CommandSignatureMismatch):
        await _whisper(interaction, "This command has just changed. Wait a minute, or restart Discord, and try again.")
        return
    reference = secrets.token_hex(4)
    log.error("command failed", reference=reference, exc_info=error)
    text = f"Something broke on our side (reference {reference}). Nothing was charged."
    await _whisper(interaction, text)


async def _whisper(interaction: discord.Interaction, text: str) -> None:
    try:
        if interaction.response.is_done():
            await _instead_of_thinking(interaction, text)
        else:
            await interaction.response.send_message(text, ephemeral=True)
    except discord.HTTPException as fault:
        # Too late to say anything to this interaction; the job, if there is one, is told by the bot's own posts.
        log.warning("could not answer an interaction", code=fault.code)


async def _instead_of_thinking(interaction: discord.Interaction, text: str) -> None:
    """A public placeholder cannot become ephemeral, and the first follow-up would fill it in: it goes first."""
    placeholder = await interaction.original_response()
    if placeholder.flags.ephemeral:
        await interaction.edit_original_response(content=text)
        return
    await placeholder.delete()
    await interaction.followup.send(text, ephemeral=True)


def point_library(*, api_url: str, gateway_url: str) -> None:
    """Make discord.py talk to an API-compatible server: its own class attributes are its only such setting."""
    discord.http.Route.BASE = api_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


class DailiesBot(commands.AutoShardedBot):
    """Takes its services; needs no intents: slash commands come without any, and memory does not grow with servers."""

    def __init__(self, *, synced_path: Path) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            tree_cls=Tree,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=RATELIMIT_SECONDS_MAX,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
        )
        self._services: Services | None = None
        self._synced_path = synced_path

    def provide(self, services: Services) -> None:
        """Called once by wiring: the services tell people through this client, so they are made after it."""
        self._services = services

    @property
    def provided(self) -> Services:
        if self._services is None:
            raise RuntimeError("the client was started before its services were provided")
        return self._services

    async def setup_hook(self) -> None:
        for name in COGS:
            await self.load_extension(name)
        self.add_dynamic_items(*BUTTONS)
        await self._sync_when_changed()

    async def _sync_when_changed(self) -> None:
        """Discord counts creations per day, so the same commands are not sent twice."""
        payload = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        fingerprint = _fingerprint(self.application_id, payload)
        if self._synced_path.exists() and self._synced_path.read_text() == fingerprint:
            return
        await self.tree.sync()
        self._synced_path.write_text(fingerprint)
        log.info("commands synced", count=len(payload))


def _fingerprint(application_id: int | None, payload: Sequence[dict[str, object]]) -> str:
    text = json.dumps([application_id, discord.http.Route.BASE, payload], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
