"""One file fetched to disk in a stream: every address checked, every byte and second counted.

A connection that breaks or stalls half-way is made again, and only the rest of the file is asked for.

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
from bot.media.ranges import Version, is_rest, version_of

REDIRECTS_MAX = 3
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
RESUMES_MAX = 5
PAUSE_SECONDS = 0.25
"""Before a connection after one that brought nothing; each further pause is twice as long."""
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    # A kept connection belongs to an address, and two hosts may share one: each file proves its host anew.
    "Connection": "close",
    "User-Agent": "Dailies (Discord bot)",
}
_OTHER_PART = frozenset({HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
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


class _BrokenOffError(Exception):
    """This connection came to no end; the next may go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What arrived. `resumes`: connections after the first."""

    sha256: str
    size_bytes: int
    resumes: int = 0


async def download(
    client: httpx.AsyncClient,
    url: str,
    destination: Path,
    *,
    bytes_max: int,
    seconds_max: float,
    guard: Guard,
    stall_seconds: float = STALL_SECONDS,
) -> Download:
    """Stream a link to `destination`, which exists only once it is whole.

    Of the client only its connections are used, none of its headers or cookies; make it with `trust_env=False`, or a
    proxy of the environment connects in its stead. Raises DownloadError, ForbiddenAddressError.
    """
    try:
        async with asyncio.timeout(seconds_max):
            with Part(destination, bytes_max=bytes_max) as part:
                transfer = _Transfer(client, url, part, guard, bytes_max=bytes_max, stall_seconds=stall_seconds)
                resumes = await transfer.run()
                await asyncio.to_thread(part.keep)
                return Download(sha256=part.sha256, size_bytes=part.size_bytes, resumes=resumes)
    except TimeoutError as error:
        raise UnreachableError(f"took longer than {seconds_max:g} s") from error
    except OverLimitError as error:
        raise TooLargeError(error.size_bytes) from error


async def read_small(client: httpx.AsyncClient, url: str, *, bytes_max: int, seconds_max: float, guard: Guard) -> bytes:
    """A small document, in memory, by the same rules. Raises DownloadError, ForbiddenAddressError."""
    body = bytearray()
    try:
        async with (
            asyncio.timeout(seconds_max),
            _opened(client, url, guard, {}, httpx.Timeout(seconds_max)) as response,
        ):
            _check_answer(response, bytes_max)
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > bytes_max:
                    raise TooLargeError(len(body))
    except TimeoutError as error:
        raise UnreachableError(f"took longer than {seconds_max:g} s") from error
    except (httpx.HTTPError, HostUnknownError) as error:
        raise _unreachable(error) from error
    return bytes(body)


class _Transfer:
    """One file over as many connections as it takes, within reason. Each begins at the link and is checked anew."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, part: Part, guard: Guard, *, bytes_max: int, stall_seconds: float
    ) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._guard = guard
        self._bytes_max = bytes_max
        self._patience = httpx.Timeout(stall_seconds, connect=CONNECT_SECONDS)
        self._version: Version | None = None
        """None until a connection has answered well: what fails before is not tried again."""
        self._received = 0

    async def run(self) -> int:
        """Fetch all of it; returns the number of connections after the first."""
        resumes = barren = 0
        while True:
            before = self._received
            try:
                await self._connect()
            except (UnreachableError, _BrokenOffError, httpx.HTTPError, HostUnknownError) as error:
                if self._version is None or resumes == RESUMES_MAX:
                    raise _unreachable(error) from error
            else:
                return resumes
            resumes += 1
            barren = 0 if self._received > before else barren + 1
            if barren:
                await asyncio.sleep(PAUSE_SECONDS * 2 ** (barren - 1))

    async def _connect(self) -> None:
        version, begin = self._version or Version(), self._part.size_bytes
        wanted = version.headers_for_rest(begin)
        async with _opened(self._client, self._url, self._guard, wanted, self._patience) as response:
            if not (wanted and is_rest(response.status_code, response.headers, version=version, begin=begin)):
                if wanted and response.status_code in _OTHER_PART:
                    await self._begin_anew(Version())
                    raise _BrokenOffError("another part than the one asked for")
                _check_answer(response, self._bytes_max)
                await self._begin_anew(version_of(response.headers))
            await self._take(response)

    async def _begin_anew(self, version: Version) -> None:
        if self._part.size_bytes:
            await asyncio.to_thread(self._part.begin_anew)
        self._version = version

    async def _take(self, response: httpx.Response) -> None:
        async for chunk in response.aiter_raw():  # as it comes: pieces of one size would lose the last before a break
            self._received += len(chunk)
            await asyncio.to_thread(self._part.take, chunk)
        expected = self._version.size_bytes if self._version else None
        if expected is not None and self._part.size_bytes != expected:  # a server may answer with less than was asked
            raise _BrokenOffError("not as long as it was said to be")


def _unreachable(error: Exception) -> UnreachableError:
    if isinstance(error, UnreachableError):
        return error
    if isinstance(error, HostUnknownError):
        return UnreachableError(str(error))
    return UnreachableError(f"broke off ({type(error).__name__.removeprefix('_')})")


@asynccontextmanager
async def _opened(
    client: httpx.AsyncClient, url: str, guard: Guard, wanted: dict[str, str], patience: httpx.Timeout
) -> AsyncIterator[httpx.Response]:
    """The answer behind at most three redirects, each address checked like the first."""
    for _ in range(REDIRECTS_MAX + 1):
        route = await guard.check(url)
        response = await _sent(client, route, wanted, patience)
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


async def _sent(
    client: httpx.AsyncClient, route: Route, wanted: dict[str, str], patience: httpx.Timeout
) -> httpx.Response:
    failure: httpx.HTTPError | None = None
    for address in route.addresses:
        request = route.request(address, headers={**_HEADERS, **wanted}, timeout=patience)
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
    told = version_of(response.headers).size_bytes
    if told is not None and told > bytes_max:
        raise TooLargeError(told)
