"""What survives a killed bot: a local Discord, a provider and a clock; and the bot itself as a process of its own."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from bot.domain.jobs import Job, JobState
from bot.sandbox.cdn import Cdn
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.clock import SystemClock
from bot.sandbox.records import Channel, Message
from bot.sandbox.server import Sandbox
from bot.sandbox.world import Event, World
from bot.storage.verify import verify
from bot.storage.views import open_views
from tests.standins import unifically

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "bot" / "samples"
SECONDS_MAX = 30.0
LOOK_SECONDS = 0.03
CHARGE_MICROS = 320_000
"""Four seconds at $0.08."""
AT_ONCE = unifically.Fate(statuses=("completed",))


@dataclass(kw_only=True)
class LateClock:
    """The machine's time and so much more: Discord's memory ages while the bot is down."""

    ahead_ms: int = 0
    _system: SystemClock = field(default_factory=SystemClock)

    def now_ms(self) -> int:
        return self._system.now_ms() + self.ahead_ms


@dataclass(kw_only=True)
class Gate:
    """Once closed, of the next file that is asked for only half arrives, and the rest never."""

    closed: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        self.closed = True
        self.reached.clear()

    async def half(self, request: web.Request, path: Path) -> web.StreamResponse:
        self.closed = False
        content = path.read_bytes()
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        self.reached.set()
        await asyncio.Event().wait()
        return response


class GatedClips(unifically.Provider):
    """The provider's stand-in, whose clips pass a gate."""

    def __init__(self, *, clip: Path, gate: Gate) -> None:
        super().__init__(clip=clip)
        self._gate = gate
        self._whole = clip

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self._pass)
        return app

    @web.middleware
    async def _pass(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._gate.closed and request.path.startswith("/clips/"):
            return await self._gate.half(request, self._whole)
        return await handler(request)


class GatedCdn(Cdn):
    """Discord's file server on an address of its own, behind a gate."""

    def __init__(self, *, world: World, gate: Gate) -> None:
        super().__init__(world=world)
        self._files = world.stored.links
        self._gate = gate

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self._gate.closed:
            return await self._gate.half(request, self._files[request.path])
        return await super().serve(request)


@dataclass(kw_only=True)
class Program:
    """`dailies …` as a process of its own."""

    process: asyncio.subprocess.Process
    said: Path
    """Its standard error: what the log and the refusals say."""

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def words(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def strike(self) -> None:
        """SIGKILL, at this very moment."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def ended(self, *, seconds: float = SECONDS_MAX) -> tuple[int, str]:
        """Its status and its standard output."""
        async with asyncio.timeout(seconds):
            output, _ = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()

    async def kill(self) -> None:
        self.strike()
        status, _ = await self.ended()
        assert status == -signal.SIGKILL, self.words()

    async def stop(self, number: signal.Signals) -> int:
        """The status it ends with when it is asked to."""
        self.process.send_signal(number)
        status, _ = await self.ended()
        return status


@dataclass(kw_only=True)
class House:
    """A data directory and the settings of everything that is started on it."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    async def start(self, *arguments: str, **settings: str) -> Program:
        """`dailies` with these arguments; nothing of the test's own environment but the code's place."""
        given = {"DAILIES_DATA_DIR": str(self.data_dir)} | self.settings | settings
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        said = self.folder / f"said-{len(self.programs)}.log"
        with said.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", *arguments),
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), **given},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        program = Program(process=process, said=said)
        self.programs.append(program)
        return program

    async def json(self, *arguments: str) -> Any:
        """What a command answers with `--json`."""
        program = await self.start(*arguments, "--json")
        status, output = await program.ended()
        assert status == 0, output + program.words()
        return json.loads(output)

    async def close(self) -> None:
        """Nothing that was started outlives the test."""
        for program in self.programs:
            if program.alive:
                program.strike()
                await program.ended()

    async def check_ledger(self) -> None:
        """By the command that an operator has for it."""
        verdict = await self.json("ledger", "verify")
        assert (verdict["ok"], verdict["open_holds"], verdict["problems"]) == (True, 0, [])

    def let_pass(self, milliseconds: int) -> None:
        """Time passes while nobody runs: the jobs' stamps lie further back."""
        with closing(sqlite3.connect(self.data_dir / "dailies.db")) as connection, connection:
            for stamp in ("created_ms", "due_ms", "since_ms", "submitted_ms"):
                connection.execute(f"UPDATE job SET {stamp} = {stamp} - ?", (milliseconds,))  # noqa: S608 -- our own names

    async def jobs(self) -> list[Job]:
        """Every job, the newest first, read beside whoever writes."""
        if not (self.data_dir / "dailies.db").exists():
            return []
        async with open_views(self.data_dir) as views:
            ids = [int(line["id"] or 0) for line in await views.listing(limit=1000)]
            return [job for job in [await views.job(one) for one in ids] if job is not None]

    async def job(self, job_id: int) -> Job | None:
        return next((job for job in await self.jobs() if job.id == job_id), None)

    async def charges(self, job_id: int) -> list[int]:
        """What the guild's money was charged for the job, entry by entry; the operator's where there is no guild."""
        async with open_views(self.data_dir) as views:
            lines = [line async for line in views.journal() if line["job_id"] == job_id and line["kind"] == "charge"]
        owner = "guild" if any(line["owner"] == "guild" for line in lines) else "operator"
        return [int(line["amount"] or 0) for line in lines if (line["owner"], line["unit"]) == (owner, "usd")]

    async def until(self, probe: Callable[[], Awaitable[T | None]], *, seconds: float = SECONDS_MAX) -> T:
        """The probe's first answer that is not None; looked for again and again, for files ring no bell."""
        async with asyncio.timeout(seconds):
            while (found := await probe()) is None:
                await moment(LOOK_SECONDS)
        return found

    async def in_state(self, job_id: int, *states: JobState, seconds: float = SECONDS_MAX) -> Job:
        async def probe() -> Job | None:
            job = await self.job(job_id)
            return job if job is not None and job.state in states else None

        try:
            return await self.until(probe, seconds=seconds)
        except TimeoutError:
            job = await self.job(job_id)
            raise AssertionError(f"{job and job.state} instead of {states}: {self.programs[-1].words()}") from None


async def reached(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), SECONDS_MAX)


async def moment(seconds: float, event: asyncio.Event | None = None) -> None:
    """Until the event, or so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for((event or asyncio.Event()).wait(), seconds)


@dataclass(kw_only=True)
class Stage(House):
    """A house with a local Discord and a paid provider next door; both outlive the bot."""

    clock: LateClock
    world: World
    sandbox: Sandbox
    provider: unifically.Provider
    clips: Gate
    files: Gate
    channel: Channel
    member: MemberClient
    usual: Program | None = None
    """The bot that was started last, if it was with no settings of its own."""

    async def run(self, **settings: str) -> Program:
        """The bot, started and connected."""
        before = self.sandbox.gateway.identified
        bot = await self.start("run", **settings)
        self.usual = None if settings else bot

        async def connected() -> bool | None:
            assert bot.alive, bot.words()
            return True if self.sandbox.gateway.identified > before else None

        await self.until(connected)
        return bot

    async def running(self) -> Program:
        """The bot as the last test left it, or a new one."""
        if self.usual is not None and self.usual.alive:
            return self.usual
        await self.close()
        return await self.run()

    def let_pass(self, milliseconds: int) -> None:
        super().let_pass(milliseconds)
        self.clock.ahead_ms += milliseconds

    def ask(self, prompt: str, **options: Any) -> Invocation:
        """`/generate`, four seconds; paths become attachments."""
        files = {name: value for name, value in options.items() if isinstance(value, Path)}
        said: dict[str, Any] = {"prompt": prompt, "duration": 4}
        said |= {name: one for name, one in options.items() if name not in files}
        return self.member.slash(self.channel.id, "generate", options=said, files=files)

    def submits(self, prompt: str) -> list[unifically.Submit]:
        """Every POST with this prompt that reached the provider."""
        return [one for one in self.provider.submits if _prompt(one) == prompt]

    def messages(self, job_id: int) -> list[Message]:
        """Every message anywhere with the job's clip."""
        return [one for one in self.world.stored.messages.values() if carries(one, job_id)]

    def on_clip(self, act: Callable[[], None]) -> None:
        """Do this at the very moment a clip's message is stored, before the bot is answered; once."""

        def hear(event: Event) -> None:
            if event.name == "MESSAGE_CREATE" and any(
                re.fullmatch(r"\d+\.mp4", one["filename"]) for one in event.data["attachments"]
            ):
                self.world.listeners.remove(hear)
                act()

        self.world.listeners.append(hear)

    def check(self) -> None:
        """Discord caught the bot at nothing, and the books are in order with nothing held."""
        assert self.world.violations == []
        verdict = verify(self.data_dir)
        assert (verdict.problems, verdict.open_holds) == ((), 0)

    async def outcome(self, asked: Invocation, prompt: str) -> tuple[int, int, list[int]]:
        """Submits, messages and charges of one job."""
        return len(self.submits(prompt)), len(self.messages(asked.id)), await self.charges(asked.id)

    async def once(self, asked: Invocation, prompt: str) -> None:
        """The job is delivered: one submit, one message, one charge."""
        await self.in_state(asked.id, JobState.DELIVERED)
        assert await self.outcome(asked, prompt) == (1, 1, [CHARGE_MICROS])


def _prompt(submit: unifically.Submit) -> object:
    payload: Any = submit.payload
    return payload["input"]["prompt"]


def carries(message: Message, job_id: int) -> bool:
    return any(one.filename == f"{job_id}.mp4" for one in message.attachments)


@asynccontextmanager
async def stage(folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Everything but the bot. At the end Discord must have caught it at nothing, and the ledger must be in order."""
    clock, clips, files = LateClock(), Gate(), Gate()
    world = World(folder=folder / "discord", clock=clock)
    provider = GatedClips(clip=SAMPLES / "drift.mp4", gate=clips)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(world=world))
        provider.url = await stack.enter_async_context(serving(provider.app()))
        cdn = web.Application()
        cdn.add_routes(GatedCdn(world=world, gate=files).routes())
        world.links.base = await stack.enter_async_context(serving(cdn))
        guild = world.add_guild()
        known = {
            "DAILIES_DISCORD_TOKEN": sandbox.token,
            "DAILIES_DISCORD_API_URL": sandbox.api_url,
            "DAILIES_DISCORD_GATEWAY_URL": sandbox.gateway_url,
            "DAILIES_DISCORD_CDN_HOSTS": world.links.base.removeprefix("http://"),
            "DAILIES_PROVIDER_ORDER": "unifically",
            "DAILIES_PROVIDERS__UNIFICALLY__API_KEY": provider.key,
            "DAILIES_PROVIDERS__UNIFICALLY__BASE_URL": provider.url,
            "DAILIES_PROVIDERS__UNIFICALLY__TYPICAL_SECONDS": "1",
            "DAILIES_WEB_PORT": "0",
        }
        set_up = Stage(
            folder=folder,
            settings=known | settings,
            clock=clock,
            world=world,
            sandbox=sandbox,
            provider=provider,
            clips=clips,
            files=files,
            channel=world.add_channel(guild),
            member=sandbox.client(world.add_member(guild, "Member")),
        )
        stack.push_async_callback(set_up.close)
        yield set_up
        await set_up.close()
        set_up.check()
        await set_up.check_ledger()


@asynccontextmanager
async def house(folder: Path, **settings: str) -> AsyncIterator[House]:
    """A data directory for the command line alone."""
    set_up = House(folder=folder, settings={"DAILIES_WEB_PORT": "0"} | settings)
    try:
        yield set_up
        await set_up.check_ledger()
    finally:
        await set_up.close()


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """An application on a free port of this machine; what still waits in it at the end is dropped."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def descendants(process_id: int) -> set[tuple[int, str]]:
    """Every process below this one, with the time it began: an id alone may come again."""
    parents = {child: parent for child, parent, _ in _processes()}
    began = {child: time for child, _, time in _processes()}
    return {(one, began[one]) for one in parents if one in began and process_id in _above(one, parents)}


def alive(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return processes & {(one, time) for one, _, time in _processes()}


def _above(process_id: int, parents: dict[int, int]) -> Sequence[int]:
    found: list[int] = []
    while (process_id := parents.get(process_id, 0)) and process_id not in found:
        found.append(process_id)
    return found


def _processes() -> list[tuple[int, int, str]]:
    """Id, parent and beginning of every process that is not a zombie (man 5 proc_pid_stat)."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 -- /proc has no other listing
        with suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if fields[0] != "Z":
                found.append((int(name), int(fields[1]), fields[19]))
    return found
