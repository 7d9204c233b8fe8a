"""`/extend`, `/stitch` and the context menus on any message with a video."""

import time

import discord
from discord import app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery.whispers import Whispers
from bot.domain.chains import Continuation
from bot.domain.film_errors import ClipUnknownError, FormExpiredError, NoVideoError
from bot.domain.jobs import Job
from bot.domain.prompts import PROMPT_CHARS_MAX
from bot.domain.requests import SEED_MAX, Aspect, Tier
from bot.domain.slots import Frame, Kind, Place, Slot
from bot.services.films import Films, Video
from cogs.asking import answering
from cogs.forms import FormAct, Submitted, ask_prompt, submitted
from cogs.generate import AspectName, ResolutionName, TierName
from cogs.jobs import CHOICE_CHARS, JOB_ID
from cogs.placing import acknowledge, check_permissions, clean_name, references_of

CHOICES_MAX = 25
"""https://docs.discord.com/developers/interactions/application-commands"""
VIDEO_SECONDS = 3600.0
"""So long a form may stand open; the video's link lives longer."""
VIDEO_ENDINGS = (".mp4", ".mov", ".m4v")
ClipId = Range[str, 1, 20]


class FilmCommands(commands.Cog):
    """Makes more of a clip that exists."""

    def __init__(self, *, films: Films, whispers: Whispers) -> None:
        self._films = films
        self._whispers = whispers
        self._videos: dict[int, tuple[float, Video]] = {}

    @app_commands.command(description="Continue a clip from its last frame.")
    @app_commands.describe(
        prompt="What happens next. Name further files as @Image1 …",
        clip="Which clip; the latest here unless you say.",
        duration="Seconds; 5 unless you say.",
        tier="As the clip before unless you say.",
        aspect="As the clip before unless you say.",
        resolution="As the clip before unless you say.",
        sound="Off for a silent clip.",
        seed="As the clip before unless you say.",
        end_frame="The picture the clip ends with.",
        image1="@Image1",
        image2="@Image2",
        image3="@Image3",
    )
    async def extend(  # noqa: PLR0917 -- Discord's options are the function's parameters
        self,
        interaction: discord.Interaction,
        prompt: Range[str, 1, PROMPT_CHARS_MAX],
        clip: ClipId | None = None,
        duration: Range[int, 4, 15] | None = None,
        tier: TierName | None = None,
        aspect: AspectName | None = None,
        resolution: ResolutionName | None = None,
        sound: bool | None = None,  # noqa: FBT001 -- as above
        seed: Range[int, 0, SEED_MAX] | None = None,
        end_frame: discord.Attachment | None = None,
        image1: discord.Attachment | None = None,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
    ) -> None:
        places: dict[Place, discord.Attachment | None] = {Frame.END: end_frame}
        places |= {Slot(kind=Kind.IMAGE, number=n): one for n, one in enumerate((image1, image2, image3), start=1)}
        wish = Continuation(
            prompt=prompt,
            duration_seconds=duration,
            tier=Tier(tier) if tier else None,
            aspect=Aspect(aspect) if aspect else None,
            resolution=resolution,
            sound=sound,
            seed=seed,
            references=references_of(places),
        )
        clip_id = None if clip is None else _clip_id(clip)
        asked = await acknowledge(interaction, self._whispers)
        await self._films.extend(asked, clip_id=clip_id, wish=wish)

    @app_commands.command(description="Join a chain, from its first clip to this one, into one film. Free.")
    @app_commands.describe(clip="The clip the film ends with")
    async def stitch(self, interaction: discord.Interaction, clip: ClipId) -> None:
        clip_id = _clip_id(clip)
        asked = await acknowledge(interaction, self._whispers)
        await self._films.join(asked, clip_id=clip_id)

    @extend.autocomplete("clip")
    @stitch.autocomplete("clip")
    async def _clips_here(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        clips = await self._films.clips_here(guild_id=interaction.guild_id, channel_id=interaction.channel_id or 0)
        wanted = [job for job in clips if typed.lower() in f"{job.id} {_choice(job)} {job.request.prompt}".lower()]
        return [app_commands.Choice(name=_choice(job), value=str(job.id)) for job in wanted[:CHOICES_MAX]]

    async def extend_message(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """*Extend video* on any message with a video."""
        await self._ask(interaction, FormAct.EXTEND_VIDEO, message)

    async def change_message(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """*Change this video* on any message with a video."""
        await self._ask(interaction, FormAct.CHANGE_VIDEO, message)

    async def _ask(self, interaction: discord.Interaction, act: FormAct, message: discord.Message) -> None:
        """Others' messages are shown to the bot only now, by the menu itself: the video is remembered for the form."""
        check_permissions(interaction)
        video, now = video_on(message), time.monotonic()
        self._videos = {key: kept for key, kept in self._videos.items() if kept[0] > now}
        self._videos[message.id] = (now + VIDEO_SECONDS, video)
        await ask_prompt(interaction, act, message.id)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        form = submitted(interaction, FormAct.EXTEND_VIDEO, FormAct.CHANGE_VIDEO)
        if form is not None:
            async with answering(interaction):
                await self._answer(interaction, form)

    async def _answer(self, interaction: discord.Interaction, form: Submitted) -> None:
        asked = await acknowledge(interaction, self._whispers)
        until, video = self._videos.get(form.about_id, (0.0, None))
        wish = Continuation(prompt=form.prompt)
        if video is not None and until > time.monotonic():
            if form.act is FormAct.CHANGE_VIDEO:
                await self._films.change(asked, video=video, prompt=form.prompt)
            else:
                await self._films.extend_video(asked, video=video, wish=wish)
            return
        clip = await self._films.clip_on(asked, message_id=form.about_id)
        if clip is None or form.act is FormAct.CHANGE_VIDEO:
            raise FormExpiredError(prompt=form.prompt)
        await self._films.extend(asked, clip_id=clip.id, wish=wish)


def _clip_id(typed: str) -> int:
    """Raises ClipUnknownError for text that was typed past the list."""
    if not JOB_ID.fullmatch(typed):
        raise ClipUnknownError(clip=typed)
    return int(typed)


def _choice(job: Job) -> str:
    """The length first: a prompt may fill the rest."""
    seconds = f"{job.plan.duration_seconds} s · " if job.plan else ""
    return f"{seconds}{job.title}"[:CHOICE_CHARS]


def video_on(message: discord.Message) -> Video:
    """The message's first video file. Raises NoVideoError."""
    for one in message.attachments:
        if (one.content_type or "").startswith("video/") or one.filename.lower().endswith(VIDEO_ENDINGS):
            return Video(name=clean_name(one.filename), link=one.url, size_bytes=one.size, message_id=message.id)
    raise NoVideoError


async def setup(bot: DailiesBot) -> None:
    cog = FilmCommands(films=bot.provided.films, whispers=bot.provided.whispers)
    await bot.add_cog(cog)
    bot.tree.add_command(app_commands.ContextMenu(name="Extend video", callback=cog.extend_message))
    bot.tree.add_command(app_commands.ContextMenu(name="Change this video", callback=cog.change_message))
