"""`/quota`: what members may spend, who decided it, and where it went."""

import asyncio
import io
from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery import quota_cards, quota_pages
from bot.delivery.quota_steps import explanation
from bot.delivery.report import csv_bytes, draw
from bot.domain.quota import Period, Unit, parse_amount
from bot.domain.requests import Request, Tier
from bot.domain.rules import Bounds, Pool, Rule
from bot.ports.quota import Ask, Who
from bot.services.guild_desk import GuildDesk
from bot.services.paging import PAGES_MAX
from bot.services.quota_desk import QuotaDesk, SubjectChoiceError
from cogs.asking import answering, managed_guild
from cogs.quota_options import (
    AMOUNT_CHARS,
    RoleId,
    Somebody,
    check_may_read,
    guild_of,
    offered,
    read_amount,
    subject_of,
    tiers_of,
    who_of,
)

UnitName = Literal["usd", "seconds", "clips"]
PeriodName = Literal["day", "week", "month", "total"]
ReportName = Literal["day", "week", "month"]
TierName = Literal["fast", "standard", "pro"]
ResolutionName = Literal["480p", "720p", "1080p", "2k"]
NO_RULE = "none"
NAMED_MAX = 8
TIERS_OFFERED = ("fast", "standard", "pro", "fast, standard", "standard, pro", "fast, standard, pro")
EXPIRES_OFFERED = ("24h", "7d", "30d")


class Quota(commands.Cog):
    """Allowances, for those who have them and those who set them."""

    quota = app_commands.Group(name="quota", description="Who may spend how much, and where it went.")

    def __init__(self, *, desk: QuotaDesk, choices: GuildDesk) -> None:
        self._desk = desk
        self._choices = choices

    @quota.command(description="What you and this server may still spend.")
    @app_commands.describe(member="Somebody else; needs Manage Server.")
    async def show(self, interaction: discord.Interaction, member: Somebody | None = None) -> None:
        who = who_of(interaction, member)
        await interaction.response.defer(ephemeral=True)
        view = await self._desk.show(who)
        gone = await self._choices.gone_roles(who.guild_id, view.rules)
        is_own = who.member_id == str(interaction.user.id)
        text = quota_cards.overview(view, is_own=is_own, gone=gone)
        await interaction.edit_original_response(content=text, view=quota_cards.sweeping(gone))

    @commands.Cog.listener()
    async def on_sweep_click(self, interaction: discord.Interaction) -> None:
        async with answering(interaction):
            guild_id = managed_guild(interaction)
            await interaction.response.defer(ephemeral=True, thinking=True)
            known, actor = await self._choices.role_ids(guild_id), str(interaction.user.id)
            removed = await self._desk.remove_roles(guild_id, known=known, actor=actor)
            await interaction.edit_original_response(content=quota_cards.swept(removed))

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
        audience, subject_id = subject_of(interaction, role, member, may_have_left=removes)
        rule = Rule(
            guild_id=guild_id,
            audience=audience,
            subject_id=subject_id,
            unit=Unit(unit),
            period=Period(period),
            amount=0 if removes else parse_amount(Unit(unit), amount),
            bounds=Bounds(tiers=tiers_of(tiers), resolution_max=resolution_max, seconds_max=longest),
        )
        await interaction.response.defer(ephemeral=True)
        if role is not None and not removes:
            await self._choices.check_role(guild_id, role)
        change = self._desk.remove if removes else self._desk.put
        changed = await change(rule, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=quota_cards.rule_change(changed))

    @set_rule.autocomplete("amount")
    async def _amounts(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        """What was typed as it would be read, and the two words of meaning."""
        special = [
            Choice(name="0: nothing is allowed", value="0"),
            Choice(name="none: the rule is removed", value=NO_RULE),
        ]
        meant = [choice for choice in special if choice.name.startswith(typed.strip().lower())]
        return meant or read_amount(interaction.namespace.unit, typed)

    @set_rule.autocomplete("tiers")
    async def _tier_lists(self, _interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return offered(TIERS_OFFERED, typed)

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
        audience, subject_id = subject_of(interaction, role, member)
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
        if role is not None:
            await self._choices.check_role(guild_id, role)
        granted = await self._desk.grant(pool, expires=expires, actor=str(interaction.user.id))
        await interaction.edit_original_response(content=quota_cards.granted(granted))

    @grant.autocomplete("amount")
    async def _bonuses(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return read_amount(interaction.namespace.unit, typed)

    @grant.autocomplete("expires")
    async def _ends(self, _interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return offered(EXPIRES_OFFERED, typed)

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
        channel, who = interaction.channel, who_of(interaction, member)
        ask = Ask(
            who=who,
            request=request,
            channel_id=interaction.channel_id or 0,
            parent_id=channel.parent_id if isinstance(channel, discord.Thread) else None,
        )
        await interaction.response.defer(ephemeral=True)
        view = await self._desk.explain(ask)
        is_own = who.member_id == str(interaction.user.id)
        await interaction.edit_original_response(content=explanation(view, is_own=is_own))

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
        check_may_read(interaction, owner)
        await interaction.response.defer(ephemeral=True)
        text, view = await self._history(interaction, owner, number=page)
        await interaction.edit_original_response(content=text, view=view)

    @commands.Cog.listener()
    async def on_history_click(
        self, interaction: discord.Interaction, owner: str | None, number: int, trail: tuple[int, ...]
    ) -> None:
        async with answering(interaction):
            check_may_read(interaction, owner)
            await interaction.response.defer()
            text, view = await self._history(interaction, owner, number=number, trail=trail)
            await interaction.edit_original_response(content=text, view=view)

    @quota.command(description="What a period came to, as a picture and a table. Needs Manage Server.")
    @app_commands.describe(period="The month so far unless you say.")
    async def report(self, interaction: discord.Interaction, period: ReportName = "month") -> None:
        guild_id = managed_guild(interaction)
        await interaction.response.defer(ephemeral=True)
        spent = await self._desk.report(guild_id, Period(period))
        biggest = quota_pages.biggest_spenders(spent.spendings, NAMED_MAX)
        names = await self._choices.member_names(guild_id, biggest)
        title = await self._choices.title(guild_id)
        drawn = quota_pages.as_report(spent, period=Period(period), title=title, names=names)
        png = await asyncio.to_thread(draw, drawn)
        files = [
            discord.File(io.BytesIO(png), f"spending-{spent.window.name}.png"),
            discord.File(io.BytesIO(csv_bytes(drawn)), f"spending-{spent.window.name}.csv"),
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
        self, interaction: discord.Interaction, owner: str | None, *, number: int, trail: tuple[int, ...] = ()
    ) -> tuple[str, discord.ui.View]:
        guild_id = guild_of(interaction)
        if owner is None:
            decided = await self._desk.decisions(guild_id, number=number, trail=trail)
            return quota_pages.decisions(decided), quota_pages.turning(decided)
        who = Who(guild_id=guild_id, member_id=owner)
        booked = await self._desk.history(who, number=number, trail=trail)
        return quota_pages.history(booked), quota_pages.turning(booked)


async def setup(bot: DailiesBot) -> None:
    bot.add_dynamic_items(quota_pages.HistoryButton, quota_cards.SweepButton)
    await bot.add_cog(Quota(desk=bot.provided.quota, choices=bot.provided.choices))
