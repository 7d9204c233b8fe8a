"""Which links are followed, and where to."""

import ipaddress

import httpx
import pytest

from bot.media.guard import ForbiddenAddressError, Guard, HostUnknownError, is_public
from tests.media.corpus import PUBLIC, Names


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


SPECIAL = (
    # https://www.iana.org/assignments/iana-ipv4-special-registry, read 2026-11-29, what is not globally reachable
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32"),
)
SPECIAL_SIX = (
    # https://www.iana.org/assignments/iana-ipv6-special-registry, read 2026-11-29, and what is not given out at all
    *("::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "4000::/3", "6000::/3", "8000::/3", "a000::/3", "c000::/3"),
)


@pytest.mark.parametrize("network", [ipaddress.IPv4Network(text) for text in SPECIAL], ids=str)
def test_special_addresses_are_not_public_nor_when_a_longer_one_carries_them(network: ipaddress.IPv4Network) -> None:
    carriers = {0: 0, 0xFFFF << 32: 0, 0xFFFF << 48: 0, 0x64FF9B << 96: 0, 0x64FF9B0001 << 80: 0, 0x2002 << 112: 80}
    for address in (network[0], network[-1]):
        assert not is_public(address)
        for prefix, shift in carriers.items():
            assert not is_public(ipaddress.IPv6Address(prefix | int(address) << shift))


@pytest.mark.parametrize("network", [ipaddress.IPv6Network(text) for text in SPECIAL_SIX], ids=str)
def test_special_longer_addresses_are_not_public(network: ipaddress.IPv6Network) -> None:
    assert not any(is_public(address) for address in (network[0], network[network.num_addresses // 2], network[-1]))


@pytest.mark.parametrize("text", [PUBLIC, "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
