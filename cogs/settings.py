"""`/settings`: what a server decided for itself, shown and changed by those who manage it."""

from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.client import DailiesBot
from bot.domain.requests import Tier
from bot.services.guild_desk import CHANNELS, FIELDS, ROLES, Change, GuildDesk, Line
from cogs.asking import is_manager, managed_guild

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
        if field in CHANNELS | ROLES:
            return await self._mentions(interaction, field, typed)
        return [Choice(name=one, value=one) for one in suggestions(field, typed)[:CHOICES_MAX]]

    async def _mentions(self, interaction: discord.Interaction, field: str, typed: str) -> list[Choice[str]]:
        """Names of hidden channels are for those who manage the server."""
        if interaction.guild_id is None or not is_manager(interaction):
            return []
        known = await self._choices.offered(interaction.guild_id, field)
        return mentions(known, typed, is_role=field in ROLES, takes_more=field == "channels")


def mentions(known: Mapping[int, str], typed: str, *, is_role: bool, takes_more: bool) -> list[Choice[str]]:
    """A mention, which is what Discord makes of a `#name` that is picked in the text; behind those typed already."""
    before, _, wanted = typed.rpartition(" ") if takes_more else ("", "", typed)
    sign, mention = ("@", "<@&{}>") if is_role else ("#", "<#{}>")
    wanted = wanted.strip().lower().removeprefix(sign)
    found = [(one, name) for one, name in known.items() if wanted in name.lower() or wanted == mention.format(one)]
    shown = _readable(f"{before} " if before else "", known)
    choices = [
        Choice(name=f"{shown}{sign}{name}"[:CHOICE_CHARS], value=f"{before} {mention.format(one)}".strip())
        for one, name in sorted(found, key=lambda item: not item[1].lower().startswith(wanted))
    ]
    nothing = [] if before else [Choice(name="none", value="none")]
    return [*(one for one in choices if len(one.value) <= CHOICE_CHARS)][: CHOICES_MAX - 1] + nothing


def _readable(text: str, known: Mapping[int, str]) -> str:
    for one, name in known.items():
        text = text.replace(f"<#{one}>", f"#{name}")
    return text


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
    found = [name for name in _all_zones() if wanted in name.lower()]
    return sorted(found, key=lambda name: (not name.lower().rpartition("/")[2].startswith(wanted), name))


@cache
def _all_zones() -> tuple[str, ...]:
    """Read from disk, and asked for at every keystroke."""
    return tuple(available_timezones())


def _shown(line: Line) -> str:
    default = "" if line.value == line.default else f" (default {line.default})"
    return f"**{line.name}**: {_cut(line.value, SHOWN_CHARS)}{default}\n-# {line.meaning}"


def _changed(change: Change) -> str:
    before, after = _cut(change.before, CHANGED_CHARS), _cut(change.after, CHANGED_CHARS)
    if change.before == change.after:
        return f"**{change.name}** stays {after}."
    return f"**{change.name}** is now {after}; it was {before}."


def _cut(text: str, most: int) -> str:
    """Between words: half a mention is a number."""
    return text if len(text) <= most else f"{text[: most - 1].rpartition(' ')[0] or text[: most - 1]}…"


async def setup(bot: DailiesBot) -> None:
    await bot.add_cog(Settings(choices=bot.provided.choices))
