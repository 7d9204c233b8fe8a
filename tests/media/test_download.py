"""Downloads: whole and hashed, or a typed reason and nothing on disk."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from bot.media.download import (
    Download,
    DownloadError,
    LinkExpiredError,
    TooLargeError,
    UnreachableError,
    download,
)
from bot.media.guard import ForbiddenAddressError, Guard
from tests.media.serving import Origin, serving
from tests.media.test_guard import Names

BODY = bytes(range(256)) * 4_000
CERTIFICATE = Path(__file__).with_name("clips.example.pem")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as served:
        served.files["/file"] = BODY
        yield served


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def fetched(origin: Origin, path: str, folder: Path, *, seconds_max: float = 10) -> Download:
    guard = Guard(trusted=frozenset({origin.host}))
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "a secret"}) as client:
        return await download(
            client, origin.base + path, folder / "a", bytes_max=2_000_000, seconds_max=seconds_max, guard=guard
        )


async def test_a_file_arrives_whole_and_hashed(origin: Origin, tmp_path: Path) -> None:
    got = await fetched(origin, "/file", tmp_path)
    assert got == Download(sha256=hashlib.sha256(BODY).hexdigest(), size_bytes=len(BODY))
    assert names_in(tmp_path) == ["a"]
    assert await asyncio.to_thread((tmp_path / "a").read_bytes) == BODY


async def test_the_request_tells_only_what_it_must(origin: Origin, tmp_path: Path) -> None:
    await fetched(origin, "/file", tmp_path)
    headers = origin.asked[0].headers
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == origin.host
    assert "Authorization" not in headers


async def test_three_redirects_are_followed_and_a_fourth_is_not(origin: Origin, tmp_path: Path) -> None:
    assert (await fetched(origin, "/redirect/3", tmp_path)).size_bytes == len(BODY)
    with pytest.raises(UnreachableError, match="more than 3 times"):
        await fetched(origin, "/redirect/4", tmp_path)


@pytest.mark.parametrize(
    "link", ["http://169.254.169.254/latest", "https://10.0.0.1/", "file:///etc/passwd", "https://[::1]/", "//0x7f.1/"]
)
async def test_a_redirect_to_a_forbidden_address_is_not_followed(origin: Origin, tmp_path: Path, link: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        await fetched(origin, f"/to?link={link}", tmp_path)
    assert len(origin.asked) == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/status/403", LinkExpiredError),
        ("/status/404", LinkExpiredError),
        ("/status/410", LinkExpiredError),
        ("/status/429", UnreachableError),
        ("/status/500", UnreachableError),
        ("/status/503", UnreachableError),
        ("/status/204", UnreachableError),
        ("/status/304", UnreachableError),
        ("/stream/cut", UnreachableError),
        ("/stream/broken", UnreachableError),
        ("/stream/endless", TooLargeError),
    ],
)
async def test_every_failure_is_typed_and_leaves_nothing(
    origin: Origin, tmp_path: Path, path: str, expected: type[DownloadError]
) -> None:
    with pytest.raises(expected) as caught:
        await fetched(origin, path, tmp_path)
    assert origin.host not in str(caught.value)
    assert names_in(tmp_path) == []


async def test_a_declared_size_over_the_limit_is_refused_before_the_body(origin: Origin, tmp_path: Path) -> None:
    origin.files["/large"] = bytes(3_000_000)
    with pytest.raises(TooLargeError) as caught:
        await fetched(origin, "/large", tmp_path)
    assert caught.value.size_bytes == 3_000_000


async def test_a_file_of_exactly_the_limit_is_taken(origin: Origin, tmp_path: Path) -> None:
    origin.files["/large"] = bytes(2_000_000)
    assert (await fetched(origin, "/large", tmp_path)).size_bytes == 2_000_000


async def test_the_whole_has_a_deadline(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"longer than 0\.3 s"):
        await fetched(origin, "/stream/stalled", tmp_path, seconds_max=0.3)
    assert names_in(tmp_path) == []


async def test_cancelling_leaves_nothing(origin: Origin, tmp_path: Path) -> None:
    task = asyncio.create_task(fetched(origin, "/stream/stalled", tmp_path))
    while not names_in(tmp_path):  # noqa: ASYNC110 (until the first bytes are on disk)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == []


async def test_a_closed_port_is_unreachable(tmp_path: Path) -> None:
    async with serving() as gone:
        pass
    with pytest.raises(UnreachableError, match="cannot be connected to"):
        await fetched(gone, "/file", tmp_path)


async def test_the_next_address_is_tried_when_one_does_not_answer(origin: Origin, tmp_path: Path) -> None:
    port = origin.host.partition(":")[2]
    names = Names({"clips.example": ["127.0.0.2", "127.0.0.1"]})
    guard = Guard(trusted=frozenset({"clips.example"}), resolve=names)
    async with httpx.AsyncClient(trust_env=False) as client:
        link = f"http://clips.example:{port}/file"
        got = await download(client, link, tmp_path / "a", bytes_max=2_000_000, seconds_max=9, guard=guard)
    assert got.size_bytes == len(BODY)


async def test_the_certificate_is_checked_for_the_name_and_not_the_address(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with _secure_server(context) as (port, hosts), _secure_client() as client:
        guard = Guard(
            trusted=frozenset({"clips.example", "other.example"}),
            resolve=Names({"clips.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}),
        )
        right, wrong = (f"https://{name}.example:{port}/a" for name in ("clips", "other"))
        await download(client, right, tmp_path / "a", bytes_max=99, seconds_max=9, guard=guard)
        with pytest.raises(UnreachableError):
            await download(client, wrong, tmp_path / "b", bytes_max=99, seconds_max=9, guard=guard)
    assert asked == ["clips.example", "other.example"]
    assert hosts == [f"clips.example:{port}"]


def _secure_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, verify=ssl.create_default_context(cafile=str(CERTIFICATE)))


@asynccontextmanager
async def _secure_server(context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    hosts: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        hosts.append(request.headers["Host"])
        return web.Response(body=b"clip")

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1], hosts
    finally:
        await runner.cleanup()
