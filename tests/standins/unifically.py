"""A stand-in for Unifically's tasks API, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from docs.unifically.com/api-reference/v1-tasks,
/error-handling and /callbacks, read 2026-11-20, and from the specification of `unifically` (2026).

In a test: `async with running(clip=path) as provider`. On its own, so that it outlives a killed bot:
`python tests/standins/unifically.py --port 0 --clip clip.mp4 --state state.json`; it prints its address, and
`GET /_standin` tells what happened. `POST /_standin` takes `{"submits": [trouble…], "reads": [trouble…],
"fates": [fate…], "release": true, "expire_links": true}` with the fields of Trouble and Fate.
"""

import argparse
import asyncio
import hashlib
import json
import re
import signal
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

KEY = "standin-key-4f9d2c"
MODELS = ("bytedance/seedance-2.0-pro", "bytedance/seedance-2.0-fast")
ASPECTS = ("16:9", "9:16", "1:1", "4:3")
LISTS_MAX = {"images": 9, "videos": 3, "audio": 3}
FRAMES = ("start_frame_url", "end_frame_url")
FIELDS = {"prompt", "duration", "aspect_ratio", "seed", *LISTS_MAX, *FRAMES}
SECONDS = range(4, 15 + 1)
MICROS_PER_SECOND = 80_000
"""$0.08 for each second, Pro and Fast alike, sound included."""
SEED_MAX = 2**32 - 1
REFERENCE_BYTES_MAX = 60_000_000
FETCH_SECONDS = 20.0
CALL_SECONDS = 15.0
SHUTDOWN_SECONDS = 0.2
MEGABYTE = 1_000_000


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


def refusal(status: int, message: str, code: str, **headers: str) -> Trouble:
    """The documented error body with another status."""
    return Trouble(status=status, body=json.dumps(error_body(status, message, code)), headers=headers)


def rate_limited(retry_after: str | None = None) -> Trouble:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return refusal(429, "Too many requests", "rate_limit_exceeded", **headers)


def html(status: int, *, creates: bool = False) -> Trouble:
    page = "<html><body><h1>Bad gateway</h1></body></html>"
    return Trouble(status=status, body=page, content_type="text/html", creates=creates)


def without_id() -> Trouble:
    """A success that forgets to say which task it made."""
    return Trouble(status=200, body='{"code":200,"success":true,"data":{"status":"pending"}}', creates=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a task goes: each read shows the next status, the last one stays."""

    statuses: Sequence[str] = ("pending", "processing", "completed")
    error: object = None
    envelope_code: int = 200
    gives_link: bool = True


def moderated(words: str = "The image shows a real person.") -> Fate:
    error = {"message": f"[Content policy violation] {words}", "code": "generation_failed"}
    return Fate(statuses=("processing", "failed"), error=error)


# -- what happened


@dataclass(slots=True, kw_only=True)
class Submit:
    """A POST that reached the provider, whatever came of it. `refused` is why it made no task."""

    payload: object
    task_id: str | None = None
    refused: str | None = None


@dataclass(slots=True, kw_only=True)
class Task:
    """A task and where its reads stand."""

    id: str
    model: str
    input: dict[str, object]
    fate: Fate
    reads: int = 0

    @property
    def status(self) -> str:
        shown = min(max(self.reads - 1, 0), len(self.fate.statuses) - 1)
        return self.fate.statuses[shown]

    @property
    def micros(self) -> int:
        """A failed task is not charged."""
        seconds = self.input["duration"]
        return 0 if self.fate.statuses[-1] == "failed" or not isinstance(seconds, int) else seconds * MICROS_PER_SECOND


class RefusedError(Exception):
    """The provider says no."""

    def __init__(self, message: str, *, status: int = 422, code: str = "validation_error") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def error_body(status: int, message: str, code: str) -> dict[str, object]:
    return {"code": status, "data": {"message": message, "code": code}}


# -- what is accepted


def check_body(body: object) -> tuple[str, dict[str, object]]:
    """The model and the input, every field's name, type and range checked."""
    if not isinstance(body, dict) or set(body) - {"callback_url"} != {"model", "input"}:
        raise RefusedError("the body must hold model and input, may hold callback_url, and nothing else")
    _check_links("callback_url", [body.get("callback_url", "https://standin.example")])
    model, wanted = body["model"], body["input"]
    if model not in MODELS:
        raise RefusedError(f"unknown model {model}")
    if not isinstance(wanted, dict):
        raise RefusedError("input must be an object")
    if unknown := set(wanted) - FIELDS:
        raise RefusedError(f"unknown input fields: {', '.join(sorted(unknown))}")
    _check_values(wanted)
    _check_references(wanted)
    _check_mentions(wanted)
    return model, wanted


def _check_values(wanted: dict[str, object]) -> None:
    prompt = wanted.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise RefusedError("prompt is required")
    if type(wanted.get("duration")) is not int or wanted["duration"] not in SECONDS:
        raise RefusedError("duration must be an integer from 4 to 15")
    if wanted.get("aspect_ratio") not in ASPECTS:
        raise RefusedError(f"aspect_ratio must be one of {', '.join(ASPECTS)}")
    seed = wanted.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= SEED_MAX:
        raise RefusedError("seed must be an integer")


def _check_references(wanted: dict[str, object]) -> None:
    lists = [name for name in LISTS_MAX if name in wanted and wanted[name] is not False]
    if wanted.get("images") is False or wanted.get("videos") is False:
        raise RefusedError("only audio may be false")
    for name in lists:
        _check_links(name, wanted[name])
    for name in FRAMES:
        if name in wanted:
            _check_links(name, [wanted[name]])
    frames = [name for name in FRAMES if name in wanted]
    if frames and lists:
        raise RefusedError(f"{frames[0]} cannot be combined with {lists[0]}")
    if frames == ["end_frame_url"]:
        raise RefusedError("end_frame_url needs start_frame_url")
    if lists == ["audio"]:
        raise RefusedError("audio needs at least one image or video")


def _check_links(name: str, links: object) -> None:
    if not isinstance(links, list) or not 1 <= len(links) <= LISTS_MAX.get(name, 1):
        raise RefusedError(f"{name} must be a list of 1 to {LISTS_MAX.get(name, 1)} addresses")
    for link in links:
        parts = urlsplit(link) if isinstance(link, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RefusedError(f"{name} must hold addresses")
        if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise RefusedError(f"{name} must hold https addresses")


def _check_mentions(wanted: dict[str, object]) -> None:
    """`@Image2` means the second of `images`: the index is the order of the array."""
    for kind, number in re.findall(r"@(image|video|audio)(\d+)", str(wanted["prompt"]), re.IGNORECASE):
        field_name = {"image": "images", "video": "videos", "audio": "audio"}[kind.lower()]
        given = wanted.get(field_name)
        if not 1 <= int(number) <= (len(given) if isinstance(given, list) else 0):
            raise RefusedError(f"the prompt mentions @{kind}{number}, which {field_name} does not hold")


def _links_of(wanted: dict[str, object]) -> list[tuple[str, str, str]]:
    """Kind, name of the field and address of everything to fetch."""
    found = [("image", name, str(wanted[name])) for name in FRAMES if name in wanted]
    for name, kind in {"images": "image", "videos": "video", "audio": "audio"}.items():
        given = wanted.get(name)
        if isinstance(given, list):
            found += [(kind, f"{name}[{n}]", str(link)) for n, link in enumerate(given)]
    return found


def sniff(head: bytes) -> str | None:
    """Image, video or audio, by the file's own first bytes."""
    if head[4:8] == b"ftyp":
        return "image" if head[8:12] in {b"avif", b"heic"} else "video"
    riff = {b"WEBP": "image", b"WAVE": "audio"}
    if head[:4] == b"RIFF":
        return riff.get(head[8:12])
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")):
        return "image"
    is_mp3 = head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")
    return "audio" if is_mp3 else None


# -- the provider


class Provider:
    """The provider's side: its tasks, its books, and what it was ordered to do wrong."""

    def __init__(self, *, clip: Path, key: str = KEY, state: Path | None = None) -> None:
        self.key = key
        self.url = ""
        self.submits: list[Submit] = []
        self.tasks: dict[str, Task] = {}
        self.submit_troubles: deque[Trouble] = deque()
        self.read_troubles: deque[Trouble] = deque()
        self.fates: deque[Fate] = deque()
        self.usual = Fate()
        self.fetched: list[str] = []
        self.received: list[str] = []
        """The content hash of every reference that was fetched, in order."""
        self.clips: deque[Path] = deque()
        """What the next tasks come to; the usual clip when there is none left."""
        self.flooded_bytes = 0
        self.connections: set[object] = set()
        self.reached = asyncio.Event()
        """Set when a submit arrived, before any trouble or answer."""
        self._released = asyncio.Event()
        self._clip = clip
        self._clip_of: dict[str, Path] = {}
        self._state = state
        self._signature = uuid.uuid4().hex
        self._load()

    @property
    def charged_micros(self) -> int:
        return sum(task.micros for task in self.tasks.values())

    def release(self) -> None:
        """Let everything go that `holds`, now and later."""
        self._released.set()

    def link_of(self, task_id: str) -> str:
        return f"{self.url}/clips/{task_id}.mp4?signature={self._signature}"

    def expire_links(self) -> None:
        """Links handed out so far answer 403; the next read gives a fresh one."""
        self._signature = uuid.uuid4().hex

    @property
    def callbacks(self) -> dict[str, str]:
        """Where a task's end is to be told, by its id."""
        bodies = {one.task_id: one.payload for one in self.submits if isinstance(one.payload, dict)}
        return {id_: body["callback_url"] for id_, body in bodies.items() if id_ and "callback_url" in body}

    async def call_back(self, task_id: str) -> int:
        """Tell the address that the submit gave how the task ended; the HTTP status that it answers. Unsigned."""
        task = self.tasks[task_id]
        told: dict[str, object] = {"task_id": task.id, "status": task.status}
        if task.status == "failed":
            told["error_message"] = task.fate.error["message"] if isinstance(task.fate.error, dict) else task.fate.error
        else:
            told["data"] = {"video_url": self.link_of(task.id)}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self.callbacks[task_id], json=told, allow_redirects=False) as response,
        ):
            return response.status

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MEGABYTE)
        app.router.add_post("/v1/tasks", self._submit)
        app.router.add_get("/v1/tasks/{task_id}", self._read)
        app.router.add_get("/clips/{task_id}.mp4", self._download)
        app.router.add_get("/_standin", self._tell)
        app.router.add_post("/_standin", self._order)
        return app

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        text = await request.text()
        submit = Submit(payload=_json_or_text(text))
        self.submits.append(submit)
        self._save()
        self.reached.set()
        trouble = self.submit_troubles.popleft() if self.submit_troubles else Trouble()
        if trouble.answers and not trouble.creates:
            submit.refused = "trouble"
            self._save()
            return await self._answer(request, trouble)
        try:
            task = await self._make(request, submit)
        except RefusedError as error:
            submit.refused = str(error)
            self._save()
            return web.json_response(error_body(error.status, str(error), error.code), status=error.status)
        if trouble.answers:
            return await self._answer(request, trouble)
        await self._wait(trouble)
        return web.json_response(
            {"code": 200, "success": True, "data": {"task_id": task.id, "status": "pending"}},
        )

    async def _make(self, request: web.Request, submit: Submit) -> Task:
        self._check_key(request)
        if request.content_type != "application/json" or request.query_string:
            raise RefusedError("the body must be JSON, and the address takes no query")
        model, wanted = check_body(submit.payload)
        await self._fetch_all(wanted)
        fate = self.fates.popleft() if self.fates else self.usual
        task = Task(id=uuid.uuid4().hex, model=model, input=wanted, fate=fate)
        self.tasks[task.id] = task
        self._clip_of[task.id] = self.clips.popleft() if self.clips else self._clip
        submit.task_id = task.id
        self._save()
        return task

    def _check_key(self, request: web.Request) -> None:
        if request.headers.getall("Authorization", []) != [f"Bearer {self.key}"]:
            raise RefusedError("Invalid API key", status=401, code="authentication_failed")

    async def _fetch_all(self, wanted: dict[str, object]) -> None:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for kind, name, link in _links_of(wanted):
                head, sha256 = await _fetch(session, name, link)
                if sniff(head) != kind:
                    raise RefusedError(f"{name} is not {kind}")
                self.fetched.append(link)
                self.received.append(sha256)

    async def _read(self, request: web.Request) -> web.StreamResponse:
        trouble = self.read_troubles.popleft() if self.read_troubles else Trouble()
        if trouble.answers:
            return await self._answer(request, trouble)
        await self._wait(trouble)
        try:
            self._check_key(request)
            task = self._task(request)
        except RefusedError as error:
            return web.json_response(error_body(error.status, str(error), error.code), status=error.status)
        task.reads += 1
        self._save()
        return web.json_response(self._shown(task))

    def _task(self, request: web.Request) -> Task:
        task = self.tasks.get(request.match_info["task_id"])
        if task is None:
            raise RefusedError("Task not found", status=404, code="not_found")
        return task

    def _shown(self, task: Task) -> dict[str, object]:
        data: dict[str, object] = {"task_id": task.id, "status": task.status}
        if task.status == "completed" and task.fate.gives_link:
            data["output"] = {"video_url": self.link_of(task.id)}
        if task.fate.error is not None and task.status == "failed":
            data["error"] = task.fate.error
        return {"code": task.fate.envelope_code, "success": task.fate.envelope_code < 400, "data": data}

    async def _download(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["task_id"] not in self.tasks or "Authorization" in request.headers:
            return web.Response(status=404)
        if request.query.get("signature") != self._signature:
            return web.Response(status=403)
        clip = self._clip_of.get(request.match_info["task_id"], self._clip)
        return web.FileResponse(clip, headers={"Content-Type": "video/mp4"})

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

    # -- from outside, when it runs on its own

    def account_of_events(self) -> dict[str, object]:
        """Everything that `GET /_standin` tells and the state file keeps."""
        return {
            "submits": [asdict(submit) for submit in self.submits],
            "tasks": {task.id: asdict(task) | {"status": task.status} for task in self.tasks.values()},
            "charged_micros": self.charged_micros,
        }

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self.account_of_events())

    async def _order(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.submit_troubles += [Trouble(**one) for one in order.get("submits", [])]
        self.read_troubles += [Trouble(**one) for one in order.get("reads", [])]
        self.fates += [Fate(**one) for one in order.get("fates", [])]
        if order.get("release"):
            self.release()
        if order.get("expire_links"):
            self.expire_links()
        return web.json_response({})

    def _save(self) -> None:
        if self._state is not None:
            part = self._state.with_suffix(".part")
            part.write_text(json.dumps(self.account_of_events()))
            part.replace(self._state)

    def _load(self) -> None:
        if self._state is None or not self._state.exists():
            return
        kept = json.loads(self._state.read_text())
        self.submits = [Submit(**one) for one in kept["submits"]]
        for one in kept["tasks"].values():
            one.pop("status")
            task = Task(**one | {"fate": Fate(**one["fate"])})
            self.tasks[task.id] = task


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _fetch(session: aiohttp.ClientSession, name: str, link: str) -> tuple[bytes, str]:
    """The whole file is read, for a provider copies it; its first bytes and its hash are given back."""
    head, size, seen = b"", 0, hashlib.sha256()
    try:
        async with session.get(link) as response:
            if response.status != 200:
                raise RefusedError(f"could not download {name}", status=400, code="generation_failed")
            async for chunk in response.content.iter_chunked(65536):
                head, size = head or chunk, size + len(chunk)
                seen.update(chunk)
                if size > REFERENCE_BYTES_MAX:
                    raise RefusedError(f"{name} is too large")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RefusedError(f"could not download {name}", status=400, code="generation_failed") from error
    return head, seen.hexdigest()


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY, port: int = 0, state: Path | None = None) -> AsyncIterator[Provider]:
    """The provider on a loopback port; its address is `provider.url`."""
    provider = Provider(clip=clip, key=key, state=state)
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(clip=arguments.clip, key=arguments.key, port=arguments.port, state=arguments.state) as provider:
        print(provider.url, flush=True)  # noqa: T201 (the caller reads the address here)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for Unifically's tasks API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--key", default=KEY)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
