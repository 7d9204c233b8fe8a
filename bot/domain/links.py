"""Signed links to kept files, references and clips: they end by themselves and open one file only."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

SECRET_BYTES_MIN = 16
LIFETIME_MS = 6 * 60 * 60 * 1000
"""A provider may fetch at any time while a task waits in its queue."""

_KIND = "file link"
_NAME = re.compile(r"([0-9a-f]{64}|[0-9]{15,20})\.[a-z0-9]{1,8}")
_TOKEN = re.compile(rf"(?P<signed>[0-9]{{1,15}}\.(?P<name>{_NAME.pattern}))\.(?P<mac>[0-9a-f]{{64}})")


def discord_link_ends_ms(link: str) -> int | None:
    """When a link of Discord's storage ends: `ex` holds it as hexadecimal seconds.

    https://docs.discord.com/developers/reference#signed-attachment-cdn-urls
    """
    try:
        return int(parse_qs(urlsplit(link).query)["ex"][0], 16) * 1000
    except (KeyError, ValueError):
        return None


class LinkError(Exception):
    """A token that opens nothing."""


class LinkForgedError(LinkError):
    """Not signed by us, or changed since."""


class LinkExpiredError(LinkError):
    """Signed by us, and past its time."""


def sign(secret: bytes, name: str, expires_ms: int) -> str:
    """A token of URL-safe characters for the file `<sha256 or job id>.<extension>`."""
    if not _NAME.fullmatch(name):
        raise ValueError("a link's name is <sha256>.<extension> or <job id>.<extension>")
    signed = f"{expires_ms}.{name}"
    return f"{signed}.{mac(secret, _KIND, signed)}"


def verify(secret: bytes, token: str, now_ms: int) -> str:
    """The name that the token opens. Raises LinkForgedError, LinkExpiredError."""
    match = _TOKEN.fullmatch(token)
    if match is None or not hmac.compare_digest(mac(secret, _KIND, match["signed"]), match["mac"]):
        raise LinkForgedError
    if now_ms >= int(match["signed"].partition(".")[0]):
        raise LinkExpiredError
    return match["name"]


def mac(secret: bytes, kind: str, signed: str) -> str:
    """`kind` keeps the signatures of one purpose from opening anything of another."""
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"the links' secret must have at least {SECRET_BYTES_MIN} bytes")
    return hmac.new(secret, f"dailies {kind} 1\n{signed}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLinks:
    """Makes links under the public address; each is good for `lifetime_ms` from the moment it is made."""

    public_url: str
    secret: bytes = field(repr=False)
    now_ms: Callable[[], int]
    lifetime_ms: int = LIFETIME_MS

    def link_for(self, *, sha256: str, extension: str) -> str:
        return self._link(f"{sha256}.{extension}")

    def link_to_clip(self, *, job_id: int) -> str:
        return self._link(f"{job_id}.mp4")

    def _link(self, name: str) -> str:
        token = sign(self.secret, name, self.now_ms() + self.lifetime_ms)
        return f"{self.public_url.rstrip('/')}/files/{token}/{name}"
