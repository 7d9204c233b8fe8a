"""Forms that ask for a prompt where a button or a menu has no options."""

from collections.abc import Awaitable, Callable

import discord

from bot.client import answer_error
from bot.domain.prompts import PROMPT_CHARS_MAX

FORM_SECONDS = 840.0
"""Links of a message's files may end while a form stands open for hours; this is the life of a token."""


class PromptForm(discord.ui.Modal):
    """One field; `then` gets the submission and the text."""

    def __init__(self, *, title: str, label: str, then: Callable[[discord.Interaction, str], Awaitable[None]]) -> None:
        super().__init__(title=title, timeout=FORM_SECONDS)
        self._prompt: discord.ui.TextInput[PromptForm] = discord.ui.TextInput(
            label=label, style=discord.TextStyle.paragraph, max_length=PROMPT_CHARS_MAX, custom_id="prompt"
        )
        self.add_item(self._prompt)
        self._then = then

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await self._then(interaction, self._prompt.value)

    async def on_error(  # type: ignore[override]  # the library calls a form's own without an item
        self, interaction: discord.Interaction, error: Exception, /
    ) -> None:
        await answer_error(interaction, error)
