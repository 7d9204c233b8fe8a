"""A loopback server for downloads, with every way to misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Origin:
    """Serves `files` by path, and keeps the headers of what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
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
            case _:
                return self._file(request.path)

    def _file(self, path: str) -> web.Response:
        if path not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[path])

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
        if request.transport is not None:
            request.transport.close()
        return response


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
