"""What proves that a callback comes from the provider: each check is made once for an account and asked often.

Its word is not believed all the same: a genuine call rings, and the truth is read from the provider with our key.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.ports.outside import ProviderBusyError, TaskGoneError
from bot.providers.reading import object_in, parse_object

DRIFT_SECONDS_MAX = 300
KEPT_SECONDS = 24 * 3600
"""fal asks that its keys be kept no longer than a day."""
RENEWED_SECONDS_MIN = 60
"""Keys may change before their time: what fits none is worth a fresh look, but not each time."""
FAL_KEYS_URL = "https://rest.fal.ai/.well-known/jwks.json"
REPLICATE_SECRET_PATH = "/webhooks/default/secret"  # noqa: S105 (an address, no secret)

Key = TypeVar("Key")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The account that a signature belongs to.

    `read` asks its API with our key, by path; `fetch` gets a public document without it. Both raise ProviderBusyError.
    """

    api_key: str = field(repr=False)
    read: Callable[[str], Awaitable[bytes]]
    fetch: Callable[[str], Awaitable[bytes]]
    now_seconds: Callable[[], float]


class Signature(Protocol):
    """One provider's way to sign."""

    async def fits(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        """`headers` by their names in small letters, `body` as it came."""
        ...


class ApiframeSignature:
    """HMAC-SHA256 of the body in hexadecimal; the key is the SHA-256 of the API key.

    docs-v2.apiframe.ai/docs/webhooks, read 2026-11-29. It does not show whether the key is that hash's text or its
    bytes, so both are taken.
    """

    def __init__(self, signer: Signer) -> None:
        digest = hashlib.sha256(signer.api_key.encode())
        self._keys = (digest.hexdigest().encode(), digest.digest())

    async def fits(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        given = _raw(headers.get("x-webhook-signature", ""))
        return any(hmac.compare_digest(_hmac(key, body).hex().encode(), given) for key in self._keys)


class ReplicateSignature:
    """HMAC-SHA256 over `id.timestamp.body`, with a secret that the API tells: one of the signatures listed must fit.

    https://replicate.com/docs/topics/webhooks/verify-webhook, read 2026-11-29.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._secret = _Kept(self._fetched, now_seconds=signer.now_seconds)

    async def fits(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        call_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (call_id and _is_fresh(timestamp, self._signer.now_seconds())):
            return False
        listed = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
        given = [_raw(signature) for version, _, signature in listed if version == "v1"]
        message = _raw(f"{call_id}.{timestamp}.") + body

        def is_signed(secret: bytes) -> bool:
            expected = base64.b64encode(_hmac(secret, message))
            return any(hmac.compare_digest(expected, one) for one in given)

        return await self._secret.has(is_signed)

    async def _fetched(self) -> Sequence[bytes]:
        told = parse_object(await self._signer.read(REPLICATE_SECRET_PATH)) or {}
        secret = _decoded(str(told.get("key", "")).removeprefix("whsec_"))
        return [secret] if secret else []


class FalSignature:
    """Ed25519 over request id, user id, timestamp and the body's SHA-256, a line each; by any of the published keys.

    fal.ai/docs/documentation/model-apis/inference/webhooks, read 2026-11-29.
    """

    def __init__(self, signer: Signer, *, keys_url: str = FAL_KEYS_URL) -> None:
        self._signer = signer
        self._keys_url = keys_url
        self._keys = _Kept(self._fetched, now_seconds=signer.now_seconds)

    async def fits(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        parts = [headers.get(f"x-fal-webhook-{name}", "") for name in ("request-id", "user-id", "timestamp")]
        if not (all(parts) and _is_fresh(parts[-1], self._signer.now_seconds())):
            return False
        try:
            signature = bytes.fromhex(headers.get("x-fal-webhook-signature", ""))
        except ValueError:
            return False
        message = _raw("\n".join([*parts, hashlib.sha256(body).hexdigest()]))
        return await self._keys.has(lambda key: _verifies(key, signature, message))

    async def _fetched(self) -> Sequence[Ed25519PublicKey]:
        listed = (parse_object(await self._signer.fetch(self._keys_url)) or {}).get("keys")
        keys = [object_in(one) for one in listed] if isinstance(listed, list) else []
        raw = [_decoded(str(key.get("x", "")), b"-_") for key in keys if key.get("crv") == "Ed25519"]
        return [Ed25519PublicKey.from_public_bytes(one) for one in raw if len(one) == _ED25519_BYTES]


_ED25519_BYTES = 32


class _Kept(Generic[Key]):
    """Keys fetched when first needed and kept; fetched anew when they are old, or when none of them fits."""

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[Key]]], *, now_seconds: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now_seconds = now_seconds
        self._keys: Sequence[Key] = ()
        self._fetched_seconds = self._tried_seconds = -math.inf
        self._turn = asyncio.Lock()

    async def has(self, fits: Callable[[Key], bool]) -> bool:
        """Whether one of the keys fits. One caller fetches; the others wait for it."""
        async with self._turn:
            if self._now_seconds() - self._fetched_seconds > KEPT_SECONDS:
                await self._renew()
            if any(fits(key) for key in self._keys):
                return True
            await self._renew()
            return any(fits(key) for key in self._keys)

    async def _renew(self) -> None:
        now_seconds = self._now_seconds()
        if now_seconds - self._tried_seconds < RENEWED_SECONDS_MIN:
            return
        self._tried_seconds = now_seconds
        try:
            self._keys = await self._fetch()
        except (ProviderBusyError, TaskGoneError) as fault:
            log.warning("the keys of callbacks could not be fetched", reason=str(fault))
        else:
            self._fetched_seconds = now_seconds


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_fresh(timestamp: str, now_seconds: float) -> bool:
    is_number = re.fullmatch(r"[0-9]{1,12}", timestamp) is not None
    return is_number and abs(now_seconds - int(timestamp)) <= DRIFT_SECONDS_MAX


def _raw(header: str) -> bytes:
    """The bytes that came: what is no UTF-8 in a header was decoded so that it comes back."""
    return header.encode(errors="surrogateescape")


def _decoded(text: str, altchars: bytes | None = None) -> bytes:
    """Base64, padded or not; empty where it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars, validate=True)
    except (binascii.Error, ValueError):
        return b""
