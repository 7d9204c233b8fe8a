"""A scene to play in: one small guild, raw requests, and a small bot of the real library."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands

from bot.sandbox import payloads
from bot.sandbox.client import MemberClient
from bot.sandbox.clock import ManualClock
from bot.sandbox.files import copy_in
from bot.sandbox.interactions import begin
from bot.sandbox.records import Channel, Guild, Interaction, InteractionType, Json, Member, Upload
from bot.sandbox.refusal import Reason, Rule
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World

JOB_NONCE = "1433000000000000000-clip"
QUIET: Json = {"allowed_mentions": {"parse": []}}
CLIP = (("clip.mp4", b"\0" * 32),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A guild with a channel and two members."""

    sandbox: Sandbox
    world: World
    clock: ManualClock
    guild: Guild
    channel: Channel
    ada: Member
    grace: Member
    folder: Path

    @property
    def client(self) -> MemberClient:
        return self.sandbox.client(self.ada)

    def interact(self, *, kind: InteractionType = InteractionType.COMMAND, **data: Any) -> Interaction:
        """An interaction that no registered command stands behind, for raw requests."""
        body = {"id": "1", "name": "generate", "type": 1} | data
        return begin(self.world, self.ada, self.channel.id, kind, body)

    def twin(self, interaction_id: int) -> Any:
        """The same event once more, as a second session of the shard gets it."""
        return payloads.interaction(self.world, self.world.stored.interactions[interaction_id])

    def upload(self, name: str) -> Upload:
        return copy_in(self.file(name), folder=self.world.folder / "incoming")

    def file(self, name: str = "clip.mp4", size: int = 64) -> Path:
        path = self.folder / name
        path.write_bytes(b"\0" * size)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> int | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


class Raw:
    """Requests without a library, to send what a library would not."""

    def __init__(self, session: aiohttp.ClientSession, scene: Scene) -> None:
        self._session = session
        self._scene = scene

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        files: tuple[tuple[str, bytes], ...] = (),
        text: str | None = None,
        token: str | None = "",
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bot {token or self._scene.world.token}"
        data: Any = text if text is not None else None if body is None else json.dumps(body)
        if files:
            del headers["Content-Type"]
            data = aiohttp.FormData(quote_fields=False)
            data.add_field("payload_json", json.dumps(body))
            for index, (name, content) in enumerate(files):
                data.add_field(f"files[{index}]", content, filename=name, content_type="application/octet-stream")
        url = self._scene.sandbox.api_url + path
        async with self._session.request(method, yarl.URL(url, encoded=True), data=data, headers=headers) as response:
            payload = json.loads(await response.read() or b"null")
            return Answer(status=response.status, body=payload, headers=response.headers.copy())


class Bot(discord.Client):
    """A small bot: the real library, no intents, the house's allowed mentions."""

    def __init__(self, *, intents: discord.Intents, careful: bool = True) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none() if careful else None,
            max_messages=None,
            guild_ready_timeout=0.05,
        )
        self.tree = app_commands.CommandTree(self)


@asynccontextmanager
async def serving(
    scene: Scene, *commands: Any, items: tuple[Any, ...] = (), intents: discord.Intents | None = None
) -> AsyncIterator[Bot]:
    """The small bot with these commands, connected."""
    async with Bot(intents=intents or discord.Intents.none()) as bot:
        await bot.login(scene.world.token)
        for command in commands:
            bot.tree.add_command(command)
        bot.add_dynamic_items(*items)
        await bot.tree.sync()
        task = asyncio.create_task(bot.connect())
        await scene.sandbox.gateway.ready()
        yield bot
        await bot.close()
        await task


def state(scene: Scene) -> Any:
    """Everything a refusal must leave as it was; files that nobody kept are gone."""
    stored = scene.world.stored
    kept = sorted(str(path) for path in scene.world.folder.rglob("*") if path.is_file())
    parts = (stored.channels, stored.messages, stored.interactions, stored.nonces, stored.commands, kept)
    return copy.deepcopy(parts)


async def refused(scene: Scene, raw: Raw, reason: Reason, *args: Any, rule: Rule | None = None, **kwargs: Any) -> None:
    before = state(scene)
    count = len(scene.world.violations)
    answer = await raw(*args, **kwargs)
    assert (answer.status, answer.code) == (reason.status, reason.code)
    assert state(scene) == before
    assert [violation.rule for violation in scene.world.violations[count:]] == ([rule] if rule else [])
