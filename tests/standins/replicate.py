"""A stand-in for Replicate's predictions with the SeeDance 2.0 models, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from replicate.com/bytedance/seedance-2.0 and
/seedance-2.0-fast (API schema), replicate.com/docs/topics/predictions/{lifecycle,rate-limits},
replicate.com/docs/topics/webhooks/receive-webhook and the types of the official SDK `replicate` 1.0.7, read 2026-11-20.
That a reference is fetched before a prediction is accepted is not printed.
"""

import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.standins.loopback import (
    KEY,
    Fate,
    RefusedError,
    StandIn,
    Task,
    Trouble,
    Wanted,
    bearer,
    is_address,
    on_loopback,
)

ROOT = "/v1"
MODELS = ("bytedance/seedance-2.0", "bytedance/seedance-2.0-fast")
RESOLUTIONS = {"480p", "720p"}
ASPECTS = {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "adaptive"}
SECONDS = range(-1, 15 + 1)
FRAMES = ("image", "last_frame_image")
LISTS = {"reference_images": ("image", 9), "reference_videos": ("video", 3), "reference_audios": ("audio", 3)}
FIELDS = {"prompt", "duration", "resolution", "aspect_ratio", "generate_audio", "seed", *FRAMES, *LISTS}
EVENTS = {"start", "output", "logs", "completed"}
PAGE = 100
MICROS_PER_SECOND = 300_000
"""Its price is not printed: a figure to see that predictions are counted."""
TITLES = {400: "Bad request", 401: "Unauthenticated", 402: "Insufficient credit", 422: "Input validation failed"}


def error(status: int, message: str) -> Trouble:
    return Trouble(status=status, body=json.dumps(error_body(status, message)))


def error_body(status: int, message: str) -> dict[str, object]:
    return {"title": TITLES.get(status, "Error"), "detail": message, "status": status}


def rate_limited(retry_after: str | None = None) -> Trouble:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = '{"detail": "Request was throttled. Your rate limit resets in ~30s."}'
    return Trouble(status=429, body=body, headers=headers)


def out_of_credit() -> Trouble:
    return error(402, "You have insufficient credit to run this model.")


def without_id() -> Trouble:
    """A success that forgets to say which prediction it made."""
    return Trouble(status=201, body='{"status": "starting"}', creates=True)


class Provider(StandIn):
    usual = Fate(statuses=("starting", "processing", "succeeded"))
    failed = "failed"
    fetch_refused_status = 422
    moves_on = False
    """Whether a prediction takes its next step just before a cancel of it arrives."""

    def __init__(self, *, clip: Path, key: str = KEY, now_seconds: Callable[[], float] = time.time) -> None:
        super().__init__(clip=clip, key=key)
        self.secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
        self._now_seconds = now_seconds

    @property
    def charged_micros(self) -> int:
        return sum(task.micros for task in self.tasks.values() if task.fate.statuses[-1] == "succeeded")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for model in MODELS:
            router.add_post(f"{ROOT}/models/{model}/predictions", self.submit)
        router.add_get(f"{ROOT}/predictions", self.list_predictions)
        router.add_get(f"{ROOT}/predictions/{{task_id}}", self.read)
        router.add_post(f"{ROOT}/predictions/{{task_id}}/cancel", self.cancel)
        router.add_get(f"{ROOT}/webhooks/default/secret", self.webhook_secret)

    def check_key(self, request: web.Request) -> None:
        bearer(request, self.key)

    def new_task_id(self) -> str:
        return uuid.uuid4().hex[:26]

    # submits

    def asked(self, request: web.Request, payload: object) -> object:
        return (request.path.removeprefix(f"{ROOT}/models/").removesuffix("/predictions"), payload)

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        assert isinstance(payload, tuple)
        model, body = payload
        wanted = check_body(body)
        await self.fetch_all(wanted_of(wanted))
        seconds = wanted.get("duration", 5)
        assert isinstance(seconds, int)
        return wanted | {"model": model}, MICROS_PER_SECOND * abs(seconds)

    def callback_in(self, request: web.Request, payload: object) -> object:
        del request
        return payload.get("webhook") if isinstance(payload, dict) else None

    def accepted(self, task: Task) -> web.Response:
        return web.json_response(self.shown(task), status=201)

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response(error_body(error.status, str(error)), status=error.status)

    # reads

    def shown(self, task: Task) -> dict[str, object]:
        address = f"{self.url}{ROOT}/predictions/{task.id}"
        is_done, is_waiting = task.status == "succeeded", task.status in {"starting", "aborted"}
        model = task.input["model"]
        return {
            "id": task.id,
            "model": model,
            "version": "hidden",
            "input": {name: value for name, value in task.input.items() if name != "model"},
            "status": task.status,
            "output": self.link_of(task) if is_done and task.fate.gives_link else None,
            "error": task.fate.error if task.status == self.failed else None,
            "logs": "",
            "metrics": {},
            "source": "api",
            "data_removed": False,
            "created_at": "2026-11-20T09:30:00.000Z",
            "started_at": None if is_waiting or task.fate.result == "never started" else "2026-11-20T09:30:01.000Z",
            "completed_at": "2026-11-20T09:32:00.000Z" if is_done else None,
            "urls": {"get": address, "cancel": f"{address}/cancel"},
        }

    async def list_predictions(self, request: web.Request) -> web.Response:
        """The newest first, in pages; `cursor` is opaque, and nothing else can be asked for."""
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        if set(request.query) - {"cursor"}:
            return self.refused(RefusedError("the query is wrong"))
        start = int(request.query.get("cursor", "0"))
        found = [self.shown(task) for task in reversed(self.tasks.values())]
        more = f"{self.url}{ROOT}/predictions?cursor={start + PAGE}" if start + PAGE < len(found) else None
        return web.json_response({"previous": None, "next": more, "results": found[start : start + PAGE]})

    async def cancel(self, request: web.Request) -> web.Response:
        """One that ended stays as it is; one that runs stops, and what it used is billed."""
        task = self.tasks.get(request.match_info["task_id"])
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        if task is None:
            return self.refused(RefusedError("The requested resource could not be found.", status=404))
        if self.moves_on:
            task.reads += 1
        if task.status == "starting":
            task.fate = Fate(statuses=("canceled",), result="never started")
        elif task.status == "processing":
            task.fate = Fate(statuses=("canceled",))
        return web.json_response(self.shown(task))

    # calling back

    def signed(self, task: Task, body: bytes) -> dict[str, str]:
        """HMAC-SHA256 over id, time in seconds and body, with the base64 part of the secret."""
        call, now = f"msg_{task.id}", str(int(self._now_seconds()))
        key = b64decode(self.secret.removeprefix("whsec_"))
        signature = b64encode(hmac.new(key, f"{call}.{now}.".encode() + body, hashlib.sha256).digest()).decode()
        return {"webhook-id": call, "webhook-timestamp": now, "webhook-signature": f"v1,{signature}"}

    async def webhook_secret(self, request: web.Request) -> web.Response:
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        return web.json_response({"key": self.secret})


# -- what is accepted


def check_body(body: object) -> dict[str, object]:
    """The input, every field's name, type and range, and what goes with what."""
    if not isinstance(body, dict) or set(body) - {"webhook", "webhook_events_filter"} != {"input"}:
        raise RefusedError("the body must hold input and may hold webhook", status=422)
    if "webhook_events_filter" in body and not set(body["webhook_events_filter"]) <= EVENTS:
        raise RefusedError("webhook_events_filter is wrong", status=422)
    wanted = body["input"]
    if not isinstance(wanted, dict) or "prompt" not in wanted or set(wanted) - FIELDS:
        raise RefusedError("- input: a field is missing or unknown", status=422)
    _check_values(wanted)
    _check_files(wanted)
    _check_mentions(wanted)
    return wanted


def _check_values(wanted: dict[str, object]) -> None:
    if not isinstance(wanted["prompt"], str) or not wanted["prompt"].strip():
        raise RefusedError("- input.prompt: is required", status=422)
    if type(wanted.get("duration", 5)) is not int or wanted.get("duration", 5) not in SECONDS:
        raise RefusedError("- input.duration: must be an integer up to 15", status=422)
    if wanted.get("resolution", "720p") not in RESOLUTIONS or wanted.get("aspect_ratio", "16:9") not in ASPECTS:
        raise RefusedError("- input.resolution or input.aspect_ratio is wrong", status=422)
    if type(wanted.get("generate_audio", True)) is not bool or type(wanted.get("seed", 0)) is not int:
        raise RefusedError("- input.generate_audio or input.seed is wrong", status=422)


def _check_files(wanted: dict[str, object]) -> None:
    for name, (_, limit) in LISTS.items():
        links = wanted.get(name, [])
        if not isinstance(links, list) or len(links) > limit or not all(map(is_address, links)):
            raise RefusedError(f"- input.{name}: must be a list of up to {limit} addresses", status=422)
    if any(not is_address(wanted.get(name, "https://standin.example")) for name in FRAMES):
        raise RefusedError("- input.image: must be an address", status=422)
    if "last_frame_image" in wanted and "image" not in wanted:
        raise RefusedError("- input.last_frame_image: needs image", status=422)
    if set(FRAMES) & set(wanted) and wanted.get("reference_images"):
        raise RefusedError("frames cannot be combined with reference images", status=422)
    if wanted.get("reference_audios") and not (wanted.get("reference_images") or wanted.get("reference_videos")):
        raise RefusedError("audio needs at least one reference image or video", status=422)


def _check_mentions(wanted: dict[str, object]) -> None:
    """`[Image2]` means the second of `reference_images`."""
    prompt = str(wanted["prompt"])
    for kind, number in re.findall(r"\[(Image|Video|Audio)(\d+)\]", prompt):
        given = wanted.get(f"reference_{kind.lower()}s")
        if not 1 <= int(number) <= (len(given) if isinstance(given, list) else 0):
            raise RefusedError(f"the prompt names [{kind}{number}], which is not there", status=422)
    if re.search(r"\b(Image|Video|Audio)[ -]?\d", re.sub(r"\[(Image|Video|Audio)\d+\]", "", prompt)):
        raise RefusedError("a reference is named [Image1]", status=422)


def wanted_of(wanted: dict[str, object]) -> list[Wanted]:
    found = [Wanted(kind="image", field=name, link=str(wanted[name])) for name in FRAMES if name in wanted]
    for name, (kind, _) in LISTS.items():
        links = wanted.get(name, [])
        assert isinstance(links, list)
        found += [Wanted(kind=kind, field=f"{name}[{n}]", link=link) for n, link in enumerate(links)]
    return found


@asynccontextmanager
async def running(
    *, clip: Path, key: str = KEY, now_seconds: Callable[[], float] = time.time
) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key, now_seconds=now_seconds)) as provider:
        yield provider
