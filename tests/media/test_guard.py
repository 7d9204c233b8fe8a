"""Which links are followed: the corpus of tricks makes no connection at all."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from bot.media.download import DownloadError, download
from bot.media.guard import ForbiddenAddressError, Guard, HostUnknownError, is_public, resolve_host

PUBLIC = "93.184.215.14"


class Names:
    """A resolver from a table; anything else goes to the system's, as in real life."""

    def __init__(self, table: dict[str, list[str]] | None = None) -> None:
        self._table = table or {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._table[host] if host in self._table else await resolve_host(host, port)


NAMES = {
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "rebound.example": ["127.0.0.1"],
    "half.example": [PUBLIC, "10.0.0.7"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.7"],
    "scoped.example": ["fe80::1%eth0"],
    "none.example": [],
    "a" * 300: [],
}
WITHOUT_ADDRESS = {"https://none.example/", "https://" + "a" * 300 + "/"}
TRICKS = [
    "https://127.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://127.000.000.001:{port}/",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/",
    "https://127。0。0。1:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://[::]:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2001:0:7f00:1::80ff:fffe]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[fc00::1]:{port}/",
    "https://[ff02::1]:{port}/",
    "https://[fec0::1]:{port}/",
    "https://10.0.0.1:{port}/",
    "https://172.16.0.1:{port}/",
    "https://192.168.1.1:{port}/",
    "https://100.64.0.1:{port}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.0.0.192:{port}/",
    "https://192.0.2.1:{port}/",
    "https://198.18.0.1:{port}/",
    "https://224.0.0.1:{port}/",
    "https://240.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "http://127.0.0.1:{port}/",
    "http://93.184.215.14:{port}/",
    "https://user@127.0.0.1:{port}/",
    "https://93.184.215.14@127.0.0.1:{port}/",
    "https://93.184.215.14:443@127.0.0.1:{port}/",
    "https://user:word@93.184.215.14:{port}/",
    "https://93.184.215.14\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@93.184.215.14/",
    "https://127.0.0.1#@93.184.215.14:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "data:video/mp4;base64,AAAA",
    "",
    " https://127.0.0.1:{port}/",
    "https://",
    "https://[::1",
    "https://127.0.0.1:99999/",
    "https://a\nb/",
    "https://" + "a" * 300 + "/",
    "https://rebound.example:{port}/",
    "https://half.example:{port}/",
    "https://metadata.example/",
    "https://mapped.example:{port}/",
    "https://scoped.example:{port}/",
    "https://none.example/",
]


class Listener:
    """Counts who connects."""

    def __init__(self) -> None:
        self.connections = 0

    async def __call__(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture
async def listening() -> AsyncIterator[tuple[Listener, int]]:
    listener = Listener()
    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    async with server:
        yield listener, server.sockets[0].getsockname()[1]


async def test_no_trick_connects(listening: tuple[Listener, int], tmp_path: Path) -> None:
    listener, port = listening
    names = Names(NAMES)
    guard = Guard(resolve=names)
    async with httpx.AsyncClient(trust_env=False) as client:
        for trick in TRICKS:
            link = trick.replace("{port}", str(port))
            expected = DownloadError if link in WITHOUT_ADDRESS else ForbiddenAddressError
            with pytest.raises(expected):
                await download(client, link, tmp_path / "a", bytes_max=1_000, seconds_max=5, guard=guard)
    assert set(names.asked) <= set(NAMES)  # a number in disguise is not even looked up
    assert len(TRICKS) >= 60
    assert listener.connections == 0


async def test_the_listener_would_have_noticed(listening: tuple[Listener, int], tmp_path: Path) -> None:
    listener, port = listening
    guard = Guard(trusted=frozenset({f"127.0.0.1:{port}"}))
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(DownloadError):
            await download(
                client, f"https://127.0.0.1:{port}/", tmp_path / "a", bytes_max=9, seconds_max=5, guard=guard
            )
    assert listener.connections == 1


async def test_a_public_host_is_routed_to_its_checked_address() -> None:
    names = Names({"clips.example": [PUBLIC, "2606:4700::1111"]})
    route = await Guard(resolve=names).check("https://clips.example:8443/a.mp4?sig=1")
    request = route.request(route.addresses[0], headers={"Accept": "*/*"}, timeout=httpx.Timeout(5))
    assert str(request.url) == f"https://{PUBLIC}:8443/a.mp4?sig=1"
    assert request.headers["Host"] == "clips.example:8443"
    assert request.extensions["sni_hostname"] == "clips.example"
    assert names.asked == ["clips.example"]
    second = route.request(route.addresses[1], headers={}, timeout=httpx.Timeout(5))
    assert str(second.url) == "https://[2606:4700::1111]:8443/a.mp4?sig=1"


async def test_a_trusted_host_may_be_private_over_https() -> None:
    guard = Guard(trusted=frozenset({"api.internal"}), resolve=Names({"api.internal": ["10.0.0.7"]}))
    assert (await guard.check("https://api.internal/a")).addresses == (ipaddress.ip_address("10.0.0.7"),)


async def test_a_trusted_host_may_not_be_where_clouds_keep_their_keys() -> None:
    guard = Guard(trusted=frozenset({"api.internal"}), resolve=Names({"api.internal": ["169.254.169.254"]}))
    with pytest.raises(ForbiddenAddressError):
        await guard.check("https://api.internal/a")


async def test_plain_http_is_for_loopback_only() -> None:
    trusted = frozenset({"api.internal", "127.0.0.1:8080"})
    guard = Guard(trusted=trusted, resolve=Names({"api.internal": ["10.0.0.7"]}))
    assert (await guard.check("http://127.0.0.1:8080/a")).url.port == 8080
    for link in ("http://api.internal/a", "http://127.0.0.1:8081/a"):
        with pytest.raises(ForbiddenAddressError, match="only https"):
            await guard.check(link)


async def test_a_list_of_hosts_leaves_out_all_others() -> None:
    names = Names()
    guard = Guard(only=frozenset({"cdn.example"}), resolve=names)
    with pytest.raises(ForbiddenAddressError) as caught:
        await guard.check("https://cdn.example.evil.example/a")
    assert caught.value.host == "cdn.example.evil.example"
    assert names.asked == []


async def test_an_unknown_host_may_be_known_later() -> None:
    with pytest.raises(HostUnknownError):
        await Guard(resolve=Names({"gone.example": []})).check("https://gone.example/")


@pytest.mark.parametrize("text", [PUBLIC, "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
