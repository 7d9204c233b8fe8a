"""The transport against real sockets that answer, lie, stall and break off."""

import asyncio
import gzip
import json
import logging
import socket
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.domain.errors import ModerationError, ProviderAuthError, ProviderError, ProviderRefusedError
from bot.ports.outside import NotSentError, ProviderBusyError, TaskGoneError, UnknownOutcomeError
from bot.providers.http import (
    BODY_BYTES_MAX,
    LOGGED_CHARS_MAX,
    Carrier,
    Clients,
    make_client,
    open_clients,
    retry_after_seconds,
)
from bot.providers.reading import Refusal, Trouble, parse_object
from bot.providers.scrubbing import REASON_CHARS_MAX, scrub

KEY = 'sk-Canary/7+x=%"q&end'
PROMPT = "A lighthouse in the storm, seen by @Image1"
SPELLINGS = (KEY, quote(KEY, safe=""), quote(KEY, safe="").lower(), quote_plus(KEY), json.dumps(KEY)[1:-1], escape(KEY))
ECHO = " ".join(SPELLINGS)


# -- a server that says what it is told, byte by byte

Turn = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(status: int, body: str | bytes = "", **headers: str) -> Turn:
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def turn(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        await writer.drain()

    return turn


def sends(raw: bytes) -> Turn:
    """Bytes that are no proper answer; then the connection ends."""

    async def turn(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return turn


def resets() -> Turn:
    async def turn(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return turn


def stalls(until: asyncio.Event, first: bytes = b"") -> Turn:
    async def turn(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await until.wait()
        writer.close()

    return turn


@dataclass(kw_only=True)
class Server:
    """What it will say, one turn for each request, and what it was asked."""

    turns: deque[Turn] = field(default_factory=deque)
    asked: list[bytes] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    url: str = ""
    tasks: set["asyncio.Task[None] | None"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        self.connections += 1
        try:
            while not writer.is_closing():
                self.asked.append(await _request(reader))
                self.reached.set()
                await self.turns.popleft()(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # `stop` cancels; asyncio 3.11 complains of a connection's task that ends cancelled
        finally:
            writer.close()

    async def stop(self) -> None:
        for task in self.tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, self.tasks))


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head + await reader.readexactly(int(length.partition(b":")[2]))


@asynccontextmanager
async def listening(*turns: Turn) -> AsyncIterator[Server]:
    server = Server(turns=deque(turns))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        try:
            yield server
        finally:
            listener.close()
            await server.stop()


@contextmanager
def nobody() -> Iterator[str]:
    """An address that refuses connections: the port is taken and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    async with open_clients() as clients:
        yield clients


def carrier(
    clients: Clients, *base_urls: str, seconds: float = 5.0, refuses_with: frozenset[int] = frozenset()
) -> Carrier:
    return Carrier(
        clients=clients,
        base_urls=base_urls,
        title="Pixelmill",
        account="pixelmill#1",
        headers={"Authorization": f"Bearer {KEY}"},
        secrets=(KEY,),
        read_task_id=_task_id,
        read_refusal=_refusal,
        refuses_with=refuses_with,
        submit_seconds=seconds,
        read_seconds=seconds,
    )


def _task_id(body: bytes) -> str | None:
    value = (parse_object(body) or {}).get("id")
    return value if isinstance(value, str) else None


def _refusal(body: bytes) -> Refusal:
    said = str((parse_object(body) or {}).get("message", ""))
    return Refusal(reason=said, trouble=Trouble.MODERATION if said.startswith("Policy") else None)


async def submit(
    clients: Clients, *base_urls: str, seconds: float = 5.0, refuses_with: frozenset[int] = frozenset()
) -> str:
    one = carrier(clients, *base_urls, seconds=seconds, refuses_with=refuses_with)
    return await one.submit(path="/tasks", payload={"prompt": PROMPT}, attempt_id="a1", prompt=PROMPT)


async def read(clients: Clients, *base_urls: str, seconds: float = 5.0) -> bytes:
    return await carrier(clients, *base_urls, seconds=seconds).read(path="/tasks/t1")


# -- a submit that is answered


async def test_submit_sends_the_body_once_with_the_key_and_returns_the_id(clients: Clients) -> None:
    async with listening(says(200, '{"id": "t1"}')) as server:
        assert await submit(clients, server.url + "/") == "t1"
    (asked,) = server.asked
    head, _, body = asked.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /tasks HTTP/1.1")
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == {"prompt": PROMPT}


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_success_with_an_id_is_accepted(clients: Clients, status: int) -> None:
    async with listening(says(status, '{"id": "t1"}')) as server:
        assert await submit(clients, server.url) == "t1"


async def test_every_submit_opens_its_own_connection_and_reads_share_one(clients: Clients) -> None:
    async with listening(*[says(200, '{"id": "t1"}')] * 6) as server:
        for _ in range(3):
            await submit(clients, server.url)
        assert server.connections == 3
        for _ in range(3):
            await read(clients, server.url)
        assert server.connections == 4
    assert b"Connection: close" in server.asked[0]


async def test_packed_body_is_read(clients: Clients) -> None:
    async with listening(says(200, gzip.compress(b'{"id": "t1"}'), Content_Encoding="gzip")) as server:
        assert await submit(clients, server.url) == "t1"


async def test_body_that_breaks_off_behind_a_definite_no_leaves_the_no_standing(clients: Clients) -> None:
    async with listening(sends(b"HTTP/1.1 422 Word\r\nContent-Length: 100\r\n\r\n{")) as server:
        with pytest.raises(ProviderRefusedError, match="HTTP 422"):
            await submit(clients, server.url)


async def test_connection_that_the_other_side_wants_to_keep_is_still_not_used_again(clients: Clients) -> None:
    async with listening(*[says(200, '{"id": "t1"}')] * 2) as server:
        for _ in range(2):
            await clients.submits.post(server.url, json={})
    assert server.connections == 2


# -- a submit that never left


async def test_refused_connection_is_not_sent(clients: Clients) -> None:
    with nobody() as url, pytest.raises(NotSentError, match="could not be reached") as caught:
        await submit(clients, url)
    assert caught.value.is_trouble


async def test_connect_timeout_is_not_sent() -> None:
    full = socket.socket()
    queued = [socket.socket() for _ in range(4)]
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for one in queued:  # they fill the queue of connections that nobody accepts
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    timeout = httpx.Timeout(5, connect=0.2)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
        with pytest.raises(NotSentError, match="ConnectTimeout") as caught:
            await submit(Clients(reads=client, submits=client), f"http://127.0.0.1:{full.getsockname()[1]}")
        assert caught.value.is_trouble
    for one in (full, *queued):
        one.close()


async def test_failed_tls_handshake_is_not_sent(clients: Clients) -> None:
    async def no_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as listener:
        with pytest.raises(NotSentError, match="ConnectError"):
            await submit(clients, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")


async def test_full_pool_is_not_sent_and_no_trouble_of_the_provider() -> None:
    let_go = asyncio.Event()
    limits = httpx.Limits(max_connections=1)
    async with (
        listening(stalls(let_go)) as server,
        httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(5, pool=0.05), limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        clients = Clients(reads=client, submits=client)
        first = group.create_task(unknown(submit(clients, server.url)))
        await server.reached.wait()
        with pytest.raises(NotSentError, match="PoolTimeout") as caught:
            await submit(clients, server.url)
        assert not caught.value.is_trouble
        let_go.set()
        await first
    assert len(server.asked) == 1


async def unknown(submitting: Awaitable[str]) -> None:
    with pytest.raises(UnknownOutcomeError):
        await submitting


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("99999", 600.0), ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0), (None, None)]
)
async def test_rate_limit_is_not_sent_with_its_wait(
    clients: Clients, header: str | None, seconds: float | None
) -> None:
    headers = {"Date": "Fri, 20 Nov 2026 12:00:00 GMT"} | ({"Retry_After": header} if header else {})
    async with listening(says(429, "slow down", **headers)) as server:
        with pytest.raises(NotSentError) as caught:
            await submit(clients, server.url)
    assert (caught.value.retry_after_seconds, caught.value.is_trouble) == (seconds, False)
    assert len(server.asked) == 1


async def test_status_that_says_not_accepted_is_not_sent_and_trouble(clients: Clients) -> None:
    async with listening(says(503, "busy", Retry_After="30"), says(500, "oops")) as server:
        with pytest.raises(NotSentError, match="HTTP 503") as caught:
            await submit(clients, server.url, refuses_with=frozenset({503}))
        assert (caught.value.retry_after_seconds, caught.value.is_trouble) == (30.0, True)
        with pytest.raises(UnknownOutcomeError):
            await submit(clients, server.url, refuses_with=frozenset({503}))


# -- a submit that was refused


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_definite_no_is_refused_in_the_providers_words(clients: Clients, status: int) -> None:
    async with listening(says(status, '{"message": "duration is too long"}')) as server:
        with pytest.raises(ProviderRefusedError) as caught:
            await submit(clients, server.url)
    assert str(caught.value) == "Pixelmill refused the request: duration is too long."
    assert len(server.asked) == 1


async def test_refusal_without_words_tells_the_status(clients: Clients) -> None:
    async with listening(says(400, "<html>Bad Request</html>")) as server:
        with pytest.raises(ProviderRefusedError, match=r"it answered HTTP 400\.$"):
            await submit(clients, server.url)


@pytest.mark.parametrize("status", [400, 422])
async def test_refusal_that_speaks_of_content_rules_is_moderation(clients: Clients, status: int) -> None:
    async with listening(says(status, '{"message": "Policy: a real person"}')) as server:
        with pytest.raises(ModerationError, match=r"Policy: a real person\. Change the prompt"):
            await submit(clients, server.url)


@pytest.mark.parametrize("status", [401, 403])
async def test_key_that_is_not_accepted_is_the_operators_to_mend(clients: Clients, status: int) -> None:
    async with listening(says(status, "{}")) as server:
        with pytest.raises(ProviderAuthError) as caught:
            await submit(clients, server.url)
    assert caught.value.status == status


async def test_empty_account_blames_the_operators_account_and_not_the_member(clients: Clients) -> None:
    async with listening(says(402, '{"message": "insufficient credits"}')) as server:
        with pytest.raises(ProviderRefusedError, match=r"whoever hosts the bot .* Nothing is wrong with your request"):
            await submit(clients, server.url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_never_followed_with_the_key(clients: Clients, status: int) -> None:
    async with listening() as other, listening(says(status, "", Location=f"{other.url}/tasks")) as server:
        with pytest.raises((ProviderRefusedError, UnknownOutcomeError)):
            await submit(clients, server.url)
    assert (len(server.asked), other.connections) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_a_read_or_a_cancel_is_never_followed_with_the_key(clients: Clients, status: int) -> None:
    async with listening() as other:
        turn = says(status, "", Location=f"{other.url}/tasks/t1")
        async with listening(turn, turn) as server:
            with pytest.raises(ProviderBusyError):
                await read(clients, server.url)
            assert await carrier(clients, server.url).stop(method="DELETE", path="/tasks/t1") is None
    assert (len(server.asked), other.connections) == (2, 0)


# -- a submit of which nobody can say


@pytest.mark.parametrize(
    "turn",
    [
        resets(),
        sends(b""),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        sends(b"nonsense\r\n\r\n"),
        says(200, "<html></html>"),
        says(200, ""),
        says(200, "[" * 100_000),
        says(200, '{"id": null}'),
        says(200, b"\x1f\x8b broken", Content_Encoding="gzip"),
        says(202, "{}"),
        says(204),
        says(302, "", Location="/elsewhere"),
        says(408),
        *(says(status, "{}") for status in (500, 502, 503, 504, 524)),
    ],
)
async def test_whatever_may_have_been_accepted_is_unknown_and_sent_once(clients: Clients, turn: Turn) -> None:
    async with listening(turn) as server, listening(says(200, '{"id": "t2"}')) as backup:
        await unknown(submit(clients, server.url, backup.url))
    assert (len(server.asked), backup.connections) == (1, 0)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
async def test_submit_without_an_answer_in_time_is_unknown(clients: Clients, first: bytes) -> None:
    let_go = asyncio.Event()
    async with listening(stalls(let_go, first)) as server:
        async with asyncio.timeout(2):
            await unknown(submit(clients, server.url, seconds=0.1))
        let_go.set()
    assert len(server.asked) == 1


async def test_cancelled_submit_stays_cancelled(clients: Clients) -> None:
    let_go = asyncio.Event()
    async with listening(stalls(let_go)) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await submit(clients, server.url)
        let_go.set()


async def test_unknown_outcome_is_logged_with_the_start_of_its_body_and_without_prompt_or_key(
    clients: Clients,
) -> None:
    body = f"{{'echo': '{PROMPT}', 'key': '{ECHO}', 'why': 'overloaded'}} {'x' * 10_000}"
    async with listening(says(500, body)) as server:
        with capture_logs() as lines:
            await unknown(submit(clients, server.url))
    (line,) = lines
    assert (line["event"], line["attempt_id"], line["account"]) == ("submit outcome unknown", "a1", "pixelmill#1")
    assert (line["log_level"], line["status"]) == ("warning", 500)
    assert "overloaded" in line["body"]
    assert len(line["body"]) == LOGGED_CHARS_MAX
    assert "lighthouse" not in line["body"]
    assert "Canary" not in line["body"]


# -- reads


async def test_read_returns_the_body(clients: Clients) -> None:
    async with listening(says(200, '{"status": "done"}')) as server:
        assert await read(clients, server.url) == b'{"status": "done"}'
    assert server.asked[0].startswith(b"GET /tasks/t1 HTTP/1.1")


async def test_read_404_means_that_the_task_is_gone(clients: Clients) -> None:
    async with listening(says(404, "{}")) as server:
        with pytest.raises(TaskGoneError):
            await read(clients, server.url)


@pytest.mark.parametrize(
    "turn",
    [
        *(says(status, '{"message": "not now"}') for status in (400, 401, 403, 429, 500, 502, 503, 504)),
        says(302, "", Location="/elsewhere"),
        resets(),
        sends(b""),
        sends(b"nonsense\r\n\r\n"),
    ],
)
async def test_any_other_trouble_of_a_read_is_passing(clients: Clients, turn: Turn) -> None:
    async with listening(turn) as server:
        with pytest.raises(ProviderBusyError):
            await read(clients, server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "is_refused"), [(401, True), (403, True), (400, False), (429, False), (503, False)])
async def test_read_that_our_key_may_not_make_says_so(clients: Clients, status: int, *, is_refused: bool) -> None:
    async with listening(says(status, "{}")) as server:
        with pytest.raises(ProviderBusyError) as caught:
            await read(clients, server.url)
    assert caught.value.is_key_refused == is_refused


async def test_error_that_is_the_tasks_own_end_is_an_answer(clients: Clients) -> None:
    async with listening(says(422, "no"), says(422, "no"), says(500, "no")) as server:
        one = carrier(clients, server.url)
        assert await one.read(path="/tasks/t1", is_end=lambda status, body: (status, body) == (422, b"no")) == b"no"
        for is_end in (lambda *_: False, lambda status, _: status == 422):
            with pytest.raises(ProviderBusyError):
                await one.read(path="/tasks/t1", is_end=is_end)


@pytest.mark.parametrize(("turn", "answer"), [(says(202, "ok"), b"ok"), (says(409, "no"), None), (resets(), None)])
async def test_stop_is_asked_once_and_only_a_success_answers(
    clients: Clients, turn: Turn, answer: bytes | None
) -> None:
    async with listening(turn) as server:
        assert await carrier(clients, server.url).stop(method="PUT", path="/tasks/t1/cancel") == answer
    assert [one.partition(b" HTTP")[0] for one in server.asked] == [b"PUT /tasks/t1/cancel"]


async def test_read_that_is_refused_or_late_is_passing(clients: Clients) -> None:
    with nobody() as url, pytest.raises(ProviderBusyError):
        await read(clients, url)
    let_go = asyncio.Event()
    async with listening(stalls(let_go)) as server:
        with pytest.raises(ProviderBusyError):
            await read(clients, server.url, seconds=0.1)
        let_go.set()


async def test_endless_body_is_cut_while_it_streams(clients: Clients) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 100_000)
            await writer.drain()
            sent += 100_000

    async with listening(endless) as server:
        assert len(await read(clients, server.url)) == BODY_BYTES_MAX
    assert sent < 20_000_000  # what the sockets' buffers hold


async def test_packed_bomb_is_unpacked_up_to_the_limit(clients: Clients) -> None:
    bomb = gzip.compress(bytes(100_000_000), compresslevel=1)
    async with listening(says(200, bomb, Content_Encoding="gzip")) as server:
        assert len(await read(clients, server.url)) == BODY_BYTES_MAX


# -- backups


async def test_backup_serves_where_the_first_address_cannot_be_reached(clients: Clients) -> None:
    async with listening(says(200, '{"id": "t1"}'), says(200, "{}")) as backup:
        with nobody() as url:
            assert await submit(clients, url, backup.url) == "t1"
            assert await read(clients, url, backup.url) == b"{}"


async def test_refusal_of_the_first_address_is_not_taken_to_the_backup(clients: Clients) -> None:
    async with listening(says(429)) as server, listening() as backup:
        with pytest.raises(NotSentError):
            await submit(clients, server.url, backup.url)
    assert backup.connections == 0


async def test_task_is_gone_only_when_every_address_says_so(clients: Clients) -> None:
    turns = [says(404), says(404), says(503)], [says(404), says(503), says(404)]
    async with listening(*turns[0]) as one, listening(*turns[1]) as two:
        with pytest.raises(TaskGoneError):
            await read(clients, one.url, two.url)
        for _ in range(2):
            with pytest.raises(ProviderBusyError):
                await read(clients, one.url, two.url)


# -- secrets


def reflections() -> list[Turn]:
    """Every way in which the other side can hand our key back."""
    body = json.dumps({"message": ECHO, "key": KEY})
    statuses = (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 302, 307)
    return [
        *(says(status, body, X_Echo=quote(KEY), Retry_After=quote(KEY)) for status in statuses),
        says(418, json.dumps({"message": f"Policy {ECHO}"})),
        says(400, json.dumps({"message": f"Policy {ECHO}"})),
        says(200, body.replace("id", "no")),
        sends(f"{KEY}\r\n\r\n".encode()),
        sends(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
        sends(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
        sends(f"HTTP/1.1 200 OK\r\nContent-Length: {quote(KEY)}\r\n\r\n".encode()),
        sends(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode()),
    ]


@pytest.mark.parametrize("turn", reflections())
async def test_key_is_in_no_exception_and_no_log_line(
    clients: Clients, turn: Turn, caplog: pytest.LogCaptureFixture
) -> None:
    caught: list[Exception] = []
    with caplog.at_level(logging.INFO), capture_logs() as lines:
        async with listening(turn, turn) as server:
            for act in (submit(clients, server.url), read(clients, server.url)):
                try:
                    await act
                except (
                    NotSentError,
                    UnknownOutcomeError,
                    TaskGoneError,
                    ProviderBusyError,
                    ProviderError,
                ) as error:
                    caught.append(error)
    assert caught
    told = [*(whole(error) for error in caught), *map(str, lines), *(record.getMessage() for record in caplog.records)]
    for spelling in ("Canary", *SPELLINGS):
        assert not any(spelling in text for text in told)


def whole(error: BaseException | None) -> str:
    if error is None:
        return ""
    lines = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {vars(error)} {lines} {whole(error.__cause__)} {whole(error.__context__)}"


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=8, max_size=40)


@given(printable, st.text(max_size=50), st.text(max_size=50))
def test_scrub_takes_a_secret_out_however_it_is_spelt(secret: str, before: str, after: str) -> None:
    quoted = quote(secret, safe="")
    json_escaped = json.dumps(secret)[1:-1]
    forms = [
        secret,
        quoted,
        quoted.lower(),
        quote(quoted),
        json_escaped,
        json.dumps(json_escaped)[1:-1],
        escape(secret),
    ]
    for form in forms:
        clean = scrub(f"{before} {form} {after}", [secret], chars_max=10_000)
        assert form not in clean
        assert secret not in clean
        assert "***" in clean


@pytest.mark.parametrize("text", ["\\" * 300_000, "k\\" * 150_000, "k+" * 150_000, "%25" * 100_000, "k" * 300_000])
def test_scrub_takes_no_longer_for_hostile_text(text: str) -> None:
    started = time.process_time()
    scrub(text, ["k\\k\\k+k+k%k%kkkk-never"], chars_max=10)
    assert time.process_time() - started < 2


@given(st.text())
def test_scrub_leaves_one_short_line_without_control_characters(text: str) -> None:
    clean = scrub(text * 20, ())
    assert len(clean) <= REASON_CHARS_MAX
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in clean)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cannot fetch https://bot.example/files/tok/a.png?x=1, sorry", "cannot fetch https://bot.example/… sorry"),
        (r'{"u":"https:\/\/bot.example\/files\/tok"}', '{"u":"https://bot.example/…"}'),
        ("url=https%3A%2F%2Fbot.example%2Ffiles%2Ftok", "url=https://bot.example/…"),
        ("see http://user:word@127.0.0.1:80/x", "see http://127.0.0.1:80/…"),
        ("a\x00b\u202ec\r\nd", "abc d"),
    ],
)
def test_scrub_keeps_of_a_link_only_its_host_and_of_text_only_what_shows(text: str, clean: str) -> None:
    assert scrub(text, ()) == clean


def test_scrub_finds_a_secret_that_invisible_characters_tear_apart() -> None:
    assert scrub("key sk-\x00ca\u200bnary1", ["sk-canary1"]) == "key ***"


def test_empty_secret_hides_nothing() -> None:
    assert scrub("plain words", [""]) == "plain words"


# -- small rules


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 12 "}, 12.0),
        ({"Retry-After": "999999999"}, 600.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 60.0),
        ({"Retry-After": "Fri, 20 Nov 2026 11:00:00 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 20 Nov 2037 12:00:00 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 600.0),
    ],
)
def test_retry_after_is_read_and_bounded(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"\xff", b"{", b'{"a":' * 100_000, b'{"a":' + b"9" * 9999 + b"}"]
)
def test_what_is_no_object_is_none(body: bytes) -> None:
    assert parse_object(body) is None


async def test_client_obeys_no_proxy_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening(says(200, "{}")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with make_client() as client:
            assert (await client.get(server.url)).status_code == 200
    assert proxy.connections == 0
