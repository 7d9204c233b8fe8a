"""`/generate`: a prompt and up to seventeen files become a job."""

from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.client import DailiesBot
from bot.delivery.whispers import Whispers
from bot.domain.prompts import PROMPT_CHARS_MAX
from bot.domain.requests import SEED_MAX, Aspect, Camera, Request, Tier
from bot.domain.slots import Frame, Kind, Place, Slot
from bot.services.intake import Intake
from cogs.placing import acknowledge, references_of

AspectName = Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"]
ResolutionName = Literal["480p", "720p", "1080p", "2k"]
TierName = Literal["fast", "standard", "pro"]


class Generate(commands.Cog):
    """Makes a clip."""

    def __init__(self, *, intake: Intake, whispers: Whispers) -> None:
        self._intake = intake
        self._whispers = whispers

    @app_commands.command(description="Make a clip from words and reference files.")
    @app_commands.describe(
        prompt="What happens. Name the files as @Image1, @Video1, @Audio1 …",
        duration="Seconds; 5 unless you say.",
        aspect="Width to height; 16:9 unless you say.",
        resolution="The tier's own unless you say.",
        tier="Quality and price; fast unless you say.",
        sound="Off for a silent clip.",
        seed="The same seed and request give a similar clip.",
        camera="How the camera moves.",
        first_frame="The picture the clip begins with.",
        end_frame="The picture the clip ends with; needs a first frame.",
        image1="@Image1",
        image2="@Image2",
        image3="@Image3",
        image4="@Image4",
        image5="@Image5",
        image6="@Image6",
        image7="@Image7",
        image8="@Image8",
        image9="@Image9",
        video1="@Video1",
        video2="@Video2",
        video3="@Video3",
        audio1="@Audio1",
        audio2="@Audio2",
        audio3="@Audio3",
    )
    @app_commands.choices(camera=[app_commands.Choice(name=c.value.replace("_", " "), value=c.value) for c in Camera])
    async def generate(  # noqa: PLR0917 -- Discord's options are the function's parameters
        self,
        interaction: discord.Interaction,
        prompt: Range[str, 1, PROMPT_CHARS_MAX],
        duration: Range[int, 4, 15] | None = None,
        aspect: AspectName | None = None,
        resolution: ResolutionName | None = None,
        tier: TierName | None = None,
        sound: bool | None = None,  # noqa: FBT001 -- as above
        seed: Range[int, 0, SEED_MAX] | None = None,
        camera: str | None = None,
        first_frame: discord.Attachment | None = None,
        end_frame: discord.Attachment | None = None,
        image1: discord.Attachment | None = None,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
        image4: discord.Attachment | None = None,
        image5: discord.Attachment | None = None,
        image6: discord.Attachment | None = None,
        image7: discord.Attachment | None = None,
        image8: discord.Attachment | None = None,
        image9: discord.Attachment | None = None,
        video1: discord.Attachment | None = None,
        video2: discord.Attachment | None = None,
        video3: discord.Attachment | None = None,
        audio1: discord.Attachment | None = None,
        audio2: discord.Attachment | None = None,
        audio3: discord.Attachment | None = None,
    ) -> None:
        images = (image1, image2, image3, image4, image5, image6, image7, image8, image9)
        slots = {Kind.IMAGE: images, Kind.VIDEO: (video1, video2, video3), Kind.AUDIO: (audio1, audio2, audio3)}
        places: dict[Place, discord.Attachment | None] = {Frame.FIRST: first_frame, Frame.END: end_frame}
        places |= {Slot(kind=k, number=n): one for k, files in slots.items() for n, one in enumerate(files, start=1)}
        request = Request(
            prompt=prompt,
            references=references_of(places),
            duration_seconds=duration,
            aspect=Aspect(aspect) if aspect else None,
            resolution=resolution,
            tier=Tier(tier) if tier else None,
            sound=sound,
            seed=seed,
            camera=Camera(camera) if camera else None,
        )
        self._intake.check(request)
        asked = await acknowledge(interaction, self._whispers)
        await self._intake.accept(
            job_id=asked.job_id,
            guild_id=asked.guild_id,
            member_id=asked.member_id,
            role_ids=asked.role_ids,
            target=asked.target,
            request=request,
        )


async def setup(bot: DailiesBot) -> None:
    services = bot.provided
    await bot.add_cog(Generate(intake=services.intake, whispers=services.whispers))
