"""The web room: signed links to stored files, callbacks of providers, and health."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp import web

from bot.domain.links import LinkError, verify
from bot.web.hooks import HOOK_BYTES_MAX, HookDoor

CONTENT_TYPES = {
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
}
"""By MediaInfo's names of formats."""

KEEP_ALIVE_SECONDS = 15.0
SHUTDOWN_SECONDS = 5.0


class StoredFiles(Protocol):
    """Where the file of a link lies on disk."""

    def linked_path(self, *, name: str) -> Path | None: ...


def make_app(
    *,
    files: StoredFiles,
    secret: bytes,
    now_ms: Callable[[], int],
    healthy: Callable[[], bool],
    hooks: HookDoor | None = None,
) -> web.Application:
    """Without `hooks` nobody can call."""
    doors = _Doors(files=files, secret=secret, now_ms=now_ms, healthy=healthy)
    app = web.Application(client_max_size=HOOK_BYTES_MAX)
    app.router.add_get("/files/{token}/{name}", doors.file)
    app.router.add_get("/healthz", doors.health)
    if hooks is not None:
        app.router.add_post("/hooks/{provider}/{token}", hooks.ring)
    app.router.add_route("*", "/{rest:.*}", doors.nothing)
    return app


@asynccontextmanager
async def serving(app: web.Application, *, host: str, port: int) -> AsyncIterator[int]:
    """Serves the app and yields its port.

    No access log: a token in it would open a file for whoever reads it. Bodies stay as they came, for that is signed.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Doors:
    def __init__(
        self, *, files: StoredFiles, secret: bytes, now_ms: Callable[[], int], healthy: Callable[[], bool]
    ) -> None:
        self._files = files
        self._secret = secret
        self._now_ms = now_ms
        self._healthy = healthy

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Forged, expired and unknown look the same from outside."""
        path = self._path(request.match_info["token"], request.match_info["name"])
        content_type = CONTENT_TYPES.get(request.match_info["name"].rpartition(".")[2])
        if path is None or content_type is None:
            return await self.nothing(request)
        headers = {
            "Content-Type": content_type,
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(path, headers=headers)

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok") if self._healthy() else web.Response(status=503, text="not ok")

    async def nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=404)

    def _path(self, token: str, name: str) -> Path | None:
        try:
            signed = verify(self._secret, token, self._now_ms())
        except LinkError:
            return None
        return self._files.linked_path(name=signed) if signed == name else None
