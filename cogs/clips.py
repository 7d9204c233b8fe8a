"""The buttons under a clip and on a waiting card."""

from collections.abc import Awaitable, Callable
from functools import partial

import discord
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery.buttons import ClipAct
from bot.delivery.upload_limits import FORM_BYTES, STEPS
from bot.delivery.whispers import Whispers
from bot.domain.chains import Continuation
from bot.domain.film_errors import NoVideoError
from bot.domain.references import MEGABYTE
from bot.services.clip_desk import ClipDesk, Original
from bot.services.films import Films
from cogs.asking import answering
from cogs.films import video_on
from cogs.forms import FormAct, Submitted, ask_prompt, submitted
from cogs.placing import acknowledge, check_permissions

PIECE_BYTES = STEPS[0] - FORM_BYTES
"""What every server takes, whoever clicks."""


class ClipClicks(commands.Cog):
    """Answers `clip_click`; every act looks the clip up anew."""

    def __init__(self, *, films: Films, desk: ClipDesk, whispers: Whispers) -> None:
        self._films = films
        self._desk = desk
        self._whispers = whispers
        self._acts: dict[ClipAct, Callable[[discord.Interaction, int], Awaitable[None]]] = {
            ClipAct.EXTEND: partial(self._ask, FormAct.EXTEND),
            ClipAct.CHANGE: partial(self._ask, FormAct.CHANGE),
            ClipAct.FRAME: self._last_frame,
            ClipAct.SHEET: self._contact_sheet,
            ClipAct.ORIGINAL: self._original,
            ClipAct.PREVIEW: self._preview,
        }

    @commands.Cog.listener()
    async def on_clip_click(self, interaction: discord.Interaction, act: ClipAct, job_id: int) -> None:
        async with answering(interaction):
            await self._acts[act](interaction, job_id)

    @staticmethod
    async def _ask(act: FormAct, interaction: discord.Interaction, job_id: int) -> None:
        """Nobody writes a prompt for nothing: what can be refused now is."""
        check_permissions(interaction)
        await ask_prompt(interaction, act, job_id)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        form = submitted(interaction, FormAct.EXTEND, FormAct.CHANGE)
        if form is not None:
            async with answering(interaction):
                await self._answer(interaction, form)

    async def _answer(self, interaction: discord.Interaction, form: Submitted) -> None:
        """The form comes with the message that its button stands under, and that with a fresh link."""
        asked = await acknowledge(interaction, self._whispers)
        if form.act is FormAct.EXTEND:
            await self._films.extend(asked, clip_id=form.about_id, wish=Continuation(prompt=form.prompt))
            return
        if interaction.message is None:
            raise NoVideoError
        await self._films.change(asked, video=video_on(interaction.message), prompt=form.prompt)

    async def _preview(self, interaction: discord.Interaction, job_id: int) -> None:
        asked = await acknowledge(interaction, self._whispers)
        await self._films.preview(asked, job_id=job_id)

    async def _last_frame(self, interaction: discord.Interaction, job_id: int) -> None:
        """For everybody: a frame is there to be used."""
        await interaction.response.defer(thinking=True)
        frame = await self._desk.last_frame(job_id=job_id, channel_id=interaction.channel_id or 0)
        name = f"{job_id}-last-frame{frame.suffix}"
        file = discord.File(frame, filename=name, description="The last frame of the clip")
        await interaction.edit_original_response(attachments=[file])

    async def _contact_sheet(self, interaction: discord.Interaction, job_id: int) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        sheet = await self._desk.contact_sheet(job_id=job_id, channel_id=interaction.channel_id or 0)
        file = discord.File(sheet, filename=f"{job_id}-contact-sheet.jpg", description="Twelve moments of the clip")
        await interaction.edit_original_response(attachments=[file])

    async def _original(self, interaction: discord.Interaction, job_id: int) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        original = await self._desk.original(
            job_id=job_id, channel_id=interaction.channel_id or 0, bytes_max=PIECE_BYTES
        )
        await interaction.edit_original_response(content=_told(original, job_id))
        for piece in original.pieces:
            await interaction.followup.send(file=discord.File(piece, filename=piece.name), ephemeral=True)


def _told(original: Original, job_id: int) -> str:
    size = f"{original.size_bytes / MEGABYTE:.1f} MB"
    if original.link is not None:
        return f"[The original file]({original.link}) ({size}). The link ends in some hours; the button makes another."
    name = f"{job_id}.mp4"
    return (
        f"The original has {size}; here it is in {len(original.pieces)} pieces. Put them in one folder and join them: "
        f"`cat {name}.* > {name}` on macOS and Linux, "
        f"`copy /b {' + '.join(piece.name for piece in original.pieces)} {name}` on Windows."
    )


async def setup(bot: DailiesBot) -> None:
    provided = bot.provided
    await bot.add_cog(ClipClicks(films=provided.films, desk=provided.clips, whispers=provided.whispers))
