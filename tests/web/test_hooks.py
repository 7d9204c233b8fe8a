"""Where providers call, over real sockets: only the right address is heard, and never for long."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot.domain.hooks import HookLinks
from bot.services.doorbell import Hearing
from bot.web.app import make_app, serving
from bot.web.hooks import HOOK_BYTES_MAX, HookDoor
from tests.services.stage import JOB
from tests.services.test_doorbell import ATTEMPT, running

SECRET = bytes(range(32))


@dataclass(kw_only=True)
class Room:
    """The running app; what was heard in it, and what is answered."""

    hearing: Hearing = Hearing.GENUINE
    calls: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    links: HookLinks = field(init=False)

    async def hear(self, attempt_id: str, *, headers: Mapping[str, str], body: bytes) -> Hearing:
        self.calls.append((attempt_id, headers, body))
        return self.hearing

    def linked_path(self, *, name: str) -> Path | None:
        assert name
        return None

    def address(self, *, provider: str = "ark", attempt_id: str = ATTEMPT) -> str:
        return self.links.address(provider=provider, attempt_id=attempt_id)


@asynccontextmanager
async def open_room(*, with_hooks: bool = True) -> AsyncIterator[Room]:
    room = Room()
    links = HookLinks(public_url="", secret=SECRET)
    hooks = HookDoor(links=links, hear=room.hear) if with_hooks else None
    app = make_app(files=room, secret=SECRET, now_ms=lambda: 0, healthy=lambda: True, hooks=hooks)
    async with serving(app, host="127.0.0.1", port=0) as port:
        room.links = HookLinks(public_url=f"http://127.0.0.1:{port}", secret=SECRET)
        yield room


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with open_room() as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


def said(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content


async def test_a_call_is_heard_with_its_attempt_its_headers_and_its_very_bytes(
    room: Room, http: httpx.AsyncClient
) -> None:
    body = b'{"id":  "t1"}\n'
    answer = await http.post(room.address(), content=body, headers={"X-Webhook-Signature": "abc"})
    assert said(answer) == (204, b"")
    [(attempt_id, headers, heard)] = room.calls
    assert (attempt_id, headers["x-webhook-signature"], heard) == (ATTEMPT, "abc", body)


async def test_a_packed_body_stays_packed(room: Room, http: httpx.AsyncClient) -> None:
    """Its bytes are what is signed, and nothing here is unpacked for a stranger."""
    bomb = gzip.compress(bytes(10_000_000))
    answer = await http.post(room.address(), content=bomb, headers={"Content-Encoding": "gzip"})
    assert said(answer) == (204, b"")
    assert room.calls[0][2] == bomb


@pytest.mark.parametrize(
    ("hearing", "status"), [(Hearing.GENUINE, 204), (Hearing.UNSIGNED, 401), (Hearing.UNKNOWN, 404)]
)
async def test_what_is_answered_is_a_status_without_a_body(
    room: Room, http: httpx.AsyncClient, hearing: Hearing, status: int
) -> None:
    room.hearing = hearing
    assert said(await http.post(room.address(), content=b"{}")) == (status, b"")


async def test_64_kib_are_heard_and_a_byte_more_is_not(room: Room, http: httpx.AsyncClient) -> None:
    assert said(await http.post(room.address(), content=bytes(HOOK_BYTES_MAX))) == (204, b"")
    assert said(await http.post(room.address(), content=bytes(HOOK_BYTES_MAX + 1))) == (413, b"")
    assert len(room.calls) == 1


async def test_an_endless_body_is_cut_off_whatever_it_says_of_its_length(room: Room) -> None:
    address = urlsplit(room.address())
    reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    writer.write(f"POST {address.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    writer.write(chunk * 8)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=5)
    writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert room.calls == []


async def test_forged_and_misplaced_calls_look_like_any_other_nothing(room: Room, http: httpx.AsyncClient) -> None:
    address = room.address()
    other = HookLinks(public_url=address.partition("/hooks/")[0], secret=bytes(32))
    answers = [
        await http.post(other.address(provider="ark", attempt_id=ATTEMPT)),
        await http.post(address.replace("/ark/", "/fal/")),
        await http.post(address.replace(f"{JOB}-1", f"{JOB}-2")),
        await http.post(address[:-1]),
        await http.post(address + "/"),
        await http.post("%00.".join(address.rsplit(".", 1))),
        await http.post(other.address(provider="ark", attempt_id=ATTEMPT), content=bytes(HOOK_BYTES_MAX * 4)),
        await http.get(address),
        await http.put(address),
        await http.post(address.partition("/hooks/")[0] + "/hooks/ark/"),
        await http.post(address.partition("/hooks/")[0] + "/nowhere"),
    ]
    assert [said(answer) for answer in answers] == [(404, b"")] * len(answers)
    assert room.calls == []


async def test_without_hooks_nobody_can_call(http: httpx.AsyncClient) -> None:
    async with open_room(with_hooks=False) as room:
        assert said(await http.post(room.address(), content=b"{}")) == (404, b"")
        assert said(await http.post(room.address(), content=bytes(HOOK_BYTES_MAX + 1))) == (404, b"")
        assert room.calls == []


async def test_no_address_of_an_attempt_reaches_the_log(
    room: Room, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    address = room.address()
    token = address.rpartition("/")[2]
    with caplog.at_level(logging.DEBUG, logger="aiohttp"), caplog.at_level(logging.DEBUG, logger="asyncio"):
        await http.post(address, content=b"{}")
        await http.post(address + "x", content=b"{}")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert not any(token in line for line in ours)


CALLS, CALLERS = 10_000, 20


async def test_ten_thousand_forged_calls_change_nothing_and_bring_one_poll(tmp_path: Path) -> None:
    """Nine of ten have a wrong address; of the right ones half lack the signature, and half are one call replayed."""
    async with running(tmp_path) as (stage, provider, doorbell):
        before, called_ms = await stage.job(), stage.clock.now_ms()
        links = HookLinks(public_url="", secret=SECRET)
        app = make_app(
            files=Room(),
            secret=SECRET,
            now_ms=stage.clock.now_ms,
            healthy=lambda: True,
            hooks=HookDoor(links=links, hear=doorbell.hear),
        )
        async with serving(app, host="127.0.0.1", port=0) as port, asyncio.TaskGroup() as group:
            callers = [group.create_task(call_often(port, links, CALLS // CALLERS)) for _ in range(CALLERS)]
        statuses = [status for caller in callers for status in caller.result()]
        assert {status: statuses.count(status) for status in set(statuses)} == {404: 9_000, 401: 500, 204: 500}
        assert await stage.job() == before
        assert stage.bell.heard().job_ids == {JOB}
        assert (provider.polls, stage.clock.now_ms()) == ([], called_ms)


async def call_often(port: int, links: HookLinks, times: int) -> list[int]:
    """The calls of one kept connection, each after the answer to the one before."""
    right = links.address(provider="unifically", attempt_id=ATTEMPT)
    wrong = HookLinks(public_url="", secret=bytes(32)).address(provider="unifically", attempt_id=ATTEMPT)
    statuses = list[int]()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(times):
        path = wrong if number % 10 else right
        signature = "forged" if number % 20 else "right"
        body = '{"task_id": "task-9", "status": "completed", "data": {"video_url": "https://10.0.0.1/a.mp4"}}'
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nsignature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(answer.split()[1]))
        assert answer.lower().count(b"content-length: 0") == (statuses[-1] != 204)
    writer.close()
    await writer.wait_closed()
    return statuses
