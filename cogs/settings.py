"""`/settings`: what a server decided for itself, shown and changed by those who manage it."""

from zoneinfo import available_timezones

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.client import DailiesBot
from bot.domain.requests import Tier
from bot.services.guild_desk import CHANNELS, FIELDS, Change, GuildDesk, Line
from cogs.asking import managed_guild

CHOICES_MAX = 25
CHOICE_CHARS = 100
VALUE_CHARS = 2000
SHOWN_CHARS = 90
CHANGED_CHARS = 500
NAMES = [Choice(name=name, value=name) for name in FIELDS]
SWITCHES = ("on", "off")
COMMON_ZONES = ("UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo")
PRICES = ("0.50", "1", "2", "5")


@app_commands.default_permissions(manage_guild=True)
class Settings(
    commands.GroupCog,
    group_name="settings",
    group_description="What this server decided for itself.",
):
    """A server's own choices. Discord hides the commands from others; the code checks again."""

    def __init__(self, *, choices: GuildDesk) -> None:
        self._choices = choices

    @app_commands.command(description="Every choice with its meaning, its value and its default.")
    async def show(self, interaction: discord.Interaction) -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        lines = await self._choices.show(guild_id)
        await interaction.edit_original_response(content="\n".join(_shown(line) for line in lines))

    @app_commands.command(name="set", description="Change one choice.")
    @app_commands.describe(name="Which choice", value="Its new value; none goes back to the default.")
    @app_commands.choices(name=NAMES)
    async def set_(self, interaction: discord.Interaction, name: str, value: Range[str, 1, VALUE_CHARS]) -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        change = await self._choices.put(guild_id, name=name, text=value, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=_changed(change))

    @app_commands.command(description="Put one choice back to its default.")
    @app_commands.describe(name="Which choice")
    @app_commands.choices(name=NAMES)
    async def reset(self, interaction: discord.Interaction, name: str) -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        change = await self._choices.reset(guild_id, name=name, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=_changed(change))

    @set_.autocomplete("value")
    async def _values(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        field = FIELDS.get(str(interaction.namespace.name), "")
        if field in CHANNELS:
            return _this_channel(interaction)
        return [Choice(name=one, value=one) for one in suggestions(field, typed)[:CHOICES_MAX]]


def suggestions(field: str, typed: str) -> list[str]:
    """What might be meant by the text so far."""
    match field:
        case "time_zone":
            return _zones(typed)
        case "default_tier":
            known: tuple[str, ...] = tuple(Tier)
        case "allowed_tiers":
            known = (*Tier, "fast, standard", "fast, standard, pro")
        case "watermark":
            known = SWITCHES
        case "confirm_above_micros" | "approve_above_micros":
            known = (*PRICES, "none")
        case _:
            known = ("none",)
    return [one for one in known if typed.lower() in one]


def _zones(typed: str) -> list[str]:
    """Names that hold the text, those of a city that begins with it first."""
    wanted = typed.strip().lower().replace(" ", "_")
    if not wanted:
        return list(COMMON_ZONES)
    found = [name for name in available_timezones() if wanted in name.lower()]
    return sorted(found, key=lambda name: (not name.lower().rpartition("/")[2].startswith(wanted), name))


def _this_channel(interaction: discord.Interaction) -> list[Choice[str]]:
    """A mention, which is what Discord makes of a `#name` that is picked in the text."""
    here = interaction.channel
    known = [] if here is None else [Choice(name=f"#{here}"[:CHOICE_CHARS], value=f"<#{here.id}>")]
    return [*known, Choice(name="none", value="none")]


def _shown(line: Line) -> str:
    value = line.value if len(line.value) <= SHOWN_CHARS else line.value[: SHOWN_CHARS - 1] + "…"
    default = "" if line.value == line.default else f" (default {line.default})"
    return f"**{line.name}**: {value}{default}\n-# {line.meaning}"


def _changed(change: Change) -> str:
    before, after = (
        one if len(one) <= CHANGED_CHARS else f"{one[:CHANGED_CHARS]}…" for one in (change.before, change.after)
    )
    if before == after:
        return f"**{change.name}** stays {after}."
    return f"**{change.name}** is now {after}; it was {before}."


async def setup(bot: DailiesBot) -> None:
    await bot.add_cog(Settings(choices=bot.provided.choices))
