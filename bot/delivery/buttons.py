"""Buttons that survive a restart: all they know stands in their custom_id, `dailies:<action>:<job id>`."""

import re
from enum import StrEnum
from typing import Self

import discord
from discord.ui import Button, DynamicItem, Item, View

from bot.domain.jobs import OFFER_KEY


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


class ConfirmButton(DynamicItem[Button[View]], template=r"dailies:(?P<act>confirm|asis):(?P<job>\d{15,20})"):
    """Agrees to the price and the changes of the job it names, `as_is` to no change that is not needed.

    Dispatched as `confirm_click`.
    """

    def __init__(self, job_id: int, *, as_is: bool = False) -> None:
        act, label = ("asis", "Send small ones as they are") if as_is else ("confirm", "Confirm")
        style = discord.ButtonStyle.secondary if as_is else discord.ButtonStyle.success
        super().__init__(Button(label=label, style=style, custom_id=f"dailies:{act}:{job_id}"))
        self.job_id = job_id
        self.as_is = as_is

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["job"]), as_is=match["act"] == "asis")

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("confirm_click", interaction, self.job_id, self.as_is)


class ClipAct(StrEnum):
    """What can be done with a clip, or before it is made."""

    EXTEND = "extend"
    CHANGE = "change"
    FRAME = "frame"
    SHEET = "sheet"
    ORIGINAL = "original"
    PREVIEW = "preview"


LABELS = {
    ClipAct.EXTEND: "Extend",
    ClipAct.CHANGE: "Change",
    ClipAct.FRAME: "Last frame",
    ClipAct.SHEET: "Contact sheet",
    ClipAct.ORIGINAL: "Get original",
    ClipAct.PREVIEW: "Preview",
}
_ACTS = "|".join(ClipAct)


class ClipButton(DynamicItem[Button[View]], template=rf"dailies:(?P<act>{_ACTS}):(?P<job>\d{{15,20}})"):
    """Does something with the clip it names: dispatched as `clip_click`."""

    def __init__(self, act: ClipAct, job_id: int) -> None:
        style = discord.ButtonStyle.primary if act is ClipAct.EXTEND else discord.ButtonStyle.secondary
        super().__init__(Button(label=LABELS[act], style=style, custom_id=f"dailies:{act}:{job_id}"))
        self.act = act
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        return cls(ClipAct(match["act"]), int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("clip_click", interaction, self.act, self.job_id)


class OfferButton(DynamicItem[Button[View]], template=rf"dailies:offer:(?P<key>{OFFER_KEY}):(?P<job>\d{{15,20}})"):
    """Takes the offer with this key, of the job it names: dispatched as `offer_click`."""

    def __init__(self, job_id: int, key: str, *, label: str = "Make it so") -> None:
        style = discord.ButtonStyle.primary
        super().__init__(Button(label=label, style=style, custom_id=f"dailies:offer:{key}:{job_id}"))
        self.job_id = job_id
        self.key = key

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["job"]), match["key"])

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("offer_click", interaction, self.job_id, self.key)


class ApprovalButton(DynamicItem[Button[View]], template=r"dailies:(?P<answer>approve|deny):(?P<job>\d{15,20})"):
    """Approves or denies the job it names: dispatched as `approval_click`."""

    def __init__(self, job_id: int, *, is_approved: bool) -> None:
        label, style = ("Approve", discord.ButtonStyle.success) if is_approved else ("Deny", discord.ButtonStyle.danger)
        custom_id = f"dailies:{label.lower()}:{job_id}"
        super().__init__(Button(label=label, style=style, custom_id=custom_id))
        self.job_id = job_id
        self.is_approved = is_approved

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["job"]), is_approved=match["answer"] == "approve")

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("approval_click", interaction, self.job_id, self.is_approved)


BUTTONS = (CancelButton, ConfirmButton, ClipButton, OfferButton, ApprovalButton)
"""What the client listens for."""
