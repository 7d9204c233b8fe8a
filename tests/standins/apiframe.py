"""A stand-in for Apiframe's version 2, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from the specification of `apiframe` (2026) and, for
`duration`, `aspect_ratio`, the job object, the list and the error for too little credit,
docs-v2.apiframe.ai/docs/videos/seedance/seedance-2, /docs/jobs/get, /docs/jobs/list and /docs/faq, read 2026-11-20.
What it calls back with: docs-v2.apiframe.ai/docs/webhooks, read 2026-11-29. The page names SHA-256 of the API key as
the secret and does not show whether as hex or as bytes: hex here.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.standins.loopback import KEY, Fate, RefusedError, StandIn, Task, Trouble, Wanted, is_address, on_loopback

SECONDS = {4, 6, 8, 10, 12, 15}
RESOLUTIONS = {"480p", "720p", "1080p"}
ASPECTS = {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "adaptive"}
LISTS_MAX = {"reference_image_urls": 9, "reference_video_urls": 3, "reference_audio_urls": 3}
KINDS = {"reference_image_urls": "image", "reference_video_urls": "video", "reference_audio_urls": "audio"}
FRAMES = ("start_image", "end_image")
SWITCHES = {"generate_audio", "return_last_frame", "web_search", "camera_fixed"}
PARAMETERS = {"resolution", "duration", "aspect_ratio", "seed", *SWITCHES, *FRAMES, *LISTS_MAX}
SEED_MAX = 2**32 - 1
LIST_MAX = 100
CREDITS_PER_SECOND = 10
"""Its price is not documented: a figure to see that jobs are counted."""


def rate_limited(retry_after: str | None = None) -> Trouble:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Trouble(status=429, body='{"error": "Too many requests"}', headers=headers)


def error(status: int, message: str) -> Trouble:
    return Trouble(status=status, body=json.dumps({"error": message}))


def out_of_credit() -> Trouble:
    """Its balance and the cost are told; under which names is not documented."""
    return Trouble(status=402, body='{"error": "Insufficient credits", "balance": 3, "cost": 60}')


def without_id() -> Trouble:
    """A success that forgets to say which task it made."""
    return Trouble(status=202, body='{"status": "QUEUED"}', creates=True)


def moderated(words: str) -> Fate:
    return Fate(statuses=("PROCESSING", "FAILED"), error=f"content policy violation: {words}")


class Provider(StandIn):
    usual = Fate(statuses=("QUEUED", "PROCESSING", "COMPLETED"))
    failed = "FAILED"

    @property
    def base_url(self) -> str:
        return self.url

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v2/videos/generate", self.submit)
        router.add_get("/v2/jobs/{task_id}", self.read)
        router.add_get("/v2/jobs", self.list_jobs)

    def check_key(self, request: web.Request) -> None:
        if request.headers.getall("X-API-Key", []) != [self.key] or "Authorization" in request.headers:
            raise RefusedError("Invalid API key", status=401)

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        asked = check_body(payload)
        await self.fetch_all(wanted_of(asked))
        seconds = asked["duration"]
        assert isinstance(seconds, int)
        return asked, seconds * CREDITS_PER_SECOND

    def callback_in(self, request: web.Request, payload: object) -> object:
        del request
        return payload.get("webhook_url") if isinstance(payload, dict) else None

    def called(self, task: Task) -> dict[str, object]:
        job = self.shown(task)
        told = {name: job[name] for name in ("status", "model", "progress", "result", "error", "creditCost")}
        known = {name: value for name, value in told.items() if value is not None}
        return {"event": _event(task), "jobId": task.id, **known}

    def signed(self, task: Task, body: bytes) -> dict[str, str]:
        secret = hashlib.sha256(self.key.encode()).hexdigest().encode()
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        return {"X-Webhook-Signature": signature, "X-Webhook-Event": _event(task)}

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"jobId": task.id, "status": "QUEUED"}, status=202)

    def shown(self, task: Task) -> dict[str, object]:
        is_failed = task.status == self.failed
        return {
            "id": task.id,
            "status": task.status,
            "model": task.input["model"],
            "progress": {"QUEUED": None, "COMPLETED": 100}.get(task.status, min(20 * task.reads, 90)),
            "result": self._result(task) if task.status == "COMPLETED" and task.fate.gives_link else None,
            "error": task.fate.error if is_failed else None,
            "creditCost": 0 if is_failed else task.micros,
        }

    def _result(self, task: Task) -> object:
        """One link, or several where the last frame was asked for: "the output URL(s)"."""
        clip = self.link_of(task)
        several = [f"{self.url}/clips/{task.id}.png", clip]
        return task.fate.result or (several if task.input.get("return_last_frame") else clip)

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response({"error": str(error)}, status=error.status)

    async def list_jobs(self, request: web.Request) -> web.Response:
        """The newest first, in pages; `cursor` is opaque."""
        try:
            self.check_key(request)
            wanted, limit, start = check_query(request.query)
        except RefusedError as error:
            return self.refused(error)
        jobs = [self.shown(task) for task in reversed(self.tasks.values())]
        found = [job for job in jobs if all(job[name] == value for name, value in wanted.items())]
        more = start + limit < len(found)
        return web.json_response(
            {
                "jobs": found[start : start + limit],
                "hasMore": more,
                "nextCursor": str(start + limit) if more else None,
            }
        )


def _event(task: Task) -> str:
    return {"COMPLETED": "completed", "FAILED": "failed"}.get(task.status, "progress")


# -- what is accepted


def check_query(query: Mapping[str, str]) -> tuple[dict[str, str], int, int]:
    """What to look for, how many, and from where on. Raises RefusedError."""
    limit, cursor = query.get("limit", "20"), query.get("cursor", "0")
    if set(query) - {"status", "model", "limit", "cursor", "scope"} or not (limit + cursor).isdigit():
        raise RefusedError("bad query")
    if not 1 <= int(limit) <= LIST_MAX:
        raise RefusedError(f"limit must be 1 to {LIST_MAX}")
    wanted = {name: query[name] for name in ("status", "model") if name in query}
    return wanted, int(limit), int(cursor)


def check_body(body: object) -> dict[str, object]:
    """The nested parameters and the prompt, every field's name, type and range checked."""
    if not isinstance(body, dict) or set(body) - {"webhook_url"} != {"model", "prompt", "seedanceParams"}:
        raise RefusedError("the body must hold model, prompt and seedanceParams")
    if body["model"] != "seedance-2":
        raise RefusedError(f"unknown model {body['model']}")
    if not isinstance(body["prompt"], str) or not body["prompt"].strip() or "@" in body["prompt"]:
        raise RefusedError("prompt is required, and no token of references is documented")
    wanted = body["seedanceParams"]
    if not isinstance(wanted, dict):
        raise RefusedError("seedanceParams must be an object")
    if unknown := set(wanted) - PARAMETERS:
        raise RefusedError(f"unknown parameters: {', '.join(sorted(unknown))}")
    _check_values(wanted)
    _check_files(wanted)
    return wanted | {"prompt": body["prompt"], "model": body["model"]}


def _check_values(wanted: dict[str, object]) -> None:
    if wanted.get("resolution") not in RESOLUTIONS:
        raise RefusedError("unknown resolution")
    if type(wanted.get("duration")) is not int or wanted["duration"] not in SECONDS:
        raise RefusedError(f"duration must be one of {sorted(SECONDS)}")
    if wanted.get("aspect_ratio") not in ASPECTS:
        raise RefusedError("unknown aspect_ratio")
    for name in SWITCHES & set(wanted):
        if type(wanted[name]) is not bool:
            raise RefusedError(f"{name} must be true or false")
    seed = wanted.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= SEED_MAX:
        raise RefusedError("seed must be an integer")


def _check_files(wanted: dict[str, object]) -> None:
    for name, limit in LISTS_MAX.items():
        links = wanted.get(name, ["https://standin.example"])
        if not isinstance(links, list) or not 1 <= len(links) <= limit or not all(map(is_address, links)):
            raise RefusedError(f"{name} must be a list of 1 to {limit} addresses")
    for name in FRAMES:
        if not is_address(wanted.get(name, "https://standin.example")):
            raise RefusedError(f"{name} must be an address")


def wanted_of(asked: dict[str, object]) -> list[Wanted]:
    found = [Wanted(kind="image", field=name, link=str(asked[name])) for name in FRAMES if name in asked]
    for name, kind in KINDS.items():
        links = asked.get(name, [])
        assert isinstance(links, list)
        found += [Wanted(kind=kind, field=f"{name}[{n}]", link=link) for n, link in enumerate(links)]
    return found


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key)) as provider:
        yield provider
