"""Forms that ask for a prompt where a button or a menu has no options.

All that a form knows stands in its custom_id, `dailies:form:<act>:<id>`, so it is answered after a restart as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import discord

from bot.domain.chains import CHANGE
from bot.domain.prompts import PROMPT_CHARS_MAX

FORM_SECONDS = 3600.0
"""So long the library remembers that a form stands open; the answer does not need it."""


class FormAct(StrEnum):
    """What a form asks for. The id beside it is a clip's job, or the message with somebody's video."""

    EXTEND = "extend"
    CHANGE = "change"
    EXTEND_VIDEO = "extend-video"
    CHANGE_VIDEO = "change-video"


TITLES = {
    FormAct.EXTEND: ("Extend", "What happens next?"),
    FormAct.CHANGE: ("Change this video", "What shall be different?"),
    FormAct.EXTEND_VIDEO: ("Extend video", "What happens next?"),
    FormAct.CHANGE_VIDEO: ("Change this video", "What shall be different?"),
}
_CUSTOM_ID = re.compile(rf"dailies:form:(?P<act>{'|'.join(FormAct)}):(?P<id>\d{{15,20}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A form that came back."""

    act: FormAct
    about_id: int
    prompt: str


async def ask_prompt(interaction: discord.Interaction, act: FormAct, about_id: int) -> None:
    title, label = TITLES[act]
    form = discord.ui.Modal(title=title, timeout=FORM_SECONDS, custom_id=f"dailies:form:{act}:{about_id}")
    changes = act in {FormAct.CHANGE, FormAct.CHANGE_VIDEO}
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        label=label,
        style=discord.TextStyle.paragraph,
        max_length=PROMPT_CHARS_MAX - (len(CHANGE) if changes else 0),
        custom_id="prompt",
    )
    form.add_item(field)
    await interaction.response.send_modal(form)


def submitted(interaction: discord.Interaction, *acts: FormAct) -> Submitted | None:
    """What this interaction sends in, where it is one of these forms."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    data: Any = interaction.data  # Any: the library types no form
    match = _CUSTOM_ID.fullmatch(data["custom_id"])
    if match is None or match["act"] not in acts:
        return None
    prompt = next((str(one["value"]) for one in _inputs(data["components"]) if one.get("custom_id") == "prompt"), "")
    return Submitted(act=FormAct(match["act"]), about_id=int(match["id"]), prompt=prompt)


def _inputs(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:  # Any: as above
    """Rows hold several inputs, labels one."""
    for one in components:
        yield from _inputs(one.get("components", []))
        yield one.get("component", one)
