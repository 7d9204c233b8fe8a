"""`dailies demo`: the bot, a local Discord and the free provider, played through by two members."""

import asyncio
import importlib.resources
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from bot.commandline.ending import run_until_signal
from bot.commandline.faults import PlaceUnusableError, PortUnusableError, reason_of
from bot.commandline.logs import set_up_logs
from bot.domain.quota import Period, Unit
from bot.domain.rules import Audience, Rule
from bot.ports.books import By
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.records import Channel, Guild, Message
from bot.sandbox.server import Sandbox
from bot.sandbox.transcript import write_transcript
from bot.sandbox.world import World
from bot.settings import DefaultSettings, Settings
from bot.wiring import now_ms, open_workshop, serve_discord

CLIPS_A_DAY = 3
CLIP_SECONDS_MAX = 90.0
READY_SECONDS_MAX = 30.0
STORYBOARD = (
    "Shot 1: @Image1 looks up from a warm windowsill as the light changes. "
    "Shot 2: @Video1 opens outside the window, a slow drift through deep space, with @Audio1 under it."
)
SEQUEL = "The camera flies on through the stars, back to the window."
PORTRAIT = "Steam rises from @Image1 while the café wakes up, handheld and close."

Say = Callable[[str], None]


def demo(
    *,
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines, for no terminal.")] = False,
    out: Annotated[Path, typer.Option(help="Where the clips and the transcript go.")] = Path("out/demo"),
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The local Discord's port; any free one unless you say.")
    ] = 0,
) -> None:
    """Play a session without a token or a key. It takes no DAILIES_ setting, so it cannot spend money."""
    settings = DefaultSettings(log_level="WARNING")
    set_up_logs(settings)
    console = Console(force_terminal=False if headless else None, highlight=False, soft_wrap=True)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {line}", markup=False)

    _make(out)
    page = run_until_signal(_play(out.absolute(), port, say))
    for clip in sorted(page.parent.glob("*.mp4")):
        console.print(f"clip        {clip}", markup=False)
    console.print(f"transcript  {page}", markup=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The local Discord of the demo: one server, one channel, two members."""

    sandbox: Sandbox
    world: World
    guild: Guild
    channel: Channel
    director: MemberClient
    editor: MemberClient


async def _play(out: Path, port: int, say: Say) -> Path:
    with tempfile.TemporaryDirectory(prefix="dailies-demo-") as name:
        folder = Path(name)
        world = World(folder=folder / "discord")
        async with _listening(world, port) as sandbox:
            say(f"a local Discord listens on {sandbox.cdn_host}")
            stage = _stage(sandbox, world)
            async with open_workshop(_settings(sandbox, folder)) as workshop:
                await workshop.books.write(lambda tx: tx.rules.put(_rule(stage.guild), by=_operator()))
                async with asyncio.TaskGroup() as group:
                    bot = group.create_task(serve_discord(workshop))
                    await sandbox.gateway.ready(seconds=READY_SECONDS_MAX)
                    say("the bot is online; its commands are registered")
                    await _session(stage, say)
                    bot.cancel()
            return write_transcript(world, out, title="Dailies: a session over the local Discord")


def _make(out: Path) -> None:
    """Before a minute of play, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise PlaceUnusableError(place=f"--out {out}", reason=reason_of(fault)) from fault


@asynccontextmanager
async def _listening(world: World, port: int) -> AsyncIterator[Sandbox]:
    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(Sandbox(world=world, port=port))
        except OSError as fault:
            raise PortUnusableError(port=port, reason=reason_of(fault)) from fault
        yield sandbox


def _stage(sandbox: Sandbox, world: World) -> Stage:
    guild = world.add_guild("The Cutting Room")
    director, editor = (sandbox.client(world.add_member(guild, name)) for name in ("Director", "Editor"))
    channel = world.add_channel(guild, "dailies")
    return Stage(sandbox=sandbox, world=world, guild=guild, channel=channel, director=director, editor=editor)


def _settings(sandbox: Sandbox, folder: Path) -> Settings:
    return DefaultSettings(
        discord_token=SecretStr(sandbox.token),
        discord_api_url=sandbox.api_url,
        discord_gateway_url=sandbox.gateway_url,
        discord_cdn_hosts=sandbox.cdn_host,
        data_dir=folder / "data",
        web_port=0,
    )


def _rule(guild: Guild) -> Rule:
    return Rule(guild_id=guild.id, audience=Audience.SERVER, unit=Unit.CLIPS, period=Period.DAY, amount=CLIPS_A_DAY)


def _operator() -> By:
    return By(actor="operator", at_ms=now_ms())


async def _session(stage: Stage, say: Say) -> None:
    with ExitStack() as stack:
        samples = stack.enter_context(importlib.resources.as_file(importlib.resources.files("bot") / "samples"))
        first = _ask(
            stage.director,
            stage.channel,
            {"prompt": STORYBOARD, "duration": 8},
            {"image1": samples / "cat.jpg", "video1": samples / "drift.mp4", "audio1": samples / "mood.mp3"},
        )
        say("Director: /generate with a picture, a clip and a soundtrack")
        thread_id = (await _follow(stage, first, "Director", say)).channel_id
        again = stage.editor.slash(thread_id, "extend", options={"prompt": SEQUEL, "duration": 4})
        say("Editor: /extend, from its last frame")
        clip = await _follow(stage, again, "Editor", say)
        film = stage.director.slash(clip.channel_id, "stitch", options={"clip": str(again.id)})
        say("Director: /stitch, both as one film")
        await _follow(stage, film, "Director", say)
        files = {"image1": samples / "coffee.jpg"}
        second = _ask(stage.editor, stage.channel, {"prompt": PORTRAIT, "duration": 4, "aspect": "9:16"}, files)
        say("Editor: /generate, upright, with one picture")
        await _follow(stage, second, "Editor", say)
        third = _ask(stage.editor, stage.channel, {"prompt": PORTRAIT, "duration": 4}, files)
        refusal = await third.follow_up(seconds=CLIP_SECONDS_MAX)
        say(f"Editor, only for their eyes: {refusal.content}")
    jobs = stage.director.slash(stage.channel.id, "jobs")
    await jobs.response(seconds=CLIP_SECONDS_MAX)
    say("Director: /jobs")


def _ask(member: MemberClient, channel: Channel, options: dict[str, str | int], files: dict[str, Path]) -> Invocation:
    return member.slash(channel.id, "generate", options=options, files=files)


async def _follow(stage: Stage, asked: Invocation, who: str, say: Say) -> Message:
    """Wait for the card, then for the clip in the thread under it."""
    card = await asked.response(seconds=CLIP_SECONDS_MAX)
    say(f"{who} sees the card: {card.embeds[0]['title']}")
    clip = await stage.world.changes.until(lambda: _clip_of(stage.world, asked), seconds=CLIP_SECONDS_MAX)
    await stage.world.changes.until(lambda: _is_done(stage.world, card), seconds=CLIP_SECONDS_MAX)
    attached = clip.attachments[0]
    say(f"{who} gets {attached.filename} in the thread, {attached.size / 1e6:.1f} MB")
    return clip


def _clip_of(world: World, asked: Invocation) -> Message | None:
    """Every clip is posted with a nonce that names its job."""
    messages = world.stored.messages.values()
    return next((one for one in messages if one.nonce == f"{asked.id}-clip"), None)


def _is_done(world: World, card: Message) -> bool | None:
    drawn = world.stored.messages[card.id].embeds
    return True if drawn and drawn[0]["title"] in {"Delivered", "Film"} else None
