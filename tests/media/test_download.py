"""Downloads: whole and hashed, or a typed reason and nothing on disk."""

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from bot.media.download import (
    RESUMES_MAX,
    Download,
    DownloadError,
    LinkExpiredError,
    TooLargeError,
    UnreachableError,
    download,
)
from bot.media.guard import ForbiddenAddressError, Guard
from bot.media.parts import PART_SUFFIX, Part
from tests.media.corpus import Names
from tests.media.serving import Flaky, Origin, serving

BODY = bytes(range(256)) * 4_000
CERTIFICATE = Path(__file__).with_name("clips.example.pem")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as served:
        served.files["/file"] = BODY
        yield served


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def fetched(
    origin: Origin, path: str, folder: Path, *, seconds_max: float = 10, stall_seconds: float = 5
) -> Download:
    guard = Guard(trusted=frozenset({origin.host}))
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "a secret"}) as client:
        return await download(
            client,
            origin.base + path,
            folder / "a",
            bytes_max=2_000_000,
            seconds_max=seconds_max,
            guard=guard,
            stall_seconds=stall_seconds,
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
    while not (origin.asked and names_in(tmp_path)):  # noqa: ASYNC110 (until it is under way)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == []


HALF = len(BODY) // 2
REST = f"bytes={HALF}-"
DATED = {"Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}


async def resumed(origin: Origin, folder: Path, flaky: Flaky, **options: float) -> Download:
    """Fetched over several connections, and still the very file."""
    origin.flaky = flaky
    got = await fetched(origin, "/flaky", folder, **options)
    assert (folder / "a").read_bytes() == origin.flaky.body
    assert got.sha256 == hashlib.sha256(origin.flaky.body).hexdigest()
    assert got.size_bytes == len(origin.flaky.body)
    assert got.resumes == len(origin.ranges) - 1
    return got


async def test_a_broken_transfer_goes_on_where_it_broke(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF]))
    assert origin.ranges == [None, REST]
    assert origin.asked[1].headers["If-Range"] == '"one"'


async def test_it_may_break_more_than_once(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[1, 200_000, 300_001, 7, 99]))
    assert origin.ranges[1:] == [f"bytes={begin}-" for begin in (1, 200_001, 500_002, 500_009, 500_108)]


async def test_a_stalled_transfer_goes_on(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], stalls=True), stall_seconds=0.2)
    assert origin.ranges == [None, REST]


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        (DATED, DATED["Last-Modified"]),
        ({**DATED, "ETag": 'W/"one"'}, DATED["Last-Modified"]),
        ({**DATED, "ETag": '"one"'}, '"one"'),
    ],
    ids=["no tag", "weak tag", "strong tag"],
)
async def test_the_date_stands_in_for_a_tag_that_is_weak(
    origin: Origin, tmp_path: Path, headers: dict[str, str], condition: str
) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], headers=headers))
    assert (origin.ranges, origin.asked[1].headers["If-Range"]) == ([None, REST], condition)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}, {"ETag": "one"}], ids=["none", "weak", "not a tag"])
async def test_without_a_version_it_begins_anew(origin: Origin, tmp_path: Path, headers: dict[str, str]) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], headers=headers))
    assert origin.ranges == [None, None]


async def test_a_server_that_ignores_ranges_begins_anew(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], knows_ranges=False))
    assert origin.ranges == [None, REST]


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [
        ({"ETag": '"one"'}, {"ETag": '"two"'}, bytes(len(BODY))),
        ({"ETag": '"one"'}, {"ETag": '"two"'}, bytes(HALF - 9)),
        (DATED, {"Last-Modified": "Wed, 21 Oct 2026 07:28:01 GMT"}, bytes(len(BODY))),
    ],
    ids=["tag", "tag and length", "date"],
)
@pytest.mark.parametrize("heeds_condition", [True, False])
async def test_a_file_that_changed_meanwhile_begins_anew(
    origin: Origin,
    tmp_path: Path,
    before: dict[str, str],
    after: dict[str, str],
    body: bytes,
    heeds_condition: bool,  # noqa: FBT001
) -> None:
    flaky = Flaky(body=BODY, sent=[HALF], headers=before, becomes=(body, after), heeds_condition=heeds_condition)
    await resumed(origin, tmp_path, flaky)
    assert origin.ranges == ([None, REST] if heeds_condition else [None, REST, None])


async def test_a_length_that_changed_begins_anew_whatever_the_tag_says(origin: Origin, tmp_path: Path) -> None:
    tag = {"ETag": '"one"'}
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], headers=tag, becomes=(BODY + b"more", tag)))
    assert origin.ranges == [None, REST, None]


@pytest.mark.parametrize("shift", [-1, 1, 99])
async def test_another_part_than_asked_for_is_not_taken(origin: Origin, tmp_path: Path, shift: int) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], begin_shift=shift))
    assert origin.ranges == [None, REST, None]


async def test_a_range_that_cannot_be_satisfied_begins_anew(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], statuses=[416]))
    assert origin.ranges == [None, REST, None]


async def test_parts_that_are_shorter_than_asked_for_are_joined(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], part_bytes_max=200_000))
    assert origin.ranges == [None, *(f"bytes={HALF + done}-" for done in (0, 200_000, 400_000))]


async def test_a_server_that_falters_once_is_asked_again(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[HALF], statuses=[503]))
    assert origin.ranges == [None, REST, REST]


async def test_a_first_connection_without_a_byte_begins_anew(origin: Origin, tmp_path: Path) -> None:
    await resumed(origin, tmp_path, Flaky(body=BODY, sent=[0]))
    assert origin.ranges == [None, None]


async def test_a_server_that_breaks_every_time_is_given_up(origin: Origin, tmp_path: Path) -> None:
    origin.flaky = Flaky(body=BODY, sent=[1_000] * 99)
    with pytest.raises(UnreachableError, match="broke off"):
        await fetched(origin, "/flaky", tmp_path)
    assert len(origin.ranges) == 1 + RESUMES_MAX
    assert names_in(tmp_path) == []


async def test_connections_that_bring_nothing_are_made_ever_more_seldom(origin: Origin, tmp_path: Path) -> None:
    origin.flaky = Flaky(body=BODY, sent=[0] * 99)
    with pytest.raises(UnreachableError, match="longer than 1 s"):
        await fetched(origin, "/flaky", tmp_path, seconds_max=1)
    assert 2 <= len(origin.ranges) <= 3
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("status", "expected"), [(403, LinkExpiredError), (404, LinkExpiredError)])
async def test_a_link_that_ends_half_way_has_expired(
    origin: Origin, tmp_path: Path, status: int, expected: type[DownloadError]
) -> None:
    origin.flaky = Flaky(body=BODY, sent=[HALF], statuses=[status])
    with pytest.raises(expected):
        await fetched(origin, "/flaky", tmp_path)
    assert len(origin.ranges) == 2
    assert names_in(tmp_path) == []


async def test_a_file_that_grew_over_the_limit_is_refused(origin: Origin, tmp_path: Path) -> None:
    origin.flaky = Flaky(body=BODY, sent=[HALF], becomes=(bytes(3_000_000), {"ETag": '"two"'}))
    with pytest.raises(TooLargeError):
        await fetched(origin, "/flaky", tmp_path)
    assert names_in(tmp_path) == []


async def test_the_rest_is_looked_for_behind_the_link_itself(origin: Origin, tmp_path: Path) -> None:
    origin.flaky = Flaky(body=BODY, sent=[HALF])
    got = await fetched(origin, "/to?link=/flaky", tmp_path)
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert [request.path for request in origin.asked] == ["/to", "/flaky", "/to", "/flaky"]
    assert origin.ranges == [None, REST]


async def test_every_connection_has_its_address_checked(origin: Origin, tmp_path: Path) -> None:
    """A name may lead elsewhere a moment later."""
    origin.flaky = Flaky(body=BODY, sent=[HALF])
    names = Wandering(["127.0.0.1", "169.254.169.254"])
    guard = Guard(trusted=frozenset({"clips.example"}), resolve=names)
    async with httpx.AsyncClient(trust_env=False) as client:
        link = f"http://clips.example:{origin.host.partition(':')[2]}/flaky"
        with pytest.raises(ForbiddenAddressError):
            await download(client, link, tmp_path / "a", bytes_max=2_000_000, seconds_max=9, guard=guard)
    assert names.left == []
    assert names_in(tmp_path) == []


class Wandering:
    """A resolver whose name leads to the next address each time."""

    def __init__(self, addresses: list[str]) -> None:
        self.left = addresses

    async def __call__(self, _host: str, _port: int) -> list[str]:
        return [self.left.pop(0)]


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


def test_a_file_begun_anew_is_another_one_for_whoever_reads_the_first(tmp_path: Path) -> None:
    with Part(tmp_path / "clip", bytes_max=100) as part:
        part.take(b"first")
        path = tmp_path / f"clip{PART_SUFFIX}"
        with path.open("rb") as reader:
            part.begin_anew()
            part.take(b"other, and longer")
            part.keep()
            assert not os.path.samestat((tmp_path / "clip").stat(), os.fstat(reader.fileno()))
    assert ((tmp_path / "clip").read_bytes(), part.size_bytes) == (b"other, and longer", 17)
