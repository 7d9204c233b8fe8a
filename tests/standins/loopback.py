"""What every stand-in provider has: tasks and books, the troubles a test may order, clips, and fetching references.

It knows nothing of the bot. A dialect gives its routes, what it accepts and what it answers.
"""

import asyncio
import hashlib
import json
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.standins import callbacks
from tests.standins.sniffing import sniff

KEY = "standin-key-4f9d2c"
REFERENCE_BYTES_MAX = 60_000_000
FETCH_SECONDS = 20.0
SHUTDOWN_SECONDS = 0.2
MEGABYTE = 1_000_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


# -- what a test may order


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong with one request.

    `creates` makes (and charges) the task all the same. `drops` cuts the connection instead of answering. `holds`
    waits for `provider.release()`, `until` for the test's own event; then the request is answered as usual, unless
    `status`, `body` or `drops` say otherwise. `flood_bytes` streams that many bytes of nonsense.
    """

    status: int | None = None
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    creates: bool = False
    drops: bool = False
    holds: bool = False
    until: asyncio.Event | None = None
    flood_bytes: int = 0

    @property
    def answers(self) -> bool:
        """Whether it replaces the usual answer."""
        return self.status is not None or self.drops or self.flood_bytes > 0


def html(status: int, *, creates: bool = False) -> Trouble:
    page = "<html><body><h1>Bad gateway</h1></body></html>"
    return Trouble(status=status, body=page, content_type="text/html", creates=creates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a task goes: each read shows the next status, the last one stays. `result` replaces the usual one."""

    statuses: Sequence[str]
    error: object = None
    result: object = None
    gives_link: bool = True


# -- what happened


@dataclass(slots=True, kw_only=True)
class Submit:
    """A POST that reached the provider, whatever came of it. `refused` is why it made no task."""

    payload: object
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    task_id: str | None = None
    refused: str | None = None


@dataclass(slots=True, kw_only=True)
class Task:
    """A task, what it was asked for and where its reads stand; `micros` is what it costs if it succeeds."""

    id: str
    input: dict[str, object]
    micros: int
    fate: Fate
    clip: Path
    reads: int = 0

    @property
    def status(self) -> str:
        shown = min(max(self.reads - 1, 0), len(self.fate.statuses) - 1)
        return self.fate.statuses[shown]


class RefusedError(Exception):
    """The provider says no."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to fetch: what kind it must be, the field that names it, and its address."""

    kind: str
    field: str
    link: str


# -- the provider


class StandIn(ABC):
    """The provider's side: its tasks, its books, and what it was ordered to do wrong."""

    usual: Fate
    failed: str
    fetch_refused_status = 400
    body_bytes_max = MEGABYTE
    query_fields: frozenset[str] = frozenset()
    """What the address of a submit takes."""

    def __init__(self, *, clip: Path, key: str = KEY) -> None:
        self.key = key
        self.url = ""
        self.submits: list[Submit] = []
        self.tasks: dict[str, Task] = {}
        self.callbacks: dict[str, str] = {}
        """Where a task's end is to be told, by its id."""
        self.submit_troubles: deque[Trouble] = deque()
        self.read_troubles: deque[Trouble] = deque()
        self.fates: deque[Fate] = deque()
        self.fetched: list[str] = []
        self.received: list[str] = []
        """The content hash of every reference that it got, in order."""
        self.clips: deque[Path] = deque()
        """What the next tasks come to; the usual clip when there is none left."""
        self.still: bytes | str | None = None
        """The last frame of every clip as a picture, or where its link leads on to; None: the link is dead."""
        self.flooded_bytes = 0
        self.connections: set[object] = set()
        self.reached = asyncio.Event()
        """Set when a submit arrived, before any trouble or answer."""
        self._released = asyncio.Event()
        self._clip = clip
        self._signature = uuid.uuid4().hex

    # what a dialect says

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None: ...

    @abstractmethod
    def check_key(self, request: web.Request) -> None:
        """Raises RefusedError."""

    @abstractmethod
    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        """The checked input and its price in micro-dollars. Raises RefusedError."""

    @abstractmethod
    def accepted(self, task: Task) -> web.Response: ...

    @abstractmethod
    def shown(self, task: Task) -> dict[str, object]: ...

    @abstractmethod
    def refused(self, error: RefusedError) -> web.Response: ...

    def asked(self, request: web.Request, payload: object) -> object:
        """What `accept` checks, where a part of it stands in the address."""
        del request
        return payload

    def answer_status(self, task: Task) -> int:
        """The HTTP status that a read of this task answers."""
        del task
        return 200

    def callback_in(self, request: web.Request, payload: object) -> object:
        """The address to call back, as the documents have it; None where the submit gives none."""
        del request, payload
        return None

    def called(self, task: Task) -> Mapping[str, object]:
        """What a call back tells; where nothing else is documented, what a read shows."""
        return self.shown(task)

    def signed(self, task: Task, body: bytes) -> Mapping[str, str]:
        """The headers that prove who sent a call back."""
        del task, body
        return {}

    def new_task_id(self) -> str:
        return str(uuid.uuid4())

    def asked_task_id(self, request: web.Request) -> str:
        return request.match_info["task_id"]

    # what a test asks

    @property
    def charged_micros(self) -> int:
        """A failed task is not charged."""
        return sum(task.micros for task in self.tasks.values() if task.fate.statuses[-1] != self.failed)

    def release(self) -> None:
        """Let everything go that `holds`, now and later."""
        self._released.set()

    def expire_links(self) -> None:
        """Links handed out so far answer 403; the next read gives a fresh one."""
        self._signature = uuid.uuid4().hex

    def link_of(self, task: Task) -> str:
        return f"{self.url}/clips/{task.id}.mp4?signature={self._signature}"

    async def call_back(self, task_id: str) -> int:
        """Tell the address that the submit gave how the task stands; the HTTP status that it answers."""
        task = self.tasks[task_id]
        return await callbacks.post(self.callbacks[task_id], self.called(task), lambda body: self.signed(task, body))

    # what it serves

    def app(self) -> web.Application:
        app = web.Application(client_max_size=self.body_bytes_max)
        self.add_routes(app.router)
        app.router.add_get("/clips/{task_id}.mp4", self._download)
        app.router.add_get("/frames/{task_id}.png", self._frame)
        return app

    async def submit(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        payload = _json_or_text(await request.text())
        submit = Submit(payload=payload, path=request.path_qs, headers=request.headers.copy())
        self.submits.append(submit)
        self.reached.set()
        trouble = self.submit_troubles.popleft() if self.submit_troubles else Trouble()
        if trouble.answers and not trouble.creates:
            submit.refused = "trouble"
            return await self._answer(request, trouble)
        try:
            task = await self._make(request, submit)
        except RefusedError as error:
            submit.refused = str(error)
            return self.refused(error)
        if trouble.answers:
            return await self._answer(request, trouble)
        await self._wait(trouble)
        return self.accepted(task)

    async def read(self, request: web.Request) -> web.StreamResponse:
        trouble = self.read_troubles.popleft() if self.read_troubles else Trouble()
        if trouble.answers:
            return await self._answer(request, trouble)
        await self._wait(trouble)
        try:
            self.check_key(request)
            task = self._task(request)
        except RefusedError as error:
            return self.refused(error)
        task.reads += 1
        return web.json_response(self.shown(task), status=self.answer_status(task))

    async def _make(self, request: web.Request, submit: Submit) -> Task:
        self.check_key(request)
        if request.content_type != "application/json" or set(request.query) - self.query_fields:
            raise RefusedError("the body must be JSON, and the address takes no such query")
        callback = self.callback_in(request, submit.payload)
        if callback is not None and not is_address(callback):
            raise RefusedError("the address to call back must be https")
        asked, micros = await self.accept(self.asked(request, submit.payload))
        fate = self.fates.popleft() if self.fates else self.usual
        clip = self.clips.popleft() if self.clips else self._clip
        task = Task(id=self.new_task_id(), input=asked, micros=micros, fate=fate, clip=clip)
        self.tasks[task.id] = task
        if callback is not None:
            self.callbacks[task.id] = str(callback)
        submit.task_id = task.id
        return task

    async def fetch_all(self, wanted: Sequence[Wanted]) -> None:
        """Copy every reference, as a provider does before it accepts."""
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for one in wanted:
                head, sha256 = await self._fetch(session, one)
                if sniff(head) != one.kind:
                    raise RefusedError(f"{one.field} is not {one.kind}", status=self.fetch_refused_status)
                self.fetched.append(one.link)
                self.received.append(sha256)

    async def _fetch(self, session: aiohttp.ClientSession, one: Wanted) -> tuple[bytes, str]:
        head, size, seen = b"", 0, hashlib.sha256()
        unreachable = RefusedError(f"could not download {one.field}", status=self.fetch_refused_status)
        try:
            async with session.get(one.link) as response:
                if response.status != 200:
                    raise unreachable
                async for chunk in response.content.iter_chunked(65536):
                    head, size = head or chunk, size + len(chunk)
                    seen.update(chunk)
                    if size > REFERENCE_BYTES_MAX:
                        raise RefusedError(f"{one.field} is too large", status=self.fetch_refused_status)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable from error
        return head, seen.hexdigest()

    def _task(self, request: web.Request) -> Task:
        task = self.tasks.get(self.asked_task_id(request))
        if task is None:
            raise RefusedError("task not found", status=404)
        return task

    async def _download(self, request: web.Request) -> web.StreamResponse:
        task = self.tasks.get(request.match_info["task_id"])
        if task is None or {"Authorization", "X-API-Key"} & set(request.headers):
            return web.Response(status=404)
        if request.query.get("signature") != self._signature:
            return web.Response(status=403)
        return web.FileResponse(task.clip, headers={"Content-Type": "video/mp4"})

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["task_id"] not in self.tasks or self.still is None:
            return web.Response(status=404)
        if isinstance(self.still, str):
            return web.Response(status=302, headers={"Location": self.still})
        return web.Response(body=self.still, content_type="image/png")

    async def _wait(self, trouble: Trouble) -> None:
        if trouble.holds:
            await self._released.wait()
        if trouble.until is not None:
            await trouble.until.wait()

    async def _answer(self, request: web.Request, trouble: Trouble) -> web.StreamResponse:
        await self._wait(trouble)
        if trouble.drops and request.transport is not None:
            request.transport.abort()
        if trouble.flood_bytes:
            return await self._flood(request, trouble)
        return web.Response(
            status=trouble.status or 200,
            text=trouble.body,
            content_type=trouble.content_type,
            headers=trouble.headers,
        )

    async def _flood(self, request: web.Request, trouble: Trouble) -> web.StreamResponse:
        response = web.StreamResponse(status=trouble.status or 200, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while self.flooded_bytes < trouble.flood_bytes:
            await response.write(b" " * MEGABYTE)
            self.flooded_bytes += MEGABYTE
        return response


Serves = TypeVar("Serves", bound=StandIn)


@asynccontextmanager
async def on_loopback(provider: Serves) -> AsyncIterator[Serves]:
    """The provider on a loopback port; its address is `provider.url`."""
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()


# -- checks that dialects share


def bearer(request: web.Request, key: str) -> None:
    """Raises RefusedError (401) for anything but this one key."""
    if request.headers.getall("Authorization", []) != [f"Bearer {key}"]:
        raise RefusedError("invalid API key", status=401)


def is_address(link: object) -> bool:
    """An https address; plain http only on loopback."""
    parts = urlsplit(link) if isinstance(link, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    return parts.scheme == "https" or parts.hostname in LOOPBACK


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
