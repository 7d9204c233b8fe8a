"""One file fetched to disk in a stream: every address checked, every byte and second counted.

DownloadError
├── LinkExpiredError   the other side says that there is nothing (any more)
├── TooLargeError      more bytes than allowed
└── UnreachableError   it may work later
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from bot.media.guard import Guard, HostUnknownError, Route
from bot.media.parts import OverLimitError, Part

CHUNK_BYTES = 64 * 1024
REDIRECTS_MAX = 3
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
_DIGITS_MAX = 18
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    # A kept connection belongs to an address, and two hosts may share one: each file proves its host anew.
    "Connection": "close",
    "User-Agent": "Dailies (Discord bot)",
}
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class DownloadError(Exception):
    """The file was not fetched; nothing of it is left. The text holds no link: links are signed."""


class LinkExpiredError(DownloadError):
    """403, 404, 410 and their like."""


class TooLargeError(DownloadError):
    """More bytes than allowed; `size_bytes` is what was told, or what had come by then."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"has at least {size_bytes:,} bytes")
        self.size_bytes = size_bytes


class UnreachableError(DownloadError):
    """No connection, a fault of the server, a stall, or an end before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What arrived."""

    sha256: str
    size_bytes: int


async def download(
    client: httpx.AsyncClient, url: str, destination: Path, *, bytes_max: int, seconds_max: float, guard: Guard
) -> Download:
    """Stream a link to `destination`, which exists only once it is whole.

    Of the client only its connections are used, none of its headers or cookies; make it with `trust_env=False`, or a
    proxy of the environment connects in its stead. Raises DownloadError, ForbiddenAddressError.
    """
    try:
        async with asyncio.timeout(seconds_max):
            async with _opened(client, url, guard) as response:
                _check_answer(response, bytes_max)
                return await _save(response, destination, bytes_max)
    except TimeoutError as error:
        raise UnreachableError(f"took longer than {seconds_max:g} s") from error
    except HostUnknownError as error:
        raise UnreachableError(str(error)) from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"broke off ({type(error).__name__})") from error
    except OverLimitError as error:
        raise TooLargeError(error.size_bytes) from error


@asynccontextmanager
async def _opened(client: httpx.AsyncClient, url: str, guard: Guard) -> AsyncIterator[httpx.Response]:
    """The answer behind at most three redirects, each address checked like the first."""
    for _ in range(REDIRECTS_MAX + 1):
        route = await guard.check(url)
        response = await _sent(client, route)
        try:
            location = response.headers.get("Location", "")
            if not (response.is_redirect and location):
                yield response
                return
            url = _joined(route.url, location)
        finally:
            await response.aclose()
    raise UnreachableError(f"was redirected more than {REDIRECTS_MAX} times")


def _joined(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise UnreachableError("was redirected to what is not a link") from error


async def _sent(client: httpx.AsyncClient, route: Route) -> httpx.Response:
    timeout = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
    failure: httpx.HTTPError | None = None
    for address in route.addresses:
        request = route.request(address, headers=_HEADERS, timeout=timeout)
        try:
            return await client.send(request, stream=True, auth=None, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
    raise UnreachableError("cannot be connected to") from failure


def _check_answer(response: httpx.Response, bytes_max: int) -> None:
    status = response.status_code
    if response.is_client_error and status not in _PASSING:
        raise LinkExpiredError(f"answered HTTP {status}")
    if status != HTTPStatus.OK:
        raise UnreachableError(f"answered HTTP {status}")
    declared = response.headers.get("Content-Length", "")
    size_bytes = int(declared[:_DIGITS_MAX]) if declared.isdecimal() else 0
    if size_bytes > bytes_max:
        raise TooLargeError(size_bytes)


async def _save(response: httpx.Response, destination: Path, bytes_max: int) -> Download:
    with Part(destination, bytes_max=bytes_max) as part:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            await asyncio.to_thread(part.take, chunk)
        await asyncio.to_thread(part.keep)
        return Download(sha256=part.sha256, size_bytes=part.size_bytes)
