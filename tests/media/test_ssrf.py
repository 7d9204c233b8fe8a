"""Links that a hostile provider may give, through the real download: who was connected to, as the sockets saw it."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from bot.media.download import (
    REDIRECTS_MAX,
    Download,
    DownloadError,
    TooLargeError,
    UnreachableError,
    download,
    read_small,
)
from bot.media.guard import ForbiddenAddressError, Guard, resolve_host
from tests.media.corpus import NAMES, PUBLIC, TRICKS, WITHOUT_ADDRESS, Names
from tests.media.spying import Town, town_of

OTHER = "151.101.1.69"
SIX = "2606:4700::1111"
CLIPS, OTHERS = (PUBLIC, 443), (OTHER, 443)
TABLE = {**NAMES, "clips.example": [PUBLIC], "other.example": [OTHER], "six.example": [SIX]}
BODY = bytes(range(256)) * 400

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    hosts = {
        "clips.example": [CLIPS, (PUBLIC, 8443)],
        "other.example": [OTHERS],
        "six.example": [(SIX, 443)],
        "api.internal": [("10.0.0.7", 443)],
    }
    async with town_of(tmp_path, hosts) as opened:
        opened.answers = {"/a.mp4": serves(BODY)}
        yield opened


def serves(body: bytes, **headers: str) -> Answer:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, headers=headers)

    return answer


def leads_to(link: str, *, status: int = 302, **headers: str) -> Answer:
    async def answer(_: web.BaseRequest) -> web.Response:
        # As it is, whatever it holds but the end of a line: the server's library sends no others.
        return web.Response(status=status, headers={"Location": link.replace("\r", "").replace("\n", ""), **headers})

    return answer


async def fetched(
    town: Town,
    link: str,
    folder: Path,
    *,
    guard: Guard | None = None,
    bytes_max: int = 1_000_000,
    seconds_max: float = 30,
    **options: object,
) -> Download:
    guard = guard or Guard(resolve=Names(TABLE))
    async with town.client(**options) as client:
        return await download(
            client, link, folder / "a", bytes_max=bytes_max, seconds_max=seconds_max, guard=guard, stall_seconds=5
        )


class Wandering:
    """A resolver that answers otherwise each time; the last answer stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_the_corpus_is_large_enough() -> None:
    assert len(set(TRICKS)) == len(TRICKS) >= 140


async def test_no_trick_connects_to_anything(town: Town, tmp_path: Path) -> None:
    names = Names(TABLE)
    guard = Guard(resolve=names)
    async with town.client() as client:
        for trick in TRICKS:
            link = trick.replace("{port}", "443")
            expected = DownloadError if link in WITHOUT_ADDRESS else ForbiddenAddressError
            with pytest.raises(expected):
                await download(client, link, tmp_path / "a", bytes_max=1_000, seconds_max=5, guard=guard)
    assert town.spy.connects == []
    assert set(names.asked) <= set(TABLE)  # a number in disguise is not even looked up
    assert not (tmp_path / "a").exists()


async def test_no_redirect_of_a_public_host_to_a_trick_is_followed(town: Town, tmp_path: Path) -> None:
    guard, begin = Guard(resolve=Names(TABLE)), "https://clips.example/to"
    async with town.client() as client:
        for trick in TRICKS:
            link = trick.replace("{port}", "443")
            if link.startswith(("https://", "http://", "ftp:", "file:")):
                town.answers["/to"] = leads_to(link)
                with pytest.raises((DownloadError, ForbiddenAddressError)):
                    await download(client, begin, tmp_path / "a", bytes_max=1_000, seconds_max=5, guard=guard)
    assert len(town.spy.connects) > 120
    assert set(town.spy.connects) == {CLIPS}


async def test_no_trick_is_read_as_a_small_document(town: Town) -> None:
    async with town.client() as client:
        for trick in TRICKS:
            with pytest.raises((DownloadError, ForbiddenAddressError)):
                await read_small(
                    client,
                    trick.replace("{port}", "443"),
                    bytes_max=1000,
                    seconds_max=5,
                    guard=Guard(resolve=Names(TABLE)),
                )
    assert town.spy.connects == []


async def test_a_public_host_is_connected_to_at_its_checked_address_by_its_own_name(town: Town, tmp_path: Path) -> None:
    names = Wandering([PUBLIC], ["127.0.0.1"])
    got = await fetched(town, "https://clips.example:8443/a.mp4?sig=1", tmp_path, guard=Guard(resolve=names))
    assert got.size_bytes == len(BODY)
    assert (names.asked, town.spy.connects) == (["clips.example"], [(PUBLIC, 8443)])
    assert (town.names, town.asked[0][0]) == (["clips.example"], "clips.example:8443")


async def test_a_longer_address_is_connected_to_as_well(town: Town, tmp_path: Path) -> None:
    await fetched(town, "https://six.example/a.mp4", tmp_path)
    assert town.spy.connects == [(SIX, 443)]
    assert (town.names, town.asked[0][0]) == (["six.example"], "six.example")


async def test_the_certificate_must_be_the_links_own(town: Town, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        await fetched(town, f"https://{PUBLIC}/a.mp4", tmp_path)
    assert (town.spy.connects, town.asked) == ([CLIPS], [])


REBOUND = ["127.0.0.1"], ["169.254.169.254"], ["10.0.0.7"], ["::1"], ["::ffff:7f00:1"], [PUBLIC, "10.0.0.7"]


@pytest.mark.parametrize("second", REBOUND, ids=str)
async def test_a_name_that_leads_elsewhere_at_a_redirect_is_not_followed(
    town: Town, tmp_path: Path, second: list[str]
) -> None:
    town.answers["/to"] = leads_to("/a.mp4")
    names = Wandering([PUBLIC], second)
    with pytest.raises(ForbiddenAddressError):
        await fetched(town, "https://clips.example/to", tmp_path, guard=Guard(resolve=names))
    assert (len(names.asked), town.spy.connects) == (2, [CLIPS])


@pytest.mark.parametrize("second", REBOUND, ids=str)
async def test_a_name_that_leads_elsewhere_after_a_break_is_not_followed(
    town: Town, tmp_path: Path, second: list[str]
) -> None:
    async def breaks_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"ETag": '"one"', "Content-Length": str(len(BODY))})
        await response.prepare(request)
        await response.write(BODY[:1000])
        assert request.transport is not None
        request.transport.abort()
        return response

    town.answers["/a.mp4"] = breaks_off
    names = Wandering([PUBLIC], second)
    with pytest.raises((ForbiddenAddressError, UnreachableError)):
        await fetched(town, "https://clips.example/a.mp4", tmp_path, guard=Guard(resolve=names))
    assert set(town.spy.connects) == {CLIPS}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("answer", REBOUND, ids=str)
async def test_one_private_address_among_a_names_spoils_it(town: Town, tmp_path: Path, answer: list[str]) -> None:
    with pytest.raises(ForbiddenAddressError):
        await fetched(town, "https://clips.example/a.mp4", tmp_path, guard=Guard(resolve=Wandering([*answer, PUBLIC])))
    assert town.spy.connects == []


async def test_redirects_between_public_hosts_are_checked_each(town: Town, tmp_path: Path) -> None:
    town.answers["/to"] = leads_to("https://other.example/a.mp4")
    assert (await fetched(town, "https://clips.example/to", tmp_path)).size_bytes == len(BODY)
    assert town.spy.connects == [CLIPS, OTHERS]
    assert [host for host, _, _ in town.asked] == ["clips.example", "other.example"]
    assert town.names == ["clips.example", "other.example"]


async def test_redirects_come_to_an_end(town: Town, tmp_path: Path) -> None:
    town.answers["/round"] = leads_to("https://clips.example/round")
    with pytest.raises(UnreachableError, match="redirected"):
        await fetched(town, "https://clips.example/round", tmp_path)
    assert len(town.spy.connects) == REDIRECTS_MAX + 1


async def test_neither_keys_nor_cookies_go_to_any_host(town: Town, tmp_path: Path) -> None:
    biscuit = {"Set-Cookie": "canary=biscuit; Domain=example; Path=/"}
    town.answers["/to"] = leads_to("https://other.example/on", status=307, **biscuit)
    town.answers["/on"] = leads_to("https://clips.example/a.mp4", status=301, **biscuit)
    await fetched(
        town,
        "https://clips.example/to",
        tmp_path,
        headers={"Authorization": "Bearer canary", "X-API-Key": "canary"},
        cookies={"canary": "crumb"},
        auth=("canary", "canary"),
    )
    assert len(town.asked) == 3
    assert "canary" not in str(town.asked).lower()
    assert not any(
        {"Cookie", "Authorization", "Referer", "Proxy-Authorization"} & set(said) for _, _, said in town.asked
    )


async def test_the_providers_own_host_may_be_private_and_nobody_may_lead_elsewhere_from_it(
    town: Town, tmp_path: Path
) -> None:
    table = {**TABLE, "api.internal": ["10.0.0.7"], "inner.example": ["10.0.0.7"]}

    def guard() -> Guard:
        return Guard(trusted=frozenset({"api.internal"}), resolve=Names(table))

    assert (await fetched(town, "https://api.internal/a.mp4", tmp_path, guard=guard())).size_bytes == len(BODY)
    assert town.spy.connects == [("10.0.0.7", 443)]
    for link in ("https://inner.example/a.mp4", "https://10.0.0.7/a.mp4", "https://api.internal.clips.example/"):
        with pytest.raises((ForbiddenAddressError, DownloadError)):
            await fetched(town, link, tmp_path, guard=guard())
        town.answers["/to"] = leads_to(link)
        with pytest.raises((ForbiddenAddressError, DownloadError)):
            await fetched(town, "https://api.internal/to", tmp_path, guard=guard())
    assert set(town.spy.connects) == {("10.0.0.7", 443)}


async def test_bytes_and_seconds_are_limited_for_both_ways_to_read(town: Town, tmp_path: Path) -> None:
    async def trickles(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    town.answers["/slow"] = trickles
    guard = Guard(resolve=Names(TABLE))
    with pytest.raises(TooLargeError):
        await fetched(town, "https://clips.example/a.mp4", tmp_path, bytes_max=len(BODY) - 1)
    with pytest.raises(UnreachableError, match="longer than"):
        await fetched(town, "https://clips.example/slow", tmp_path, seconds_max=0.3)
    async with town.client() as client:
        link = "https://clips.example/a.mp4"
        small = await read_small(client, link, bytes_max=len(BODY), seconds_max=9, guard=guard)
        with pytest.raises(TooLargeError):
            await read_small(client, link, bytes_max=len(BODY) - 1, seconds_max=9, guard=guard)
        with pytest.raises(UnreachableError):
            await read_small(client, "https://clips.example/slow", bytes_max=9, seconds_max=0.3, guard=guard)
    assert small == BODY


async def test_the_systems_resolver_would_fall_for_numbers_in_disguise() -> None:
    """That the corpus is no straw man: what it refuses unseen is an address to the system."""
    for disguise in ("0x7f.1", "2130706433", "0177.0.0.1", "127.1"):
        assert {ipaddress.ip_address(text) for text in await resolve_host(disguise, 443)} == {
            ipaddress.ip_address("127.0.0.1")
        }
