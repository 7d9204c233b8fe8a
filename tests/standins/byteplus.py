"""A stand-in for the `/generate` and `/status/{job_id}` API with base64 references, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from the specification of `byteplus` (2025); the body
of an HTTP error is not printed there, so a plain `{"error": …}` stands for it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.standins.loopback import KEY, Fate, RefusedError, StandIn, Task, Trouble, bearer, on_loopback

PATH = "/seedance/v1"
FIELDS = {"prompt", "resolution", "duration", "aspect_ratio"}
RESOLUTIONS = {"720p", "1080p"}
SECONDS = {5, 10}
ASPECTS = {"16:9", "9:16", "1:1"}
IMAGES_MAX = 5
IMAGE_BYTES_MAX = 10_000_000
TOTAL_BYTES_MAX = 30_000_000
BODY_BYTES_MAX = TOTAL_BYTES_MAX * 4 // 3 + 100_000
MICROS_PER_SECOND = {"720p": 40_000, "1080p": 120_000}
"""5 s at 720p are about $0.20; a second at 1080p is about $0.08–0.12, of which the upper end stands here."""


def rate_limited(retry_after: str | None = None) -> Trouble:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Trouble(status=429, body='{"error": "rate limit"}', headers=headers)


def error(status: int, message: str) -> Trouble:
    return Trouble(status=status, body=json.dumps({"error": message}))


def without_id() -> Trouble:
    """A success that forgets to say which task it made."""
    return Trouble(status=200, body='{"status": "queued"}', creates=True)


class Provider(StandIn):
    usual = Fate(statuses=("queued", "processing", "completed"))
    failed = "failed"
    body_bytes_max = BODY_BYTES_MAX

    @property
    def base_url(self) -> str:
        return self.url + PATH

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(f"{PATH}/generate", self.submit)
        router.add_get(f"{PATH}/status/{{task_id}}", self.read)

    def check_key(self, request: web.Request) -> None:
        bearer(request, self.key)

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        body = check_body(payload)
        files = check_images(body.get("reference_images", ["/9j/"]))
        if "reference_images" in body:
            self.received += [hashlib.sha256(file).hexdigest() for file in files]
        seconds = body["duration"]
        assert isinstance(seconds, int)
        return body, MICROS_PER_SECOND[str(body["resolution"])] * seconds

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"job_id": task.id})

    def shown(self, task: Task) -> dict[str, object]:
        body: dict[str, object] = {"status": task.status}
        if task.status == "completed" and task.fate.gives_link:
            body["video_url"] = task.fate.result or self.link_of(task)
        if task.status == self.failed and task.fate.error is not None:
            body["error"] = task.fate.error
        return body

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response({"error": str(error)}, status=error.status)


# -- what is accepted


def check_body(body: object) -> dict[str, object]:
    """Every field's name, type and range, but for the images."""
    if not isinstance(body, dict) or set(body) - {"reference_images"} != FIELDS:
        raise RefusedError(f"the body must hold {', '.join(sorted(FIELDS))} and may hold reference_images", status=422)
    prompt = body["prompt"]
    if not isinstance(prompt, str) or not prompt.strip() or "@" in prompt:
        raise RefusedError("prompt is required, and no token of references is documented", status=422)
    if body["resolution"] not in RESOLUTIONS:
        raise RefusedError("unknown resolution", status=422)
    if type(body["duration"]) is not int or body["duration"] not in SECONDS or body["aspect_ratio"] not in ASPECTS:
        raise RefusedError("unsupported aspect ratio and duration", status=422)
    return body


def check_images(images: object) -> list[bytes]:
    """One to five files in plain base64, by their own first bytes. Raises RefusedError (422)."""
    if not isinstance(images, list) or not 1 <= len(images) <= IMAGES_MAX:
        raise RefusedError(f"reference_images must hold 1 to {IMAGES_MAX} images", status=422)
    files = [_decoded(n, image) for n, image in enumerate(images)]
    if sum(map(len, files)) > TOTAL_BYTES_MAX:
        raise RefusedError("the images are larger than 30 MB together", status=422)
    return files


def _decoded(number: int, image: object) -> bytes:
    name = f"reference_images[{number}]"
    try:
        file = base64.b64decode(image if isinstance(image, str) else "-", validate=True)
    except binascii.Error as error:
        raise RefusedError(f"{name} is not plain base64", status=422) from error
    if len(file) > IMAGE_BYTES_MAX:
        raise RefusedError(f"{name} is larger than 10 MB", status=422)
    is_webp = file[:4] == b"RIFF" and file[8:12] == b"WEBP"
    if not is_webp and not file.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise RefusedError(f"{name} is not JPEG, PNG or WebP", status=422)
    return file


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key)) as provider:
        yield provider
