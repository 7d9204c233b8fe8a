"""Signatures of callbacks, made here by the providers' own descriptions, with their keys over real HTTP."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.providers.account import DOCUMENT_BYTES_MAX, PaidAccount
from bot.providers.apiframe import DIALECT as APIFRAME
from bot.providers.http import Clients, open_clients
from bot.providers.signatures import DRIFT_SECONDS_MAX, KEPT_SECONDS, RENEWED_SECONDS_MIN, FalSignature
from bot.providers.signatures import ReplicateSignature as Replicate
from bot.providers.unifically import DIALECT as UNIFICALLY

KEY = "afk_0123456789"
BODY = b'{"event": "completed",  "jobId":"a1b2c3d4"}'
START = 1_795_000_000


@dataclass(kw_only=True)
class Office:
    """Where a provider tells its keys; counts who asks, and with what."""

    url: str = ""
    now: float = START
    status: int = 200
    body: bytes = b""
    location: str = ""
    asked: list[Mapping[str, str]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append({"path": request.path, **request.headers})
        return web.Response(status=self.status, body=self.body, headers={"Location": self.location})


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    async with serving(office):
        yield office


@asynccontextmanager
async def serving(office: Office) -> AsyncIterator[None]:
    runner = web.ServerRunner(web.Server(office.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        office.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


def replicate(office: Office, clients: Clients) -> PaidAccount:
    dialect = replace(UNIFICALLY, signature=Replicate)
    return PaidAccount(
        dialect=dialect,
        clients=clients,
        base_urls=[office.url + "/v1"],
        api_key=KEY,
        account="replicate#1",
        now_seconds=lambda: office.now,
    )


def fal(office: Office, clients: Clients, *, keys_url: str | None = None) -> PaidAccount:
    signature = partial(FalSignature, keys_url=keys_url or f"{office.url}/.well-known/jwks.json")
    return PaidAccount(
        dialect=replace(UNIFICALLY, signature=signature),
        clients=clients,
        base_urls=[office.url],
        api_key=KEY,
        account="fal#1",
        now_seconds=lambda: office.now,
    )


def apiframe(clients: Clients) -> PaidAccount:
    return PaidAccount(
        dialect=APIFRAME, clients=clients, base_urls=["https://api.apiframe.ai"], api_key=KEY, account="apiframe#1"
    )


# -- none


async def test_where_nothing_is_signed_every_call_is_genuine(clients: Clients) -> None:
    account = PaidAccount(
        dialect=UNIFICALLY, clients=clients, base_urls=["https://api.unifically.com"], api_key=KEY, account="a#1"
    )
    assert await account.is_genuine(headers={}, body=BODY)


# -- apiframe: docs-v2.apiframe.ai/docs/webhooks


def apiframe_headers(*, key: str = KEY, body: bytes = BODY, as_text: bool = True) -> dict[str, str]:
    secret = hashlib.sha256(key.encode())
    mac_key = secret.hexdigest().encode() if as_text else secret.digest()
    return {"X-Webhook-Signature": hmac.new(mac_key, body, "sha256").hexdigest(), "X-Webhook-Event": "completed"}


@pytest.mark.parametrize("as_text", [True, False])
async def test_apiframe_signs_with_the_hash_of_our_key_as_text_or_bytes(clients: Clients, *, as_text: bool) -> None:
    headers = apiframe_headers(as_text=as_text)
    assert await apiframe(clients).is_genuine(headers=headers, body=BODY)
    lowered = {name.lower(): value for name, value in headers.items()}
    assert await apiframe(clients).is_genuine(headers=lowered, body=BODY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Webhook-Signature": ""},
        {"X-Webhook-Signature": "\udcff\udc80"},
        {"X-Webhook-Signature": hmac.new(KEY.encode(), BODY, "sha256").hexdigest()},
        {"X-Webhook-Signature": hashlib.sha256(BODY).hexdigest()},
        apiframe_headers(key="afk_other"),
        apiframe_headers(body=BODY + b" "),
    ],
    ids=["none", "empty", "no text", "the key itself", "no key", "another account", "another body"],
)
async def test_apiframe_any_other_signature_is_forged(clients: Clients, headers: dict[str, str]) -> None:
    assert not await apiframe(clients).is_genuine(headers=headers, body=BODY)


# -- replicate: https://replicate.com/docs/topics/webhooks/verify-webhook

SECRET = bytes(range(24))
TOLD = json.dumps({"key": "whsec_" + base64.b64encode(SECRET).decode()}).encode()


def replicate_headers(
    *, secret: bytes = SECRET, body: bytes = BODY, now: int = START, call_id: str = "msg_1", others: str = ""
) -> dict[str, str]:
    signed = hmac.new(secret, f"{call_id}.{now}.".encode() + body, "sha256").digest()
    return {
        "webhook-id": call_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"{others}v1,{base64.b64encode(signed).decode()}",
    }


async def test_replicate_secret_is_asked_for_with_our_key_once(office: Office, clients: Clients) -> None:
    office.body = TOLD
    account = replicate(office, clients)
    for call_id in ("msg_1", "msg_2"):
        assert await account.is_genuine(headers=replicate_headers(call_id=call_id), body=BODY)
    assert [one["path"] for one in office.asked] == ["/v1/webhooks/default/secret"]
    assert office.asked[0]["Authorization"] == f"Bearer {KEY}"


async def test_replicate_one_of_several_signatures_is_enough(office: Office, clients: Clients) -> None:
    office.body = TOLD
    headers = replicate_headers(others="v1,bm9wZQ== v2,xyz nonsense \udcff ")
    assert await replicate(office, clients).is_genuine(headers=headers, body=BODY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        replicate_headers(secret=bytes(24)),
        replicate_headers(body=BODY + b" "),
        replicate_headers() | {"webhook-id": "msg_2"},
        replicate_headers() | {"webhook-timestamp": str(START + 1)},
        replicate_headers(now=START - DRIFT_SECONDS_MAX - 1),
        replicate_headers(now=START + DRIFT_SECONDS_MAX + 1),
        replicate_headers() | {"webhook-timestamp": "9" * 5000},
        replicate_headers() | {"webhook-timestamp": "²"},
        replicate_headers() | {"webhook-timestamp": "-1"},
        replicate_headers() | {"webhook-signature": replicate_headers()["webhook-signature"].replace("v1", "v2")},
        replicate_headers() | {"webhook-signature": ""},
        {name: value for name, value in replicate_headers().items() if name != "webhook-timestamp"},
    ],
)
async def test_replicate_any_other_signature_is_forged(
    office: Office, clients: Clients, headers: dict[str, str]
) -> None:
    office.body = TOLD
    assert not await replicate(office, clients).is_genuine(headers=headers, body=BODY)


@pytest.mark.parametrize("drift", [-DRIFT_SECONDS_MAX, DRIFT_SECONDS_MAX])
async def test_replicate_clocks_may_differ_by_five_minutes(office: Office, clients: Clients, drift: int) -> None:
    office.body = TOLD
    assert await replicate(office, clients).is_genuine(headers=replicate_headers(now=START + drift), body=BODY)


async def test_replicate_a_changed_secret_is_noticed_and_forgers_cannot_have_it_fetched_at_will(
    office: Office, clients: Clients
) -> None:
    office.body = TOLD
    account = replicate(office, clients)
    assert await account.is_genuine(headers=replicate_headers(), body=BODY)
    changed = bytes(reversed(SECRET))
    office.body = json.dumps({"key": "whsec_" + base64.b64encode(changed).decode()}).encode()
    for _ in range(50):
        assert not await account.is_genuine(headers=replicate_headers(secret=changed), body=BODY)
    assert len(office.asked) == 1
    office.now += RENEWED_SECONDS_MIN
    assert await account.is_genuine(headers=replicate_headers(secret=changed), body=BODY)
    assert len(office.asked) == 2


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (401, b"{}"), (200, b""), (200, b'{"key": null}'), (200, b'{"key": "whsec_%"}')]
)
async def test_replicate_without_its_secret_nothing_is_genuine(
    office: Office, clients: Clients, status: int, body: bytes
) -> None:
    office.status, office.body = status, body
    nobodys = replicate_headers(secret=b"")
    assert not await replicate(office, clients).is_genuine(headers=replicate_headers(), body=BODY)
    assert not await replicate(office, clients).is_genuine(headers=nobodys, body=BODY)


# -- fal: fal.ai/docs/documentation/model-apis/inference/webhooks

SIGNS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNS_TOO = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def published(*keys: Ed25519PrivateKey) -> bytes:
    raw = [base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=") for key in keys]
    told: list[object] = [{"kty": "OKP", "crv": "Ed25519", "x": text} for text in raw]
    return json.dumps({"keys": [{"kty": "RSA", "n": "x"}, {"crv": "Ed25519", "x": "AAAA"}, None, *told]}).encode()


def fal_headers(*, key: Ed25519PrivateKey = SIGNS, body: bytes = BODY, now: int = START) -> dict[str, str]:
    message = f"764c\nuser_1\n{now}\n{hashlib.sha256(body).hexdigest()}"
    return {
        "X-Fal-Webhook-Request-Id": "764c",
        "X-Fal-Webhook-User-Id": "user_1",
        "X-Fal-Webhook-Timestamp": str(now),
        "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
    }


async def test_fal_any_published_key_signs_and_they_are_fetched_once_without_ours(
    office: Office, clients: Clients
) -> None:
    office.body = published(SIGNS, SIGNS_TOO)
    account = fal(office, clients)
    for key in (SIGNS, SIGNS_TOO, SIGNS):
        assert await account.is_genuine(headers=fal_headers(key=key), body=BODY)
    assert [one["path"] for one in office.asked] == ["/.well-known/jwks.json"]
    assert KEY not in str(office.asked)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        fal_headers(key=SIGNS_TOO),
        fal_headers(body=BODY + b" "),
        fal_headers() | {"X-Fal-Webhook-Request-Id": "764d"},
        fal_headers() | {"X-Fal-Webhook-User-Id": "user_2"},
        fal_headers() | {"X-Fal-Webhook-User-Id": ""},
        fal_headers() | {"X-Fal-Webhook-User-Id": "\udcff"},
        fal_headers() | {"X-Fal-Webhook-Timestamp": str(START + 1)},
        fal_headers(now=START - DRIFT_SECONDS_MAX - 1),
        fal_headers(now=START + DRIFT_SECONDS_MAX + 1),
        fal_headers() | {"X-Fal-Webhook-Signature": ""},
        fal_headers() | {"X-Fal-Webhook-Signature": "zz"},
        fal_headers() | {"X-Fal-Webhook-Signature": "00" * 64},
    ],
)
async def test_fal_any_other_signature_is_forged(office: Office, clients: Clients, headers: dict[str, str]) -> None:
    office.body = published(SIGNS)
    assert not await fal(office, clients).is_genuine(headers=headers, body=BODY)


async def test_fal_keys_are_kept_for_a_day(office: Office, clients: Clients) -> None:
    office.body = published(SIGNS)
    account = fal(office, clients)
    assert await account.is_genuine(headers=fal_headers(), body=BODY)
    office.body = published(SIGNS_TOO)
    office.now += KEPT_SECONDS
    assert await account.is_genuine(headers=fal_headers(now=int(office.now)), body=BODY)
    office.now += 1
    assert not await account.is_genuine(headers=fal_headers(now=int(office.now)), body=BODY)
    assert len(office.asked) == 2


async def test_fal_keys_that_cannot_be_fetched_anew_stay(office: Office, clients: Clients) -> None:
    office.body = published(SIGNS)
    account = fal(office, clients)
    assert await account.is_genuine(headers=fal_headers(), body=BODY)
    office.status = 503
    office.now += KEPT_SECONDS + 1
    assert await account.is_genuine(headers=fal_headers(now=int(office.now)), body=BODY)
    assert len(office.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "location"),
    [
        (404, b"", ""),
        (200, b"<html>", ""),
        (200, b'{"keys": 1}', ""),
        (200, published(SIGNS) + b" " * DOCUMENT_BYTES_MAX, ""),
        (302, b"", "http://169.254.169.254/keys"),
        (302, b"", "https://10.0.0.1/keys"),
    ],
)
async def test_fal_without_its_keys_nothing_is_genuine(
    office: Office, clients: Clients, status: int, body: bytes, location: str
) -> None:
    office.status, office.body, office.location = status, body, location
    assert not await fal(office, clients).is_genuine(headers=fal_headers(), body=BODY)
    assert len(office.asked) == 1


async def test_fal_keys_on_a_private_host_that_is_not_the_configured_base_are_not_fetched(
    office: Office, clients: Clients
) -> None:
    other = Office(body=published(SIGNS))
    async with serving(other):
        account = fal(office, clients, keys_url=f"{other.url}/.well-known/jwks.json")
        assert not await account.is_genuine(headers=fal_headers(), body=BODY)
    assert other.asked == []
