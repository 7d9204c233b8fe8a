"""What the options of `/quota` stand for: whom it is about, what was typed, and what is offered meanwhile."""

from collections.abc import Iterable

import discord
from discord import app_commands
from discord.app_commands import Choice, Transform

from bot.domain.errors import BotError
from bot.domain.quota import Unit, amount_words, parse_amount
from bot.domain.request_errors import OptionUnknownError, SubjectUnknownError
from bot.domain.requests import Tier
from bot.domain.rules import Audience
from bot.ports.quota import Who
from bot.services.quota_desk import SubjectChoiceError
from cogs.asking import is_manager, managed_guild, role_ids

AMOUNT_CHARS = 32
Person = discord.Member | discord.User | discord.Object


class RoleOption(app_commands.Transformer):
    """A role's id, whether or not it is this server's: whoever uses it asks the server."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.role

    async def transform(self, _interaction: discord.Interaction, value: discord.Role | discord.Object, /) -> int:
        return value.id


class PersonOption(app_commands.Transformer):
    """Somebody: a member, or who was one; whoever needs a member asks `_member`."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.user

    async def transform(self, _interaction: discord.Interaction, value: Person, /) -> Person:
        return value


RoleId = Transform[int, RoleOption]
Somebody = Transform[Person, PersonOption]


def guild_of(interaction: discord.Interaction) -> int:
    if interaction.guild_id is None:
        raise TypeError("Discord sent a command of a server without its server")
    return interaction.guild_id


def check_may_read(interaction: discord.Interaction, owner: str | None) -> None:
    """One's own lines are one's own; all others are for those who manage the server."""
    if owner != str(interaction.user.id):
        managed_guild(interaction)


def who_of(interaction: discord.Interaction, member: Person | None) -> Who:
    """Whoever asks, or the member whom somebody with Manage Server asks about."""
    if member is None or member.id == interaction.user.id:
        return _as_who(interaction, interaction.user, manages=is_manager(interaction))
    managed_guild(interaction)
    found = _member(member)
    permissions = found.resolved_permissions
    return _as_who(interaction, found, manages=permissions is not None and permissions.manage_guild)


def _as_who(interaction: discord.Interaction, user: discord.Member | discord.User, *, manages: bool) -> Who:
    return Who(guild_id=guild_of(interaction), member_id=str(user.id), role_ids=role_ids(user), is_manager=manages)


def _member(person: Person) -> discord.Member:
    """Whoever left comes without a membership."""
    if not isinstance(person, discord.Member):
        raise SubjectUnknownError(subject=f"<@{person.id}>", kind="member")
    return person


def subject_of(
    interaction: discord.Interaction, role: int | None, member: Person | None, *, may_have_left: bool = False
) -> tuple[Audience, int | None]:
    """Whom a rule is for. The rule of somebody who left can still be removed."""
    if role is not None and member is not None:
        raise SubjectChoiceError(what="Name a role or a member, not both.")
    if member is not None:
        return Audience.MEMBER, member.id if may_have_left else _member(member).id
    if role is not None:
        is_everyone = role == guild_of(interaction)
        return (Audience.EVERYONE, None) if is_everyone else (Audience.ROLE, role)
    return Audience.SERVER, None


def tiers_of(text: str | None) -> frozenset[Tier] | None:
    if text is None:
        return None
    words = text.lower().replace(",", " ").split()
    unknown = [word for word in words if word not in set(Tier)]
    if unknown or not words:
        raise OptionUnknownError(option="tier", asked=unknown[0] if unknown else text, known=", ".join(Tier))
    return frozenset(map(Tier, words))


def read_amount(unit: str | None, typed: str) -> list[Choice[str]]:
    if unit not in set(Unit) or not typed.strip():
        return []
    try:
        return [Choice(name=amount_words(Unit(unit), parse_amount(Unit(unit), typed)), value=typed[:AMOUNT_CHARS])]
    except BotError:
        return []


def offered(choices: Iterable[str], typed: str) -> list[Choice[str]]:
    return [Choice(name=one, value=one) for one in choices if typed.strip().lower() in one]
