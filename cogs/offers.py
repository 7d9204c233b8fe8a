"""The buttons of a job that its provider could not take."""

import discord
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery.whispers import Whispers
from bot.services.offers import Offers
from cogs.asking import answering
from cogs.placing import acknowledge


class OfferClicks(commands.Cog):
    """Answers `offer_click`; a click becomes a job of its own, with a card of its own."""

    def __init__(self, *, offers: Offers, whispers: Whispers) -> None:
        self._offers = offers
        self._whispers = whispers

    @commands.Cog.listener()
    async def on_offer_click(self, interaction: discord.Interaction, job_id: int, key: str) -> None:
        async with answering(interaction):
            asked = await acknowledge(interaction, self._whispers)
            await self._offers.take(asked, job_id=job_id, key=key)


async def setup(bot: DailiesBot) -> None:
    await bot.add_cog(OfferClicks(offers=bot.provided.offers, whispers=bot.provided.whispers))
