"""A stand-in for fal.ai's queue with the SeeDance 2.0 models, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from
fal.ai/docs/model-api-reference/video-generation-api/bytedance-seedance-2.0-{text,image,reference}-to-video,
fal.ai/docs/documentation/model-apis/inference/queue, …/webhooks and …/model-apis/errors, read 2026-11-20, and
fal.ai/docs/inference-api/queue/cancel, read 2026-11-29. What the status of a request says that was taken out of the
queue is not printed: here it is complete, and its result is refused. That a reference is fetched before a request is
accepted is not printed either.
"""

import hashlib
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.standins.loopback import KEY, Fate, RefusedError, StandIn, Task, Trouble, Wanted, is_address, on_loopback

APP = "/bytedance/seedance-2.0"
KEYS = "/.well-known/jwks.json"
USER_ID = "fal-user-1"
RESOLUTIONS = {"": {"480p", "720p", "1080p"}, "fast": {"480p", "720p"}}
ASPECTS = {"auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}
DURATIONS = {"auto", *(str(seconds) for seconds in range(4, 15 + 1))}
COMMON = {"prompt", "resolution", "duration", "aspect_ratio", "generate_audio", "seed"}
FRAMES = ("image_url", "end_image_url")
LISTS = {"image_urls": ("image", 9), "video_urls": ("video", 3), "audio_urls": ("audio", 3)}
MODES = {"text-to-video": COMMON, "image-to-video": {*COMMON, *FRAMES}, "reference-to-video": {*COMMON, *LISTS}}
FILES_MAX = 12
MICROS_PER_SECOND = {"": 302_400, "fast": 241_900}
"""A second at 720p; the figure only shows that requests are counted."""
FAILED = "FAILED"
"""Not a status of theirs: `COMPLETED` with an error."""


def error_body(message: str, kind: str = "value_error") -> dict[str, object]:
    return {"detail": [{"loc": ["body"], "msg": message, "type": kind, "url": f"https://docs.fal.ai/errors/#{kind}"}]}


def error(status: int, message: str, kind: str = "value_error", **headers: str) -> Trouble:
    return Trouble(status=status, body=json.dumps(error_body(message, kind)), headers=headers)


def rate_limited(retry_after: str | None = None) -> Trouble:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Trouble(status=429, body='{"detail": "Too many requests"}', headers=headers)


def flagged(message: str = "The prompt was flagged by a content checker.") -> Trouble:
    return error(422, message, "content_policy_violation")


def without_id() -> Trouble:
    """A success that forgets to say which request it made."""
    return Trouble(status=200, body='{"status": "IN_QUEUE", "queue_position": 0}', creates=True)


def moderated(words: str) -> Fate:
    """It completes, and its result is refused."""
    return Fate(statuses=("IN_PROGRESS", "COMPLETED"), error=error_body(words, "content_policy_violation"))


class Provider(StandIn):
    usual = Fate(statuses=("IN_QUEUE", "IN_PROGRESS", "COMPLETED"))
    failed = FAILED
    fetch_refused_status = 422
    query_fields = frozenset({"fal_webhook"})
    moves_on = False
    """Whether a request takes its next step just before a cancel of it arrives."""

    def __init__(self, *, clip: Path, key: str = KEY, now_seconds: Callable[[], float] = time.time) -> None:
        super().__init__(clip=clip, key=key)
        self.result_troubles: list[Trouble] = []
        """What answers instead of the next results."""
        self.named_base: str | None = None
        """The host that the addresses in its answers name, where it is not its own."""
        self._signing_key = Ed25519PrivateKey.generate()
        self._now_seconds = now_seconds

    @property
    def charged_micros(self) -> int:
        """What came to a clip."""
        return sum(task.micros for task in self.tasks.values() if task.fate.error is None)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for tier in RESOLUTIONS:
            for mode in MODES:
                router.add_post("/".join(filter(None, (APP, tier, mode))), self.submit)
        router.add_get(f"{APP}/requests/{{task_id}}/status", self.read)
        router.add_get(f"{APP}/requests/{{task_id}}", self.result)
        router.add_put(f"{APP}/requests/{{task_id}}/cancel", self.cancel)
        router.add_get(KEYS, self.keys)

    def check_key(self, request: web.Request) -> None:
        if request.headers.getall("Authorization", []) != [f"Key {self.key}"]:
            raise RefusedError("No user found for this key", status=401)

    # submits

    def asked(self, request: web.Request, payload: object) -> object:
        *_, tier, mode = request.path.removeprefix(APP).split("/")
        return (tier, mode, payload)

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        assert isinstance(payload, tuple)
        tier, mode, body = payload
        check_body(tier, mode, body)
        await self.fetch_all(wanted_of(body))
        seconds = 15 if body.get("duration", "auto") == "auto" else int(body["duration"])
        return body | {"tier": tier, "mode": mode}, MICROS_PER_SECOND[tier] * seconds

    def callback_in(self, request: web.Request, payload: object) -> object:
        del payload
        return request.query.get("fal_webhook")

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"status": "IN_QUEUE", "queue_position": 0, **self._addresses(task)})

    def refused(self, error: RefusedError) -> web.Response:
        if error.status in {401, 404}:
            return web.json_response({"detail": str(error)}, status=error.status)
        kind = "file_download_error" if str(error).startswith("could not download") else "value_error"
        return web.json_response(error_body(str(error), kind), status=422)

    def _addresses(self, task: Task) -> dict[str, object]:
        """They have neither the tier nor the mode in them."""
        address = f"{self.named_base or self.url}{APP}/requests/{task.id}"
        return {
            "request_id": task.id,
            "response_url": address,
            "status_url": f"{address}/status",
            "cancel_url": f"{address}/cancel",
        }

    # reads

    def answer_status(self, task: Task) -> int:
        return 200 if task.status in {"COMPLETED", FAILED} else 202

    def shown(self, task: Task) -> dict[str, object]:
        told: dict[str, object] = {"status": task.status, **self._addresses(task)}
        if task.status == "IN_QUEUE":
            return told | {"queue_position": 0}
        if task.status == FAILED:
            error = {} if task.fate.error is None else {"error": task.fate.error}
            return told | {"status": "COMPLETED", "error_type": "internal_server_error", **error}
        return told

    async def result(self, request: web.Request) -> web.StreamResponse:
        if self.result_troubles:
            trouble = self.result_troubles.pop(0)
            return web.Response(status=trouble.status or 200, text=trouble.body, content_type=trouble.content_type)
        task = self.tasks.get(request.match_info["task_id"])
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        if task is None:
            return web.json_response({"detail": "Request not found"}, status=404)
        if task.status not in {"COMPLETED", FAILED}:
            return web.json_response({"detail": "Request is still in progress"}, status=400)
        status, told = self._told(task)
        return web.json_response(told, status=status)

    def _told(self, task: Task) -> tuple[int, dict[str, object]]:
        """The result, or the error in its place."""
        if isinstance(task.fate.error, dict):
            return 422, task.fate.error
        if task.status == FAILED:
            return 500, error_body(str(task.fate.error), "internal_server_error")
        file = {"url": self.link_of(task), "content_type": "video/mp4", "file_name": "video.mp4", "file_size": 1}
        return 200, {"seed": 58944, **({"video": file} if task.fate.gives_link else {})}

    async def cancel(self, request: web.Request) -> web.Response:
        task = self.tasks.get(request.match_info["task_id"])
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        if task is None:
            return web.json_response({"status": "NOT_FOUND"}, status=404)
        if self.moves_on:
            task.reads += 1
        if task.status == "IN_QUEUE":
            task.fate = Fate(statuses=("COMPLETED",), error=error_body("Request was cancelled", "request_cancelled"))
            return web.json_response({"status": "OK"})
        if task.status == "IN_PROGRESS":
            return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)
        return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)

    # calling back

    def called(self, task: Task) -> dict[str, object]:
        status, payload = self._told(task)
        told: dict[str, object] = {"request_id": task.id, "gateway_request_id": task.id, "payload": payload}
        if status == 200:
            return told | {"status": "OK"}
        return told | {"status": "ERROR", "error": f"Invalid status code: {status}"}

    def signed(self, task: Task, body: bytes) -> dict[str, str]:
        """Ed25519 over the request, the user, the time in seconds and SHA-256 of the body, a line each."""
        named = {"Request-Id": task.id, "User-Id": USER_ID, "Timestamp": str(int(self._now_seconds()))}
        message = "\n".join([*named.values(), hashlib.sha256(body).hexdigest()]).encode()
        headers = named | {"Signature": self._signing_key.sign(message).hex()}
        return {f"X-Fal-Webhook-{name}": value for name, value in headers.items()}

    async def keys(self, request: web.Request) -> web.Response:
        """What rest.fal.ai publishes at this path."""
        del request
        raw = self._signing_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        key = {"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(raw).decode().rstrip("=")}
        return web.json_response({"keys": [key]})


# -- what is accepted


def check_body(tier: str, mode: str, body: object) -> None:
    """Every field's name, type and range, by mode and tier."""
    if not isinstance(body, dict) or "prompt" not in body or set(body) - MODES[mode]:
        raise RefusedError("a field is missing or unknown")
    _check_values(tier, body)
    _check_files(mode, body)
    _check_mentions(body)


def _check_values(tier: str, body: dict[str, object]) -> None:
    if not isinstance(body["prompt"], str) or not body["prompt"].strip():
        raise RefusedError("prompt is required")
    if body.get("resolution", "720p") not in RESOLUTIONS[tier] or body.get("aspect_ratio", "auto") not in ASPECTS:
        raise RefusedError("resolution or aspect_ratio is wrong")
    if body.get("duration", "auto") not in DURATIONS:
        raise RefusedError("duration must be a text from 4 to 15, or auto")
    if type(body.get("generate_audio", True)) is not bool or type(body.get("seed", 0)) is not int:
        raise RefusedError("generate_audio or seed is wrong")


def _check_files(mode: str, body: dict[str, object]) -> None:
    if mode == "image-to-video" and "image_url" not in body:
        raise RefusedError("image_url is required")
    if any(not is_address(body.get(name, "https://standin.example")) for name in FRAMES):
        raise RefusedError("a frame must be an address")
    given = {name: body[name] for name in LISTS if name in body}
    for name, links in given.items():
        limit = LISTS[name][1]
        if not isinstance(links, list) or not 1 <= len(links) <= limit or not all(map(is_address, links)):
            raise RefusedError(f"{name} must be a list of 1 to {limit} addresses")
    if sum(len(links) for links in given.values() if isinstance(links, list)) > FILES_MAX:
        raise RefusedError(f"at most {FILES_MAX} files")
    if set(given) == {"audio_urls"}:
        raise RefusedError("audio needs at least one image or video")


def _check_mentions(body: dict[str, object]) -> None:
    """`@Image2` means the second of `image_urls`."""
    prompt = str(body["prompt"])
    for kind, number in re.findall(r"@(Image|Video|Audio)(\d+)", prompt):
        given = body.get(f"{kind.lower()}_urls")
        if not 1 <= int(number) <= (len(given) if isinstance(given, list) else 0):
            raise RefusedError(f"the prompt names @{kind}{number}, which is not there")
    if re.search(r"\b(Image|Video|Audio)[ -]?\d", re.sub(r"@(Image|Video|Audio)\d+", "", prompt)):
        raise RefusedError("a reference is named @Image1")


def wanted_of(body: dict[str, object]) -> list[Wanted]:
    found = [Wanted(kind="image", field=name, link=str(body[name])) for name in FRAMES if name in body]
    for name, (kind, _) in LISTS.items():
        links = body.get(name, [])
        assert isinstance(links, list)
        found += [Wanted(kind=kind, field=f"{name}[{n}]", link=link) for n, link in enumerate(links)]
    return found


@asynccontextmanager
async def running(
    *, clip: Path, key: str = KEY, now_seconds: Callable[[], float] = time.time
) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key, now_seconds=now_seconds)) as provider:
        yield provider
