"""Whole commands over the local Discord: the real bot, real sockets, a real database, and members who click."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.domain.jobs import Job, JobState, TargetKind
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.records import AnswerType, Channel, Guild, Message
from bot.sandbox.schema import PublishedSchema, place_of_schema
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.settings import DefaultSettings, Settings
from bot.storage.verify import verify
from bot.wiring import Workshop, open_workshop, serve_discord

SAMPLES = Path(__file__).parents[2] / "bot" / "samples"
SECONDS_MAX = 30.0
FAR_MS = 2**60


@dataclass(kw_only=True)
class Story:
    """A guild with one text channel, its members, and the bot's own workshop behind it."""

    sandbox: Sandbox
    world: World
    workshop: Workshop
    guild: Guild
    channel: Channel
    member: MemberClient
    other: MemberClient
    folder: Path
    settings: Settings
    bot: AsyncExitStack

    def generate(self, prompt: str = "a fox", *, by: MemberClient | None = None, **said: Any) -> Invocation:
        """`/generate` in the story's channel; paths become attachments."""
        channel_id = said.pop("channel_id", self.channel.id)
        files = {name: value for name, value in said.items() if isinstance(value, Path)}
        options = {"prompt": prompt} | {name: value for name, value in said.items() if name not in files}
        return (by or self.member).slash(channel_id, "generate", options=options, files=files)

    async def refusal(self, asked: Invocation) -> str:
        """What the member alone was told; nobody else sees anything of it."""
        said_at_once = await asked.acknowledged() is AnswerType.MESSAGE
        message = await (asked.response() if said_at_once else asked.follow_up(seconds=SECONDS_MAX))
        assert message.visible_to == self.member.member.id
        assert not self.other.sees(message)
        return message.content

    async def ended(self, asked: Invocation, *, seconds: float = SECONDS_MAX) -> Job:
        """The job when it has ended and everything about it was told."""
        async with asyncio.timeout(seconds):
            while True:
                job = await self.workshop.books.write(lambda tx: tx.jobs.get(asked.id))
                if job is not None and not job.is_open and await self._told(job):
                    return job
                await self._next_change()

    async def clip(self, asked: Invocation, *, seconds: float = SECONDS_MAX) -> Message:
        job = await self.ended(asked, seconds=seconds)
        assert job.state is JobState.DELIVERED, job.error_text
        assert job.message_id is not None
        return self.world.stored.messages[job.message_id]

    async def job_of(self, message: Message) -> Job:
        """The job whose clip stands in a message."""
        here = await self.workshop.views.clips_here(guild_id=self.guild.id, channel_id=message.channel_id, limit=100)
        return next(job for job in here if job.message_id == message.id)

    async def card(self, asked: Invocation, state: JobState) -> Message:
        """The job's card once the job is in a state and its card says so."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                job = await self.workshop.books.write(lambda tx: tx.jobs.get(asked.id))
                if job is not None and job.state is state and await self._told(job):
                    return await asked.response()
                assert job is None or job.is_open, job.error_text
                await self._next_change()

    async def restart(self) -> None:
        """Stop the bot in good order and start it anew."""
        await self.bot.aclose()
        self.workshop = await self.bot.enter_async_context(running(self.sandbox, self.settings))

    async def spent(self, owner: str = "guild", unit: str = "usd") -> tuple[int, int]:
        lines = await self.workshop.views.balances()
        rows = [(int(b["spent"] or 0), int(b["held"] or 0)) for b in lines if (b["owner"], b["unit"]) == (owner, unit)]
        return rows[0] if rows else (0, 0)

    async def _told(self, job: Job) -> bool:
        everything = frozenset(TargetKind)
        waiting = await self.workshop.books.write(
            lambda tx: tx.outbox.due(targets=everything, now_ms=FAR_MS, limit=1000)
        )
        return job.id not in {item.job_id for item in waiting}

    async def _next_change(self) -> None:
        """Until something happens in the sandbox, or a moment passed: the books change without it too."""
        answers = iter((None, True))
        with suppress(TimeoutError):
            await self.world.changes.until(lambda: next(answers), seconds=0.1)


@asynccontextmanager
async def story(folder: Path, *, link_life_seconds: int = 86_400, **settings: Any) -> AsyncIterator[Story]:
    """The bot, running. At the end the sandbox must have caught it at nothing, and the books must be in order."""
    world = World(folder=folder / "discord", link_life_seconds=link_life_seconds)
    # Where Discord's published schema is at hand, all that the bot sends is checked against it as well.
    schema = PublishedSchema(place=place_of_schema(os.environ))
    async with Sandbox(world=world, schema=schema) as sandbox:
        guild = world.add_guild()
        member, other = (sandbox.client(world.add_member(guild, name)) for name in ("Member", "Other"))
        channel = world.add_channel(guild)
        chosen = settings_for(sandbox, folder, **settings)
        async with AsyncExitStack() as bot:
            yield Story(
                sandbox=sandbox,
                world=world,
                workshop=await bot.enter_async_context(running(sandbox, chosen)),
                guild=guild,
                channel=channel,
                member=member,
                other=other,
                folder=folder,
                settings=chosen,
                bot=bot,
            )
        assert world.violations == []
        assert verify(folder / "data").problems == ()


@asynccontextmanager
async def running(sandbox: Sandbox, settings: Settings) -> AsyncIterator[Workshop]:
    async with open_workshop(settings) as workshop, asyncio.TaskGroup() as group:
        bot = group.create_task(serve_discord(workshop))
        await sandbox.gateway.ready()
        yield workshop
        bot.cancel()


def settings_for(sandbox: Sandbox, folder: Path, **settings: Any) -> Settings:
    known: dict[str, Any] = {
        "discord_token": SecretStr(sandbox.token),
        "discord_api_url": sandbox.api_url,
        "discord_gateway_url": sandbox.gateway_url,
        "discord_cdn_hosts": sandbox.cdn_host,
        "data_dir": folder / "data",
        "web_port": 0,
    }
    return DefaultSettings(**(known | settings))
