"""`/jobs` and `/cancel`: what became of mine, and stopping one."""

import re
from collections.abc import Mapping, Sequence

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery import words
from bot.delivery.tree import tree
from bot.domain.jobs import Job
from bot.domain.request_errors import JobUnknownError
from bot.services.desk import CancelAnswer, JobDesk
from cogs.asking import answering

ANSWERS = {
    CancelAnswer.CANCELLED: "Cancelled. Nothing was charged.",
    CancelAnswer.ASKED: (
        "It was handed over already. If the provider stops it, nothing is charged; if not, the clip still comes and "
        "is charged as shown."
    ),
    CancelAnswer.TOO_LATE: "It is too late to cancel that one: its clip is finished or it has ended.",
}
CHOICE_CHARS = 100
JOB_ID = re.compile(r"[0-9]{1,18}|[0-8][0-9]{18}")
"""A snowflake: a positive number of 63 bits, near enough."""


class Jobs(commands.Cog):
    """A member's own jobs."""

    def __init__(self, *, desk: JobDesk) -> None:
        self._desk = desk

    @app_commands.command(description="Your latest clips here, with their state and cost.")
    async def jobs(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        mine = await self._desk.mine(guild_id=interaction.guild_id, member_id=str(interaction.user.id))
        listed = _listed(mine, await self._desk.families(mine))
        text = words.fitting(listed) or "You have made no clips here yet. Try `/generate`."
        await interaction.edit_original_response(content=text)

    @app_commands.command(description="Stop one of your clips.")
    @app_commands.describe(job="Which one")
    async def cancel(self, interaction: discord.Interaction, job: str) -> None:
        if not JOB_ID.fullmatch(job):
            raise JobUnknownError(job=job[:CHOICE_CHARS])
        await self._cancel(interaction, int(job))

    @cancel.autocomplete("job")
    async def _open_jobs(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        mine = await self._desk.mine(guild_id=interaction.guild_id, member_id=str(interaction.user.id))
        wanted = [job for job in mine if job.is_open and typed.lower() in f"{job.id} {job.title}".lower()]
        return [app_commands.Choice(name=f"{job.title}"[:CHOICE_CHARS], value=str(job.id)) for job in wanted]

    @commands.Cog.listener()
    async def on_cancel_click(self, interaction: discord.Interaction, job_id: int) -> None:
        async with answering(interaction):
            await self._cancel(interaction, job_id)

    async def _cancel(self, interaction: discord.Interaction, job_id: int) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        answer = await self._desk.cancel(
            job_id=job_id, guild_id=interaction.guild_id, member_id=str(interaction.user.id)
        )
        await interaction.edit_original_response(content=ANSWERS[answer])


def _listed(jobs: Sequence[Job], families: Mapping[int, Sequence[Job]]) -> list[str]:
    """A line for each job, and a chain's tree once, under the first of its clips here."""
    lines: list[str] = []
    shown: set[int] = set()
    for job in jobs:
        family = families.get(job.id, ())
        lines.append(words.line(job))
        if family and job.id not in shown:
            lines.append(tree(family, job.id))
        shown |= {one.id for one in family}
    return lines


async def setup(bot: DailiesBot) -> None:
    await bot.add_cog(Jobs(desk=bot.provided.desk))
