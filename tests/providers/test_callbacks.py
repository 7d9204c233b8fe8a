"""The stand-ins call back as the documents say, so that whoever listens can be tested against them."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.providers import test_apiframe, test_ark, test_fal, test_replicate, test_v3_async
from tests.providers.house import House, Subject, opened
from tests.standins.loopback import KEY, Fate


@dataclass(kw_only=True)
class Listener:
    """Whoever is called back: what it heard, header names in lower case."""

    address: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: int = 204

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.answers)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener, app = Listener(), web.Application()
    app.router.add_post("/hooks/some", listener.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        listener.address = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/some"
        yield listener
    finally:
        await runner.cleanup()


async def called(house: House, listener: Listener, fate: Fate) -> tuple[str, dict[str, str], bytes]:
    """The task's id, and the headers and body that tell of its end."""
    house.provider.fates.append(fate)
    task_id = await house.submit(callback=listener.address)
    assert await house.provider.call_back(task_id) == listener.answers
    return task_id, *listener.heard[-1]


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        (test_apiframe.SUBJECT, "jobId"),
        (test_ark.SUBJECT, "id"),
        (test_fal.SUBJECT, "request_id"),
        (test_replicate.SUBJECT, "id"),
    ],
    ids=lambda one: one.dialect.capabilities.provider if isinstance(one, Subject) else one,
)
async def test_end_is_told_to_the_address_of_the_submit(subject: Subject, named: str) -> None:
    async with opened(subject) as house, listening() as listener:
        done = house.provider.usual.statuses[-1]
        task_id, _, body = await called(house, listener, Fate(statuses=(done,)))
        assert json.loads(body)[named] == task_id
        assert house.provider.link_of(house.provider.tasks[task_id]).encode() in body
        failed = Fate(statuses=(house.provider.failed,), error="lost")
        _, _, body = await called(house, listener, failed)
        assert b"lost" in body
        listener.answers = 500
        assert await house.provider.call_back(task_id) == 500


async def test_v3_async_tells_what_a_read_shows() -> None:
    async with opened(test_v3_async.SUBJECT) as house, listening() as listener:
        task_id, _, body = await called(house, listener, Fate(statuses=("TASK_STATUS_SUCCEED",)))
        told = json.loads(body)
        assert (told["event_type"], told["payload"]["task"]["task_id"]) == ("ASYNC_TASK_RESULT", task_id)


async def test_apiframe_signs_with_the_hash_of_the_key() -> None:
    async with opened(test_apiframe.SUBJECT) as house, listening() as listener:
        _, headers, body = await called(house, listener, Fate(statuses=("COMPLETED",)))
        secret = hashlib.sha256(KEY.encode()).hexdigest().encode()
        assert headers["x-webhook-signature"] == hmac.new(secret, body, hashlib.sha256).hexdigest()
        assert headers["x-webhook-event"] == json.loads(body)["event"] == "completed"


async def test_replicate_signs_id_time_and_body_with_the_accounts_secret() -> None:
    async with opened(test_replicate.SUBJECT) as house, listening() as listener:
        _, headers, body = await called(house, listener, Fate(statuses=("succeeded",)))
        url = f"{house.provider.url}/v1/webhooks/default/secret"
        secret = (await house.clients.reads.get(url, headers={"Authorization": f"Bearer {KEY}"})).json()["key"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert (await house.clients.reads.get(url)).status_code == 401


async def test_fal_signs_request_user_time_and_the_hash_of_the_body() -> None:
    async with opened(test_fal.SUBJECT) as house, listening() as listener:
        _, headers, body = await called(house, listener, Fate(statuses=("COMPLETED",)))
        (key,) = (await house.clients.reads.get(f"{house.provider.url}/.well-known/jwks.json")).json()["keys"]
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{key['x']}="))
        named = [headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp")]
        signature = bytes.fromhex(headers["x-fal-webhook-signature"])
        public.verify(signature, "\n".join([*named, hashlib.sha256(body).hexdigest()]).encode())
        with pytest.raises(InvalidSignature):
            public.verify(signature, "\n".join([*named, hashlib.sha256(b"{}").hexdigest()]).encode())
