"""A loopback server for downloads, with every way to misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

STRONG = {"ETag": '"one"'}


@dataclass(slots=True, kw_only=True)
class Flaky:
    """A file whose connections break: `sent` says for each how many bytes come before; after the last, all come."""

    body: bytes
    sent: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=lambda: dict(STRONG))
    becomes: tuple[bytes, dict[str, str]] | None = None
    """Body and headers after the first connection."""
    knows_ranges: bool = True
    heeds_condition: bool = True
    stalls: bool = False
    statuses: list[int] = field(default_factory=list)
    """Of the connections after the first, in turn; 0: as usual."""
    begin_shift: int = 0
    """A part begins so many bytes from where it was asked to."""
    part_bytes_max: int = 1_000_000_000
    """No part is longer: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7"""


class Origin:
    """Serves `files` by path, and keeps the headers of what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.flaky = Flaky(body=b"")
        self.asked: list[web.BaseRequest] = []
        self.base = ""
        self.host = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        match request.path.strip("/").split("/"):
            case ["status", code]:
                return web.Response(status=int(code), text="no")
            case ["redirect", times]:
                onward = f"/redirect/{int(times) - 1}" if int(times) > 1 else "/file"
                return web.Response(status=302, headers={"Location": onward})
            case ["to"]:
                return web.Response(status=307, headers={"Location": request.query["link"]})
            case ["stream", kind]:
                return await self._stream(request, kind)
            case ["flaky"]:
                return await self._break(request, self.flaky)
            case _:
                return self._file(request.path)

    def _file(self, path: str) -> web.Response:
        if path not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[path])

    @property
    def ranges(self) -> list[str | None]:
        """What each request for the flaky file asked for."""
        return [request.headers.get("Range") for request in self.asked if request.path == "/flaky"]

    async def _break(self, request: web.BaseRequest, flaky: Flaky) -> web.StreamResponse:
        if len(self.ranges) > 1 and flaky.statuses and (status := flaky.statuses.pop(0)):
            return web.Response(status=status)
        if len(self.ranges) > 1 and flaky.becomes:
            flaky.body, flaky.headers = flaky.becomes
        response, body = _part(request, flaky) if flaky.knows_ranges else (web.StreamResponse(), flaky.body)
        response.headers.update(flaky.headers)
        response.content_length = len(body)
        await response.prepare(request)
        count = flaky.sent.pop(0) if flaky.sent else len(body)
        await response.write(body[:count])
        if count < len(body):
            if flaky.stalls:
                await asyncio.Event().wait()
            _hang_up(request)
        return response

    async def _stream(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        if kind == "cut":
            response.content_length = 100_000
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"x" * 1_000)
        if kind == "endless":
            while True:
                await response.write(b"x" * 10_000)
        if kind == "stalled":
            await asyncio.Event().wait()
        _hang_up(request)
        return response


def _part(request: web.BaseRequest, flaky: Flaky) -> tuple[web.StreamResponse, bytes]:
    asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
    is_same = condition in {None, flaky.headers.get("ETag"), flaky.headers.get("Last-Modified")}
    if asked is None or (flaky.heeds_condition and not is_same):
        return web.StreamResponse(), flaky.body
    begin = int(asked.removeprefix("bytes=").removesuffix("-")) + flaky.begin_shift
    part = flaky.body[begin : begin + flaky.part_bytes_max]
    place = f"bytes {begin}-{begin + len(part) - 1}/{len(flaky.body)}"
    return web.StreamResponse(status=206, headers={"Content-Range": place}), part


def _hang_up(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Origin]:
    origin = Origin()
    runner = web.ServerRunner(web.Server(origin.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        origin.host = f"127.0.0.1:{runner.addresses[0][1]}"
        origin.base = f"http://{origin.host}"
        yield origin
    finally:
        await runner.cleanup()
