"""The REST door: authorisation, rate limits, planned faults, bodies, and answers in Discord's exact form."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.multipart import MultipartReader

from bot.sandbox.faults import Fault
from bot.sandbox.files import CHUNK_BYTES, IncomingFile
from bot.sandbox.limits import RateLimits
from bot.sandbox.records import UPLOAD_BYTES_BY_TIER, Upload
from bot.sandbox.refusal import Reason, RefusedError, Violation
from bot.sandbox.schema import PublishedSchema
from bot.sandbox.world import Request, World

API_PATH = "/api/v10"
# discord.py takes an answer without Via for Cloudflare's, and a content type with a charset for text.
PLAIN_HEADERS = {"Via": "1.1 sandbox", "Content-Type": "application/json"}
MAJOR = ("channel_id", "guild_id", "webhook_token")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_FILE_PART = re.compile(r"files\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request's JSON and the files that came with it."""

    payload: Any
    uploads: Sequence[Upload]


def answer(payload: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(payload).encode(), headers=PLAIN_HEADERS)


def no_content() -> web.Response:
    return web.Response(status=204, headers={"Via": PLAIN_HEADERS["Via"]})


def number(request: web.Request, name: str) -> int:
    return int(request.match_info[name])


class RestDoor:
    """What happens to every call before and after its own handler."""

    def __init__(self, *, world: World, schema: PublishedSchema, limits: RateLimits) -> None:
        self._world = world
        self._schema = schema
        self._limits = limits

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one call; whatever is not REST passes untouched."""
        if not request.path.startswith(API_PATH):
            return await handler(request)
        path = request.path.removeprefix(API_PATH)
        await self._world.faults.wait(request.method, path)
        fault = self._world.faults.strike(request.method, path)
        if fault is not None and fault.moment == "before":
            response: web.StreamResponse = _misfortune(request, fault)
        else:
            response = await self._answer(request, handler, path)
            response = _misfortune(request, fault) if fault else response
        self._world.requests.append(Request(method=request.method, path=path, status=response.status))
        self._world.changes.announce()
        return response

    async def _answer(self, request: web.Request, handler: Handler, path: str) -> web.StreamResponse:
        template = template_of(request)
        major = next((request.match_info[name] for name in MAJOR if name in request.match_info), "")
        allowance = self._limits.take(f"{request.method} {template}", major)
        if allowance.exceeded:
            response: web.StreamResponse = _rate_limited(allowance.reset_after_seconds, everywhere=False)
        else:
            try:
                self._authorise(request, template)
                response = await handler(request)
            except RefusedError as refusal:
                response = self._refuse(request, path, refusal)
            except web.HTTPMethodNotAllowed:
                response = self._refuse(request, path, RefusedError(Reason.METHOD_NOT_ALLOWED))
            except web.HTTPNotFound:
                response = self._refuse(request, path, RefusedError(Reason.NOT_FOUND))
        response.headers.update(allowance.headers())
        return response

    def _authorise(self, request: web.Request, template: str) -> None:
        """An interaction's token stands in its path; everything else needs the bot's."""
        if "_token}" in template:
            return
        if request.headers.get("Authorization") != f"Bot {self._world.token}":
            raise RefusedError(Reason.UNAUTHORIZED)

    def _refuse(self, request: web.Request, path: str, refusal: RefusedError) -> web.Response:
        if refusal.rule is not None:
            self._world.violations.append(
                Violation(
                    rule=refusal.rule,
                    method=request.method,
                    path=path,
                    status=refusal.reason.status,
                    code=refusal.reason.code,
                    detail=json.dumps(refusal.errors) if refusal.errors else refusal.reason.message,
                )
            )
        return answer(refusal.body(), status=refusal.reason.status)

    @asynccontextmanager
    async def body(self, request: web.Request) -> AsyncIterator[Body]:
        """Read a body, check it against the published schema, and sweep up files that nobody kept."""
        uploads: list[Upload] = []
        try:
            payload = await self._read(request, uploads)
            self._schema.check(request.method, template_of(request), payload)
            yield Body(payload=payload, uploads=uploads)
        finally:
            for upload in uploads:
                upload.path.unlink(missing_ok=True)

    async def _read(self, request: web.Request, uploads: list[Upload]) -> Any:
        if request.content_type == "multipart/form-data":
            return await self._read_parts(await request.multipart(), uploads)
        text = await request.text()
        if not text:
            return {}
        if request.content_type != "application/json":
            raise RefusedError(Reason.INVALID_FORM)
        return _parse(text)

    async def _read_parts(self, parts: MultipartReader, uploads: list[Upload]) -> Any:
        """Files go to disk as they arrive: https://docs.discord.com/developers/reference#uploading-files."""
        payload: Any = None
        async for part in parts:
            if not isinstance(part, BodyPartReader):
                raise RefusedError(Reason.INVALID_FORM)
            if part.name == "payload_json":
                payload = _parse((await part.read()).decode())
            elif (found := _FILE_PART.fullmatch(part.name or "")) and part.filename:
                uploads.append(await self._receive(part, int(found[1]), part.filename))
            else:
                raise RefusedError(Reason.INVALID_FORM)
        if payload is None:
            raise RefusedError(Reason.INVALID_FORM)
        return payload

    async def _receive(self, part: BodyPartReader, index: int, filename: str) -> Upload:
        kept = max(UPLOAD_BYTES_BY_TIER.values())
        with IncomingFile(folder=self._world.folder / "incoming", bytes_kept=kept) as incoming:
            while chunk := await part.read_chunk(CHUNK_BYTES):
                incoming.write(chunk)
            return incoming.upload(index=index, filename=filename)


def template_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical.removeprefix(API_PATH) if resource else ""


def as_object(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise RefusedError(Reason.INVALID_FORM)
    return payload


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RefusedError(Reason.INVALID_JSON) from error


def _misfortune(request: web.Request, fault: Fault) -> web.Response:
    if fault.status is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)
    if fault.status == web.HTTPTooManyRequests.status_code:
        response = _rate_limited(fault.retry_after_seconds, everywhere=fault.everywhere)
        if not fault.via:
            del response.headers["Via"]
        return response
    return answer({"message": f"{fault.status}: planned", "code": 0}, status=fault.status)


def _rate_limited(seconds: float, *, everywhere: bool) -> web.Response:
    """https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere}
    response = answer(body, status=429)
    response.headers["Retry-After"] = f"{seconds:.0f}"
    response.headers["X-RateLimit-Scope"] = "global" if everywhere else "user"
    return response
