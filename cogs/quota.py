"""`/quota`: what members may spend, who decided it, and where it went."""

import asyncio
import io
from collections.abc import Iterable
from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, Transform
from discord.ext import commands

from bot.client import DailiesBot, answer_error
from bot.delivery import quota_cards, quota_pages
from bot.delivery.report import csv_lines, draw
from bot.domain.errors import BotError
from bot.domain.quota import Period, Unit, amount_words, parse_amount
from bot.domain.request_errors import AmountError, OptionUnknownError, SubjectUnknownError
from bot.domain.requests import Request, Tier
from bot.domain.rules import Audience, Bounds, Pool, Rule
from bot.ports.quota import Ask, Who
from bot.services.quota_desk import PAGES_MAX, QuotaDesk, SubjectChoiceError
from cogs.asking import is_manager, managed_guild, role_ids

UnitName = Literal["usd", "seconds", "clips"]
PeriodName = Literal["day", "week", "month", "total"]
ReportName = Literal["day", "week", "month"]
TierName = Literal["fast", "standard", "pro"]
ResolutionName = Literal["480p", "720p", "1080p", "2k"]
AMOUNT_CHARS = 32
NO_RULE = "none"
NAMED_MAX = 8
TIERS_OFFERED = ("fast", "standard", "pro", "fast, standard", "standard, pro", "fast, standard, pro")
EXPIRES_OFFERED = ("24h", "7d", "30d")
Person = discord.Member | discord.User | discord.Object


class RoleOption(app_commands.Transformer):
    """A role of this very server: what an id stands for comes without its server, so the server is asked.

    Every command with a role needs Manage Server.
    """

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.role

    async def transform(self, interaction: discord.Interaction, value: discord.Role | discord.Object, /) -> int:
        managed_guild(interaction)
        known = await _guild(interaction).fetch_roles()
        if value.id not in {role.id for role in known}:
            raise SubjectUnknownError(subject=f"<@&{value.id}>", kind="role")
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


class Quota(commands.Cog):
    """Allowances, for those who have them and those who set them."""

    quota = app_commands.Group(name="quota", description="Who may spend how much, and where it went.")

    def __init__(self, *, desk: QuotaDesk) -> None:
        self._desk = desk

    @quota.command(description="What you and this server may still spend.")
    @app_commands.describe(member="Somebody else; needs Manage Server.")
    async def show(self, interaction: discord.Interaction, member: Somebody | None = None) -> None:
        who = _who(interaction, member)
        await interaction.response.defer(ephemeral=True)
        view = await self._desk.show(who)
        await interaction.edit_original_response(content=quota_cards.overview(view, is_own=_is_own(interaction, who)))

    @quota.command(name="set", description="Set or remove a limit. Needs Manage Server.")
    @app_commands.describe(
        amount="Such as 5 or 2.50; 0 forbids, none removes the rule.",
        unit="What is counted.",
        period="How long the amount lasts.",
        role="Each member with this role has so much; @everyone is everyone.",
        member="This member has so much. With neither role nor member: the server's pot.",
        tiers="Only these tiers, such as fast, standard.",
        resolution_max="Nothing larger.",
        longest="No clip longer than so many seconds.",
    )
    async def set_rule(
        self,
        interaction: discord.Interaction,
        amount: Range[str, 1, AMOUNT_CHARS],
        unit: UnitName,
        period: PeriodName,
        role: RoleId | None = None,
        member: Somebody | None = None,
        tiers: Range[str, 1, 60] | None = None,
        resolution_max: ResolutionName | None = None,
        longest: Range[int, 1, 60] | None = None,
    ) -> None:
        guild_id = managed_guild(interaction)
        removes = amount.strip().lower() == NO_RULE
        audience, subject_id = _subject(interaction, role, member, may_have_left=removes)
        rule = Rule(
            guild_id=guild_id,
            audience=audience,
            subject_id=subject_id,
            unit=Unit(unit),
            period=Period(period),
            amount=0 if removes else parse_amount(Unit(unit), amount),
            bounds=Bounds(tiers=_tiers(tiers), resolution_max=resolution_max, seconds_max=longest),
        )
        await interaction.response.defer(ephemeral=True)
        change = self._desk.remove if removes else self._desk.put
        changed = await change(rule, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=quota_cards.rule_change(changed))

    @set_rule.autocomplete("amount")
    async def _amounts(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        """What was typed as it would be read, and the two words of meaning."""
        read = _read(interaction.namespace.unit, typed)
        special = [
            Choice(name="0: nothing is allowed", value="0"),
            Choice(name="none: the rule is removed", value=NO_RULE),
        ]
        return [*read, *(choice for choice in special if choice.name.startswith(typed.strip().lower()))]

    @set_rule.autocomplete("tiers")
    async def _tier_lists(self, _interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return _offered(TIERS_OFFERED, typed)

    @quota.command(description="Give a member or a role a bonus that is used up first. Needs Manage Server.")
    @app_commands.describe(
        amount="Such as 5 or 2.50.",
        unit="What is counted.",
        member="For this member.",
        role="For everyone with this role, together.",
        expires="When what is left ends: 7d, 48h or 2026-12-31. It does not end unless you say.",
    )
    async def grant(
        self,
        interaction: discord.Interaction,
        amount: Range[str, 1, AMOUNT_CHARS],
        unit: UnitName,
        member: Somebody | None = None,
        role: RoleId | None = None,
        expires: Range[str, 1, 20] | None = None,
    ) -> None:
        guild_id = managed_guild(interaction)
        audience, subject_id = _subject(interaction, role, member)
        if subject_id is None:
            raise SubjectChoiceError(
                what="Name a member or a role for the bonus; for everyone, raise the rule instead."
            )
        pool = Pool(
            id=0,
            guild_id=guild_id,
            audience=audience,
            subject_id=subject_id,
            unit=Unit(unit),
            amount=parse_amount(Unit(unit), amount),
            ends_ms=None,
        )
        await interaction.response.defer(ephemeral=True)
        granted = await self._desk.grant(pool, expires=expires, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=quota_cards.granted(granted))

    @grant.autocomplete("amount")
    async def _bonuses(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return _read(interaction.namespace.unit, typed)

    @grant.autocomplete("expires")
    async def _ends(self, _interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return _offered(EXPIRES_OFFERED, typed)

    @quota.command(description="Which rules decide about a clip, step by step.")
    @app_commands.describe(
        duration="Seconds; 5 unless you say.",
        tier="The server's own unless you say.",
        resolution="The tier's own unless you say.",
        member="As if this member asked; needs Manage Server.",
    )
    async def explain(
        self,
        interaction: discord.Interaction,
        duration: Range[int, 4, 15] | None = None,
        tier: TierName | None = None,
        resolution: ResolutionName | None = None,
        member: Somebody | None = None,
    ) -> None:
        request = Request(
            prompt="a clip", duration_seconds=duration, tier=Tier(tier) if tier else None, resolution=resolution
        )
        channel, who = interaction.channel, _who(interaction, member)
        ask = Ask(
            who=who,
            request=request,
            channel_id=interaction.channel_id or 0,
            parent_id=channel.parent_id if isinstance(channel, discord.Thread) else None,
        )
        await interaction.response.defer(ephemeral=True)
        view = await self._desk.explain(ask)
        await interaction.edit_original_response(
            content=quota_cards.explanation(view, is_own=_is_own(interaction, who))
        )

    @quota.command(description="Your own lines of the ledger.")
    @app_commands.describe(
        member="Somebody else's; needs Manage Server.",
        server="What was decided in this server instead; needs Manage Server.",
        page="1 is the newest.",
    )
    async def history(
        self,
        interaction: discord.Interaction,
        member: Somebody | None = None,
        server: bool = False,  # noqa: FBT001, FBT002 -- Discord's options are the function's parameters
        page: Range[int, 1, PAGES_MAX] = 1,
    ) -> None:
        owner = None if server else str(member.id if member else interaction.user.id)
        _check_may_read(interaction, owner)
        await interaction.response.defer(ephemeral=True)
        text, view = await self._history(interaction, owner, number=page)
        await interaction.edit_original_response(content=text, view=view)

    @commands.Cog.listener()
    async def on_history_click(self, interaction: discord.Interaction, owner: str | None, before_seq: int) -> None:
        try:
            _check_may_read(interaction, owner)
            text, view = await self._history(interaction, owner, before_seq=before_seq)
            await interaction.response.edit_message(content=text, view=view)
        except BotError as error:
            await answer_error(interaction, error)

    @quota.command(description="What a period came to, as a picture and a table. Needs Manage Server.")
    @app_commands.describe(period="The month so far unless you say.")
    async def report(self, interaction: discord.Interaction, period: ReportName = "month") -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        spent = await self._desk.report(guild_id, Period(period))
        names = await _names(interaction, quota_pages.biggest_spenders(spent.spendings, NAMED_MAX))
        title = (await interaction.client.fetch_guild(guild_id, with_counts=False)).name
        drawn = quota_pages.as_report(spent, period=Period(period), title=title, names=names)
        png = await asyncio.to_thread(draw, drawn)
        table = "".join(csv_lines(drawn)).encode("utf-8-sig", errors="replace")
        files = [
            discord.File(io.BytesIO(png), f"spending-{spent.window.name}.png"),
            discord.File(io.BytesIO(table), f"spending-{spent.window.name}.csv"),
        ]
        await interaction.edit_original_response(content=quota_pages.report_words(drawn), attachments=files)

    @quota.command(description="Accept no new clips here. Needs Manage Server.")
    async def pause(self, interaction: discord.Interaction) -> None:
        await self._pause(interaction, paused=True)

    @quota.command(description="Accept new clips again. Needs Manage Server.")
    async def resume(self, interaction: discord.Interaction) -> None:
        await self._pause(interaction, paused=False)

    async def _pause(self, interaction: discord.Interaction, *, paused: bool) -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        actor = str(interaction.user.id)
        changed, paused_by = await self._desk.pause(guild_id=guild_id, paused=paused, actor=actor)
        text = quota_cards.paused(wished=paused, changed=changed, paused_by=paused_by)
        await interaction.edit_original_response(content=text)

    async def _history(
        self, interaction: discord.Interaction, owner: str | None, *, before_seq: int = 0, number: int = 1
    ) -> tuple[str, discord.ui.View]:
        guild_id = _guild(interaction).id
        if owner is None:
            decided = await self._desk.decisions(guild_id, before_seq=before_seq, number=number)
            return quota_pages.decisions(decided), quota_pages.turning(decided)
        who = Who(guild_id=guild_id, member_id=owner)
        booked = await self._desk.history(who, before_seq=before_seq, number=number)
        return quota_pages.history(booked), quota_pages.turning(booked)


def _guild(interaction: discord.Interaction) -> discord.Guild:
    if interaction.guild is None:
        raise TypeError("Discord sent a command of a server without its server")
    return interaction.guild


def _check_may_read(interaction: discord.Interaction, owner: str | None) -> None:
    """One's own lines are one's own; all others are for those who manage the server."""
    if owner != str(interaction.user.id):
        managed_guild(interaction)


def _who(interaction: discord.Interaction, member: Person | None) -> Who:
    """Whoever asks, or the member whom somebody with Manage Server asks about."""
    if member is None or member.id == interaction.user.id:
        return _as_who(interaction, interaction.user, manages=is_manager(interaction))
    managed_guild(interaction)
    found = _member(member)
    permissions = found.resolved_permissions
    return _as_who(interaction, found, manages=permissions is not None and permissions.manage_guild)


def _is_own(interaction: discord.Interaction, who: Who) -> bool:
    return who.member_id == str(interaction.user.id)


def _as_who(interaction: discord.Interaction, user: discord.Member | discord.User, *, manages: bool) -> Who:
    return Who(
        guild_id=_guild(interaction).id,
        member_id=str(user.id),
        role_ids=role_ids(user),
        is_manager=manages,
    )


def _member(person: Person) -> discord.Member:
    """Whoever left comes without a membership."""
    if not isinstance(person, discord.Member):
        raise SubjectUnknownError(subject=f"<@{person.id}>", kind="member")
    return person


def _subject(
    interaction: discord.Interaction, role: int | None, member: Person | None, *, may_have_left: bool = False
) -> tuple[Audience, int | None]:
    """Whom a rule is for. The rule of somebody who left can still be removed."""
    if role is not None and member is not None:
        raise SubjectChoiceError(what="Name a role or a member, not both.")
    if member is not None:
        return Audience.MEMBER, member.id if may_have_left else _member(member).id
    if role is not None:
        is_everyone = role == _guild(interaction).id
        return (Audience.EVERYONE, None) if is_everyone else (Audience.ROLE, role)
    return Audience.SERVER, None


def _tiers(text: str | None) -> frozenset[Tier] | None:
    if text is None:
        return None
    words = text.lower().replace(",", " ").split()
    unknown = [word for word in words if word not in set(Tier)]
    if unknown or not words:
        raise OptionUnknownError(option="tier", asked=unknown[0] if unknown else text, known=", ".join(Tier))
    return frozenset(map(Tier, words))


def _read(unit: str | None, typed: str) -> list[Choice[str]]:
    if unit not in set(Unit) or not typed.strip():
        return []
    try:
        return [Choice(name=amount_words(Unit(unit), parse_amount(Unit(unit), typed)), value=typed[:AMOUNT_CHARS])]
    except AmountError:
        return []


def _offered(choices: Iterable[str], typed: str) -> list[Choice[str]]:
    return [Choice(name=one, value=one) for one in choices if typed.strip().lower() in one]


async def _names(interaction: discord.Interaction, member_ids: list[str]) -> dict[str, str]:
    """Names are not kept; who left has none, and a report does without."""
    names: dict[str, str] = {}
    for member_id in member_ids:
        try:
            names[member_id] = (await _guild(interaction).fetch_member(int(member_id))).display_name
        except discord.HTTPException:
            continue
    return names


async def setup(bot: DailiesBot) -> None:
    bot.add_dynamic_items(quota_pages.HistoryButton)
    await bot.add_cog(Quota(desk=bot.provided.quota))
