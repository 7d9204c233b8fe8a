"""Buttons that survive a restart: all they know stands in their custom_id, `dailies:<action>:<job id>`."""

import re
from typing import Self

import discord
from discord.ui import Button, DynamicItem, Item, View


class CancelButton(DynamicItem[Button[View]], template=r"dailies:cancel:(?P<job>\d{15,20})"):
    """Asks to stop the job it names: dispatched as the client's event `cancel_click`, which a cog answers."""

    def __init__(self, job_id: int, *, may_cost: bool = False) -> None:
        label = "Cancel (may still come and be charged)" if may_cost else "Cancel"
        style = discord.ButtonStyle.secondary
        super().__init__(Button(label=label, style=style, custom_id=f"dailies:cancel:{job_id}"))
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("cancel_click", interaction, self.job_id)
