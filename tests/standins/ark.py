"""A stand-in for the content generation tasks of BytePlus ModelArk, on loopback.

It knows nothing of the bot. What it accepts and answers is typed from docs.byteplus.com/en/docs/ModelArk/1520757
(create), /1299023 (errors) and /1330310 (models), the types of `byteplus-python-sdk-v2` 3.0.63 and their mirrors
docs.powertokens.ai (query, list, delete) and docs.ai-tokenhub.com (create, delete), read 2026-11-20.
"""

import base64
import binascii
import hashlib
import itertools
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
    bearer,
    is_address,
    on_loopback,
)
from tests.standins.sniffing import sniff

ROOT = "/api/v3"
TASKS = f"{ROOT}/contents/generations/tasks"
RESOLUTIONS = {
    "dreamina-seedance-2-0-260128": {"480p", "720p", "1080p"},
    "dreamina-seedance-2-0-fast-260128": {"480p", "720p"},
}
RATIOS = {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "adaptive"}
SECONDS = range(4, 15 + 1)
SEEDS = range(-1, 2**32)
SWITCHES = {"generate_audio", "watermark", "return_last_frame", "camera_fixed"}
FIELDS = {"model", "content", "resolution", "ratio", "duration", "seed", "tools", "callback_url", *SWITCHES}
REFERENCES_MAX = {"reference_image": 9, "reference_video": 3, "reference_audio": 3}
KINDS = {"first_frame": "image", "last_frame": "image"} | {role: role[10:] for role in REFERENCES_MAX}
MICROS_PER_MILLION = 7_000_000
PIXELS = {"480p": 864 * 496, "720p": 1280 * 720, "1080p": 1920 * 1080}
REQUEST_BYTES_MAX = 64_000_000
CODES = {
    400: "InvalidParameter",
    401: "AuthenticationError",
    404: "ResourceNotFound",
    409: "TaskRunningCannotCancel",
    429: "RateLimitExceeded.EndpointRPMExceeded",
    500: "InternalServiceError",
}
_ids = itertools.count()


def error(status: int, message: str, code: str = "", **headers: str) -> Trouble:
    return Trouble(status=status, body=json.dumps(error_body(status, message, code)), headers=headers)


def error_body(status: int, message: str, code: str = "") -> dict[str, object]:
    kind = {400: "BadRequest", 404: "NotFound"}.get(status, "")
    return {"error": {"code": code or CODES[status], "message": message, "param": "", "type": kind}}


def rate_limited(retry_after: str | None = None) -> Trouble:
    return error(429, "Too many requests", **({} if retry_after is None else {"Retry-After": retry_after}))


def overdue() -> Trouble:
    return error(403, "The account is overdue", "AccountOverdueError")


def real_person() -> Trouble:
    message = "The image in 'content[1]' may contain a real person. Request id: 0217"
    return error(400, message, "InputImageSensitiveContentDetected.PrivacyInformation")


def without_id() -> Trouble:
    """A success that forgets to say which task it made."""
    return Trouble(status=200, body="{}", creates=True)


def moderated(words: str = "The video may show a real person.") -> Fate:
    told = {"code": "OutputVideoSensitiveContentDetected", "message": f"{words} Request id: 0217"}
    return Fate(statuses=("running", "failed"), error=told)


class Provider(StandIn):
    usual = Fate(statuses=("queued", "running", "succeeded"))
    failed = "failed"
    body_bytes_max = REQUEST_BYTES_MAX
    moves_on = False
    """Whether a task takes its next step just before a DELETE of it arrives."""

    @staticmethod
    def failing(words: str) -> Fate:
        return Fate(statuses=("failed",), error={"code": "InternalServiceError", "message": words})

    @property
    def charged_micros(self) -> int:
        """Only what succeeded is billed."""
        return sum(task.micros for task in self.tasks.values() if task.fate.statuses[-1] == "succeeded")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(TASKS, self.submit)
        router.add_get(TASKS, self.list_tasks)
        router.add_get(f"{TASKS}/{{task_id}}", self.read)
        router.add_delete(f"{TASKS}/{{task_id}}", self.delete)

    def check_key(self, request: web.Request) -> None:
        bearer(request, self.key)

    def new_task_id(self) -> str:
        return f"cgt-20261120093000-{next(_ids):05d}"

    async def accept(self, payload: object) -> tuple[dict[str, object], int]:
        body = check_body(payload)
        for wanted in wanted_of(body):
            if is_address(wanted.link):
                await self.fetch_all([wanted])
            else:
                self.received.append(_decoded(wanted))
        return body, tokens_of(body) * MICROS_PER_MILLION // 1_000_000

    def callback_in(self, request: web.Request, payload: object) -> object:
        del request
        return payload.get("callback_url") if isinstance(payload, dict) else None

    def accepted(self, task: Task) -> web.Response:
        return web.json_response({"id": task.id})

    def shown(self, task: Task) -> dict[str, object]:
        told: dict[str, object] = {
            "id": task.id,
            "model": task.input["model"],
            "status": task.status,
            "error": task.fate.error if task.status == self.failed else None,
            "created_at": 1_795_167_000,
            "updated_at": 1_795_167_120,
        }
        if task.status != "succeeded":
            return told
        content = {"video_url": self.link_of(task)} if task.fate.gives_link else {}
        if task.input["return_last_frame"]:
            content["last_frame_url"] = f"{self.url}/frames/{task.id}.png"
        usage = {"completion_tokens": tokens_of(task.input), "total_tokens": tokens_of(task.input)}
        named = {name: task.input[name] for name in ("resolution", "ratio", "duration", "generate_audio")}
        return told | named | {"content": content, "usage": usage, "seed": 58944, "framespersecond": 24}

    def refused(self, error: RefusedError) -> web.Response:
        return web.json_response(error_body(error.status, str(error)), status=error.status)

    async def delete(self, request: web.Request) -> web.Response:
        """Cancels a task that waits; takes away the record of one that ended."""
        task = self.tasks.get(request.match_info["task_id"])
        if task is not None and self.moves_on:
            task.reads += 1
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        if task is None:
            return self.refused(RefusedError("task not found", status=404))
        if task.status in {"running", "cancelled"}:
            return self.refused(RefusedError(f"the task is {task.status}", status=409))
        if task.status == "queued":
            task.fate = Fate(statuses=("cancelled",))
        else:
            del self.tasks[task.id]
        return web.json_response({})

    async def list_tasks(self, request: web.Request) -> web.Response:
        try:
            self.check_key(request)
        except RefusedError as refusal:
            return self.refused(refusal)
        size, page = int(request.query.get("page_size", "10")), int(request.query.get("page_num", "1"))
        if not 1 <= size <= 500 or set(request.query) - {"page_num", "page_size", "filter.task_ids"}:
            return self.refused(RefusedError("the query is wrong"))
        asked = request.query.getall("filter.task_ids", [])
        found = [task for task in self.tasks.values() if not asked or task.id in asked]
        items = [self.shown(task) for task in found[(page - 1) * size : page * size]]
        return web.json_response({"items": items, "total": len(found)})


# -- what is accepted


def tokens_of(body: dict[str, object]) -> int:
    """`width × height × (24 × seconds + 1) / 1024`, of a 16:9 picture."""
    seconds = body["duration"]
    assert isinstance(seconds, int)
    return PIXELS[str(body["resolution"])] * (24 * seconds + 1) // 1024


def check_body(body: object) -> dict[str, object]:
    """Every field's name, type and range, and the roles of the content. The SDK says null for what is not asked."""
    body = {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body
    if not isinstance(body, dict) or set(body) - FIELDS or {"model", "content"} - set(body):
        raise RefusedError("a field is missing or unknown")
    _check_values(body)
    _check_content(body["content"])
    return body


def _check_values(body: dict[str, object]) -> None:
    if body["model"] not in RESOLUTIONS:
        raise RefusedError("The model or endpoint does not exist", status=404)
    if body.get("resolution") not in RESOLUTIONS[str(body["model"])] or body.get("ratio") not in RATIOS:
        raise RefusedError("resolution or ratio is wrong")
    if type(body.get("duration")) is not int or body["duration"] not in SECONDS:
        raise RefusedError("duration must be an integer from 4 to 15")
    if any(type(body[name]) is not bool for name in SWITCHES & set(body)):
        raise RefusedError("a switch must be true or false")
    if type(body.get("seed", 0)) is not int or body.get("seed", 0) not in SEEDS:
        raise RefusedError("seed is out of range")
    if body.get("tools", [{"type": "web_search"}]) != [{"type": "web_search"}]:
        raise RefusedError("tools is wrong")


def _check_content(content: object) -> None:
    if not isinstance(content, list) or not content or not all(isinstance(item, dict) for item in content):
        raise RefusedError("content must be a list of objects")
    text, *files = content
    if set(text) != {"type", "text"} or text["type"] != "text" or not str(text["text"]).strip():
        raise RefusedError("content[0] must be the text")
    roles = [_checked_role(number, item) for number, item in enumerate(files, start=1)]
    frames = [role for role in roles if role not in REFERENCES_MAX]
    if frames and (len(frames) < len(roles) or frames not in (["first_frame"], ["first_frame", "last_frame"])):
        raise RefusedError("frames cannot be combined with references, nor a last frame stand alone")
    for role, limit in REFERENCES_MAX.items():
        if roles.count(role) > limit:
            raise RefusedError(f"at most {limit} of {role}")
    if set(roles) == {"reference_audio"}:
        raise RefusedError("audio needs at least one image or video")
    _check_mentions(str(text["text"]), roles)


def _checked_role(number: int, item: dict[str, object]) -> str:
    role = str(item.get("role"))
    name = f"{KINDS.get(role)}_url"
    link = item.get(name)
    if (
        set(item) != {"type", name, "role"}
        or item["type"] != name
        or not isinstance(link, dict)
        or set(link) != {"url"}
    ):
        raise RefusedError(f"'content[{number}]' is wrong")
    if KINDS[role] == "video" and not is_address(link["url"]):
        raise RefusedError(f"'content[{number}]' must be a URL")
    return role


def _check_mentions(text: str, roles: list[str]) -> None:
    """`Image 2` means the second image of the content."""
    if re.search(r"@|\[(Image|Video|Audio)", text):
        raise RefusedError("a reference is named in plain words")
    for kind, number in re.findall(r"\b(Image|Video|Audio) (\d+)", text):
        if not 1 <= int(number) <= roles.count(f"reference_{kind.lower()}"):
            raise RefusedError(f"the text names {kind} {number}, which is not there")


def wanted_of(body: dict[str, object]) -> list[Wanted]:
    content = body["content"]
    assert isinstance(content, list)
    return [
        Wanted(kind=KINDS[item["role"]], field=f"'content[{number}]'", link=item[item["type"]]["url"])
        for number, item in enumerate(content)
        if item["type"] != "text"
    ]


def _decoded(wanted: Wanted) -> str:
    """The content hash of a file in a data URI."""
    found = re.fullmatch(r"data:(image|audio)/[a-z0-9]+;base64,(.+)", wanted.link)
    try:
        file = base64.b64decode(found[2] if found else "-", validate=True)
    except binascii.Error as fault:
        raise RefusedError(f"{wanted.field} is neither an address nor a data URI") from fault
    if sniff(file) != wanted.kind:
        raise RefusedError(f"{wanted.field} is not {wanted.kind}")
    return hashlib.sha256(file).hexdigest()


@asynccontextmanager
async def running(*, clip: Path, key: str = KEY) -> AsyncIterator[Provider]:
    async with on_loopback(Provider(clip=clip, key=key)) as provider:
        yield provider
