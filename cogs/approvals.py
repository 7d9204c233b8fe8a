"""The buttons of a job that waits: the requester agrees to the price, an admin approves or denies."""

import discord
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery.approval_cards import outcome
from bot.domain.jobs import Question
from bot.domain.request_errors import JobUnknownError
from bot.services.approvals import Approvals, Confirmed, Settled, Vote
from cogs.asking import answering, is_manager, role_ids

CONFIRMED = {
    Confirmed.GOES_ON: "Confirmed. The price is held, and never more is charged.",
    Confirmed.CHANGES_FIRST: "Agreed. The files are changed first; then the price is held, and never more is charged.",
    Confirmed.NEEDS_APPROVAL: "Confirmed. This price needs approval here: the request was passed on.",
    Confirmed.PRICE_ROSE: "The price has changed meanwhile. Nothing is held: look at the new one and confirm again.",
    Confirmed.TOO_LATE: "This clip no longer waits for a word: it has had one already, or its time is over.",
}


class ApprovalClicks(commands.Cog):
    """Clicks on the cards of waiting jobs."""

    def __init__(self, *, approvals: Approvals) -> None:
        self._approvals = approvals

    @commands.Cog.listener()
    async def on_confirm_click(
        self,
        interaction: discord.Interaction,
        job_id: int,
        as_is: bool,  # noqa: FBT001 -- events carry their values in order
    ) -> None:
        async with answering(interaction):
            await interaction.response.defer(ephemeral=True, thinking=True)
            answer = await self._approvals.confirm(
                job_id=job_id, guild_id=interaction.guild_id, member_id=str(interaction.user.id), as_is=as_is
            )
            await interaction.edit_original_response(content=CONFIRMED[answer])

    @commands.Cog.listener()
    async def on_approval_click(
        self,
        interaction: discord.Interaction,
        job_id: int,
        is_approved: bool,  # noqa: FBT001 -- events carry their values in order
    ) -> None:
        async with answering(interaction):
            await interaction.response.defer(ephemeral=True, thinking=True)
            settled = await self._decide(interaction, job_id, is_approved=is_approved)
            await interaction.edit_original_response(content=_said(settled, is_approved=is_approved))

    async def _decide(self, interaction: discord.Interaction, job_id: int, *, is_approved: bool) -> Settled:
        message = interaction.message
        if message is None:
            raise JobUnknownError(job=str(job_id))
        vote = Vote(
            member_id=str(interaction.user.id),
            role_ids=role_ids(interaction.user),
            is_manager=is_manager(interaction),
            is_approved=is_approved,
            card=Question(channel_id=message.channel.id, message_id=message.id),
        )
        return await self._approvals.decide(job_id=job_id, guild_id=interaction.guild_id, vote=vote)


def _said(settled: Settled, *, is_approved: bool) -> str:
    if not settled.is_first:
        return f"That was settled before: {outcome(settled.job)}"
    if is_approved:
        return "Approved. The clip is on its way."
    return "Denied. What was held is free again, and the requester is told."


async def setup(bot: DailiesBot) -> None:
    await bot.add_cog(ApprovalClicks(approvals=bot.provided.approvals))
