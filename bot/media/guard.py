"""Which addresses may be fetched, and how to connect to exactly the address that was checked."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ADDRESSES_MAX = 3
_HTTPS_PORT, _HTTP_PORT = 443, 80
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""https://www.rfc-editor.org/rfc/rfc6052: the last four bytes are an IPv4 address."""
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
"""Special by https://www.iana.org/assignments/iana-ipv6-special-registry; older Pythons call some of them global.

168.63.129.16 is Azure's, and inside Azure hands out a machine's keys:
https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
"""
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""Names that a system resolver reads as an address, `0x7f.1` or `2130706433`: https://url.spec.whatwg.org/#ends-in-a-number-checker"""


class ForbiddenAddressError(Exception):
    """A link that must not be followed; `host` for a message, never the whole link."""

    def __init__(self, reason: str, *, host: str = "") -> None:
        super().__init__(reason)
        self.host = host


class HostUnknownError(Exception):
    """No address is known for the host, at least now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A link with the addresses that were checked for it."""

    url: httpx.URL
    addresses: tuple[Address, ...]

    def request(self, address: Address, *, headers: dict[str, str], timeout: httpx.Timeout) -> httpx.Request:
        """Connects to the address; Host and certificate stay those of the link's own host."""
        return httpx.Request(
            "GET",
            self.url.copy_with(host=str(address)),
            headers={**headers, "Host": self.url.netloc.decode("ascii")},
            extensions={"sni_hostname": self.url.raw_host.decode("ascii"), "timeout": timeout.as_dict()},
        )


async def resolve_host(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]


class Guard:
    """https to public addresses; `trusted` hosts (`host` or `host:port`) may be private, and plain http on loopback.

    With `only`, no other hosts at all.
    """

    def __init__(
        self,
        *,
        trusted: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._trusted = trusted
        self._only = only
        self._resolve = resolve

    def admit(self, link: str) -> httpx.URL:
        """What can be said before the host is looked up. Raises ForbiddenAddressError."""
        url = _parsed(link)
        host, port = _host_and_port(url)
        if self._only is not None and not _named(host, port, self._only):
            raise ForbiddenAddressError("it does not lie on an allowed host", host=host)
        if url.scheme != "https" and not _named(host, port, self._trusted):
            raise ForbiddenAddressError("only https is fetched", host=host)
        return url

    async def check(self, link: str) -> Route:
        """Raises ForbiddenAddressError, HostUnknownError."""
        url = self.admit(link)
        host, port = _host_and_port(url)
        trusted = _named(host, port, self._trusted)
        addresses = await self._addresses(host, port)
        for address in addresses:
            if not (is_public(address) or (trusted and _is_private(address))):
                raise ForbiddenAddressError("its host is not on a public address", host=host)
            if url.scheme != "https" and not address.is_loopback:
                raise ForbiddenAddressError("only https is fetched", host=host)
        return Route(url=url, addresses=addresses[:ADDRESSES_MAX])

    async def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        literal = _literal(host)
        if literal is not None:
            return (literal,)
        if _ENDS_IN_NUMBER.search(host):
            raise ForbiddenAddressError("its host is a number, not a name", host=host)
        if not _NAME.fullmatch(host):
            raise ForbiddenAddressError("its host is not a name", host=host)
        try:
            found = [ipaddress.ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise HostUnknownError("has no address now") from error
        except ValueError as error:  # a scoped address, fe80::1%eth0
            raise ForbiddenAddressError("its host is not on a public address", host=host) from error
        if not found:
            raise HostUnknownError("has no address now")
        return tuple(dict.fromkeys(found))


def _parsed(link: str) -> httpx.URL:
    try:
        url = httpx.URL(link)
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenAddressError("it is not a link") from error
    if url.scheme not in {"https", "http"} or not url.raw_host:
        raise ForbiddenAddressError("only https is fetched", host=url.host)
    if url.userinfo or "\\" in link:
        raise ForbiddenAddressError("it carries a name before its host", host=url.host)
    return url


def _host_and_port(url: httpx.URL) -> tuple[str, int]:
    return url.raw_host.decode("ascii"), url.port or (_HTTPS_PORT if url.scheme == "https" else _HTTP_PORT)


def _named(host: str, port: int, names: frozenset[str]) -> bool:
    return host in names or f"{host}:{port}" in names


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Global by the registries, and so is every IPv4 address that it carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or address in _IPV4_COMPATIBLE:
            return False
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def _is_private(address: Address) -> bool:
    """Where a trusted service may live: not the link's own range, from which clouds hand out their keys."""
    if isinstance(address, ipaddress.IPv6Address) and _carried(address) is not None:
        return False
    usable = address.is_private or address.is_loopback
    return usable and not (address.is_link_local or address.is_multicast or address.is_unspecified)
