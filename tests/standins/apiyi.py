"""A stand-in for the `seedance/v1/videos` API, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from the specification of `apiyi` (2026-04-14); the
body of an HTTP error is not printed there, so a plain `{"error": …}` stands for it.
"""

import json
from collections import Counter
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
    bearer,
    is_address,
    on_loopback,
)

PATH = "/seedance/v1"
RESOLUTIONS = {
    "seedance-2.0-fast": {"480p", "720p"},
    "seedance-2.0": {"480p", "720p", "1080p"},
    "seedance-2.0-pro": {"480p", "720p", "1080p", "2k"},
}
MICROS_PER_SECOND = {"seedance-2.0-fast": 20_000, "seedance-2.0": 100_000, "seedance-2.0-pro": 150_000}
"""The upper ends of its ranges: $0.01–0.02, $0.05–0.10 and $0.10–0.15 a second."""
ASPECTS = {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}
STYLES = {"cinematic", "anime", "realistic", "3d_render"}
CAMERA_MOTIONS = {
    f"{motion}_{way}"
    for motion, ways in {
        "dolly": ("in", "out"),
        "pan": ("left", "right"),
        "tilt": ("up", "down"),
        "orbit": ("left", "right"),
        "crane": ("up", "down"),
        "zoom": ("in", "out"),
    }.items()
    for way in ways
}
ROLES = {"subject", "environment", "motion", "audio"}
REFERENCES_MAX = {"image": 9, "video": 3, "audio": 3}
REFERENCES_TOTAL_MAX = 12
PROMPT_CHARS_MAX = 2000
NEGATIVE_CHARS_MAX = 500
SEED_MAX = 2**32 - 1
REQUIRED = {"model", "prompt", "resolution", "duration", "aspect_ratio", "audio"}
OPTIONAL = {"seed", "negative_prompt", "style", "camera_motion", "image_url", "image_base64", "references"}


def rate_limited(retry_after: str | None = None) -> Trouble:
    """More than two requests in a second."""
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

    @property
    def base_url(self) -> str:
        return self.url + PATH

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(f"{PATH}/videos", self.submit)
        router.add_get(f"{PATH}/videos/{{task_id}}", self.read)

    def check_key(self, request: web.Request) -> None:
        bearer(request, self.key)

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        body = check_body(payload)
        await self.fetch_all(wanted_of(body))
        seconds = body["duration"]
        assert isinstance(seconds, int)
        return body, MICROS_PER_SECOND[str(body["model"])] * seconds

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"job_id": task.id})

    def shown(self, task: Task) -> dict[str, object]:
        body: dict[str, object] = {"status": task.status}
        if task.status == "completed" and task.fate.gives_link:
            body["output"] = task.fate.result or {"video_url": self.link_of(task)}
        if task.status == self.failed and task.fate.error is not None:
            body["error"] = task.fate.error
        return body

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response({"error": str(error)}, status=error.status)


# -- what is accepted


def check_body(body: object) -> dict[str, object]:
    """Every field's name, type and range."""
    if not isinstance(body, dict) or not set(body) >= REQUIRED:
        raise RefusedError(f"the body must hold {', '.join(sorted(REQUIRED))}")
    if unknown := set(body) - REQUIRED - OPTIONAL:
        raise RefusedError(f"unknown fields: {', '.join(sorted(unknown))}")
    _check_values(body)
    _check_words(body)
    _check_shape(body)
    return body


def _check_values(body: dict[str, object]) -> None:
    resolutions = RESOLUTIONS.get(str(body["model"]))
    if resolutions is None:
        raise RefusedError(f"unknown model {body['model']}")
    if body["resolution"] not in resolutions:
        raise RefusedError(f"{body['model']} has no resolution {body['resolution']}")
    if type(body["duration"]) is not int or not 4 <= body["duration"] <= 15:
        raise RefusedError("duration must be an integer from 4 to 15")
    if body["aspect_ratio"] not in ASPECTS:
        raise RefusedError("unknown aspect_ratio")
    if type(body["audio"]) is not bool:
        raise RefusedError("audio must be true or false")
    seed = body.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= SEED_MAX:
        raise RefusedError("seed must be an integer")


def _check_words(body: dict[str, object]) -> None:
    for name, limit in {"prompt": PROMPT_CHARS_MAX, "negative_prompt": NEGATIVE_CHARS_MAX}.items():
        words = body.get(name, "-")
        if not isinstance(words, str) or not words.strip() or len(words) > limit:
            raise RefusedError(f"{name} must have 1 to {limit} characters")
    if "@" in str(body["prompt"]):
        raise RefusedError("no token of references is documented: the prompt must not hold any")
    if body.get("style", "anime") not in STYLES:
        raise RefusedError("unknown style")
    if body.get("camera_motion", "dolly_in") not in CAMERA_MOTIONS:
        raise RefusedError("unknown camera_motion")


def _check_shape(body: dict[str, object]) -> None:
    """Text, image or references: one of them."""
    shapes = {"image_url", "image_base64", "references"} & set(body)
    if len(shapes) > 1:
        raise RefusedError(f"{' and '.join(sorted(shapes))} cannot be combined")
    if "camera_motion" in body and not shapes & {"image_url", "image_base64"}:
        raise RefusedError("camera_motion goes with an image")
    if "image_url" in body and not is_address(body["image_url"]):
        raise RefusedError("image_url must be an address")
    if "references" in body:
        _check_references(body["references"])


def _check_references(references: object) -> None:
    if not isinstance(references, list) or not 1 <= len(references) <= REFERENCES_TOTAL_MAX:
        raise RefusedError(f"references must hold 1 to {REFERENCES_TOTAL_MAX} items")
    for one in references:
        if not isinstance(one, dict) or set(one) != {"type", "role", "url"}:
            raise RefusedError("a reference has type, role and url")
        if one["type"] not in REFERENCES_MAX or one["role"] not in ROLES or not is_address(one["url"]):
            raise RefusedError("a reference's type, role or url is wrong")
    for kind, count in Counter(one["type"] for one in references).items():
        if count > REFERENCES_MAX[kind]:
            raise RefusedError(f"{REFERENCES_MAX[kind]} references of type {kind} are the most")


def wanted_of(body: dict[str, object]) -> list[Wanted]:
    if "image_url" in body:
        return [Wanted(kind="image", field="image_url", link=str(body["image_url"]))]
    references = body.get("references", [])
    assert isinstance(references, list)
    return [Wanted(kind=one["type"], field=f"references[{n}]", link=one["url"]) for n, one in enumerate(references)]


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key)) as provider:
        yield provider
