"""A stand-in for the `/v3/async/seedance-2.0` API, on loopback.

It knows nothing of the bot. What it accepts is typed from the specification of `v3_async` (2026), in the spellings that
public clients of this API send; the answer of a task from novita.ai/docs/api-reference/model-apis-task-result, the
names of errors and their HTTP status from novita.ai/docs/api-reference/basic-error-code, read 2026-11-20. It does
not print a whole error body: `reason` holding the name is inferred. How it calls back:
novita.ai/docs/api-reference/model-apis-webhook, read 2026-11-20; nothing is signed.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import AsyncIterator
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
    is_address,
    on_loopback,
)
from tests.standins.sniffing import sniff

SUBMIT = "/v3/async/seedance-2.0"
RESULT = "/v3/async/task-result"
RATIOS = {"16:9", "9:16", "4:3", "3:4", "1:1", "21:9", "adaptive"}
RESOLUTIONS = {"480p", "720p", "1080p"}
SECONDS = range(4, 15 + 1)
SWITCHES = {"fast", "watermark", "web_search", "generate_audio", "return_last_frame"}
LISTS = {"reference_images": ("image", 9), "reference_videos": ("video", 3), "reference_audios": ("audio", 3)}
FRAMES = ("image", "last_image")
FIELDS = {"prompt", "ratio", "duration", "resolution", "seed", "extra", *SWITCHES, *LISTS, *FRAMES}
SEEDS = range(-1, 2**32)
CENTS_PER_SECOND = 10
"""Prices per second are not documented: a figure to see that tasks are counted."""
NAMES = {400: "INVALID_REQUEST_BODY", 403: "INVALID_API_KEY", 404: "TASK_NOT_FOUND", 429: "RATE_LIMIT_EXCEEDED"}
BODY_BYTES_MAX = 60_000_000


def error(status: int, message: str, name: str = "", **headers: str) -> Trouble:
    return Trouble(status=status, body=json.dumps(error_body(status, message, name)), headers=headers)


def error_body(status: int, message: str, name: str = "") -> dict[str, object]:
    return {"code": status, "reason": name or NAMES.get(status, "TASK_FAILED"), "message": message, "metadata": {}}


def rate_limited(retry_after: str | None = None) -> Trouble:
    return error(429, "Too many requests", **({} if retry_after is None else {"Retry-After": retry_after}))


def out_of_credit() -> Trouble:
    return error(400, "Insufficient balance", "BILLING_BALANCE_NOT_ENOUGH")


def illegal_prompt() -> Trouble:
    return error(400, "The prompt is not allowed", "ILLEGAL_PROMPT")


def without_id() -> Trouble:
    """A success that forgets to say which task it made."""
    return Trouble(status=200, body='{"task": {}}', creates=True)


def moderated(words: str = "a real person") -> Fate:
    return Fate(statuses=("TASK_STATUS_PROCESSING", "TASK_STATUS_FAILED"), error=f"content policy rejected: {words}")


class Provider(StandIn):
    usual = Fate(statuses=("TASK_STATUS_QUEUED", "TASK_STATUS_PROCESSING", "TASK_STATUS_SUCCEED"))
    failed = "TASK_STATUS_FAILED"
    body_bytes_max = BODY_BYTES_MAX

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(SUBMIT, self.submit)
        router.add_get(RESULT, self.read)

    def check_key(self, request: web.Request) -> None:
        if request.headers.getall("Authorization", []) != [f"Bearer {self.key}"]:
            raise RefusedError("invalid API key", status=403)

    def asked_task_id(self, request: web.Request) -> str:
        if set(request.query) != {"task_id"}:
            raise RefusedError("task_id is required")
        return request.query["task_id"]

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        body = check_body(payload)
        for wanted in wanted_of(body):
            if is_address(wanted.link):
                await self.fetch_all([wanted])
            else:
                self.received.append(_decoded(wanted))
        seconds = body["duration"]
        assert isinstance(seconds, int)
        return body, CENTS_PER_SECOND * 10_000 * seconds

    def callback_in(self, request: web.Request, payload: object) -> object:
        del request
        extra = payload.get("extra") if isinstance(payload, dict) else None
        if extra is None:
            return None
        is_documented = isinstance(extra, dict) and set(extra) == {"webhook"} and set(extra["webhook"]) == {"url"}
        return extra["webhook"]["url"] if is_documented else "extra is wrong"

    def called(self, task: Task) -> dict[str, object]:
        return {"event_type": "ASYNC_TASK_RESULT", "payload": self.shown(task)}

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"task_id": task.id})

    def shown(self, task: Task) -> dict[str, object]:
        is_done, is_failed = task.status == self.usual.statuses[-1], task.status == self.failed
        told = {
            "task_id": task.id,
            "status": task.status,
            "reason": (task.fate.error or "") if is_failed else "",
            "task_type": "SEEDANCE_2_0",
            "eta": 0 if is_done else 60,
            "progress_percent": 100 if is_done else 35,
        }
        videos: list[object] = []
        if is_done and task.fate.gives_link:
            videos = [{"video_url": self.link_of(task), "video_url_ttl": "3600", "video_type": "mp4"}]
        images = [{"image_url": f"{self.url}/frames/{task.id}.png", "image_url_ttl": "3600"}]
        asked = is_done and task.input["return_last_frame"]
        return {"extra": {}, "task": told, "images": images if asked else [], "videos": videos, "audios": []}

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response(error_body(error.status, str(error)), status=error.status)


# -- what is accepted


def check_body(body: object) -> dict[str, object]:
    """Every field's name, type and range, and what goes with what. All are named but the seed and the files."""
    required = FIELDS - {"seed", "extra", *LISTS, *FRAMES}
    if not isinstance(body, dict) or set(body) - FIELDS or required - set(body):
        raise RefusedError("a field is missing or unknown")
    _check_values(body)
    _check_files(body)
    _check_mentions(body)
    return body


def _check_values(body: dict[str, object]) -> None:
    if not isinstance(body["prompt"], str) or not body["prompt"].strip():
        raise RefusedError("prompt is required")
    if any(type(body[name]) is not bool for name in SWITCHES):
        raise RefusedError("a switch must be true or false")
    if type(body["duration"]) is not int or body["duration"] not in SECONDS:
        raise RefusedError("duration must be an integer from 4 to 15")
    if body["ratio"] not in RATIOS or body["resolution"] not in RESOLUTIONS:
        raise RefusedError("unknown ratio or resolution")
    if body["resolution"] == "1080p" and body["fast"]:
        raise RefusedError("1080p needs fast=false")
    if type(body.get("seed", 0)) is not int or body.get("seed", 0) not in SEEDS:
        raise RefusedError("seed is out of range")


def _check_files(body: dict[str, object]) -> None:
    for name, (_, limit) in LISTS.items():
        sources = body.get(name, ["-"])
        if not isinstance(sources, list) or not 1 <= len(sources) <= limit:
            raise RefusedError(f"{name} must hold 1 to {limit}")
    if "last_image" in body and "image" not in body:
        raise RefusedError("last_image needs image")
    if "image" in body and set(LISTS) & set(body):
        raise RefusedError("image cannot be combined with references")
    if set(LISTS) & set(body) == {"reference_audios"}:
        raise RefusedError("audio needs at least one image or video")
    for one in wanted_of(body):
        if one.kind == "video" and not is_address(one.link):
            raise RefusedError("videos are taken by URL only")


def _check_mentions(body: dict[str, object]) -> None:
    """`[Image 2]` means the second of `reference_images`."""
    prompt = str(body["prompt"])
    if re.search(r"@(image|video|audio)\d", prompt, re.IGNORECASE):
        raise RefusedError("a reference is named [Image 1]")
    for kind, number in re.findall(r"\[(Image|Video|Audio) (\d+)\]", prompt):
        given = body.get(f"reference_{kind.lower()}s")
        if not 1 <= int(number) <= (len(given) if isinstance(given, list) else 0):
            raise RefusedError(f"the prompt names [{kind} {number}], which is not there")
    named = set(re.findall(r"\[(Image|Video|Audio) \d+\]", prompt))
    if re.search(r"\b(Image|Video|Audio)[ -]?\d", re.sub(r"\[[^\]]*\]", "", prompt)) and not named:
        raise RefusedError("a reference is named [Image 1]")


def wanted_of(body: dict[str, object]) -> list[Wanted]:
    found = [Wanted(kind="image", field=name, link=str(body[name])) for name in FRAMES if name in body]
    for name, (kind, _) in LISTS.items():
        sources = body.get(name, [])
        assert isinstance(sources, list)
        found += [Wanted(kind=kind, field=f"{name}[{n}]", link=str(source)) for n, source in enumerate(sources)]
    return found


def _decoded(wanted: Wanted) -> str:
    """The content hash of a file in plain base64."""
    try:
        file = base64.b64decode(wanted.link, validate=True)
    except binascii.Error as fault:
        raise RefusedError(f"{wanted.field} is neither an address nor plain base64") from fault
    if sniff(file) != wanted.kind:
        raise RefusedError(f"{wanted.field} is not {wanted.kind}")
    return hashlib.sha256(file).hexdigest()


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key)) as provider:
        yield provider
