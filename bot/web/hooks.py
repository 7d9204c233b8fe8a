"""Where providers call when a task has news."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

from aiohttp import web

from bot.domain.hooks import HookLinks
from bot.domain.links import LinkForgedError
from bot.services.doorbell import Hearing

HOOK_BYTES_MAX = 64 * 1024
HOOK_SECONDS_MAX = 10.0
ANSWERS = {Hearing.GENUINE: 204, Hearing.UNSIGNED: 401, Hearing.UNKNOWN: 404}


class Hear(Protocol):
    """Takes a callback at an attempt's address."""

    def __call__(self, attempt_id: str, *, headers: Mapping[str, str], body: bytes) -> Awaitable[Hearing]: ...


class HookDoor:
    """Answers with a status and nothing else; of a call whose address is not ours not even the body is read."""

    def __init__(self, *, links: HookLinks, hear: Hear) -> None:
        self._links = links
        self._hear = hear

    async def ring(self, request: web.Request) -> web.Response:
        place = request.match_info
        try:
            attempt_id = self._links.verify(provider=place["provider"], token=place["token"])
        except LinkForgedError:
            return web.Response(status=404)
        try:
            async with asyncio.timeout(HOOK_SECONDS_MAX):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        hearing = await self._hear(attempt_id, headers=request.headers, body=body)
        return web.Response(status=ANSWERS[hearing])
