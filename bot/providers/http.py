"""The one way to a paid provider: the process's clients, hard limits, and what each kind of trouble means."""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

import httpx
import structlog

from bot.domain.errors import (
    ModerationError,
    ProviderAccountError,
    ProviderAuthError,
    ProviderError,
    ProviderRefusedError,
)
from bot.ports.outside import NotSentError, ProviderBusyError, TaskGoneError, UnknownOutcomeError
from bot.providers.bodies import Body, body_of
from bot.providers.reading import Refusal, Trouble
from bot.providers.scrubbing import scrub, without

SUBMIT_SECONDS = 30.0
READ_SECONDS = 20.0
CONNECT_SECONDS = 10.0
POOL_SECONDS = 5.0
CONNECTIONS_MAX = 100
KEPT_SECONDS = 45.0
"""Between two questions about a task, and below the minute after which servers usually hang up."""
BODY_BYTES_MAX = 1_000_000
LOGGED_CHARS_MAX = 4096
RETRY_AFTER_SECONDS_MAX = 600.0
UPLOAD_BYTES_PER_SECOND_MIN = 500_000
"""A submit that carries files may take longer, by so much."""

_REFUSALS = frozenset({301, 307, 308, 400, 404, 405, 409, 410, 411, 413, 414, 415, 422, 431, 451})
"""A definite no: nothing was made. 302 and 303 may follow a request that was carried out, 408 may come of a gateway."""
_BY_STATUS = {401: Trouble.AUTH, 402: Trouble.PAYMENT, 403: Trouble.AUTH, 429: Trouble.RATE_LIMITED}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


# -- clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The process's two HTTP clients.

    `reads` keeps connections. `submits` opens one for each request: a kept one may have gone stale, and a paid
    request on it would end in "server disconnected", of which nobody can say whether it arrived.
    """

    reads: httpx.AsyncClient
    submits: httpx.AsyncClient


def make_client(*, keep_alive: bool = True) -> httpx.AsyncClient:
    """A client that obeys no proxy variable, follows no redirect and repeats nothing by itself."""
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(SUBMIT_SECONDS, connect=CONNECT_SECONDS, pool=POOL_SECONDS),
        limits=httpx.Limits(
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX if keep_alive else 0,
            keepalive_expiry=KEPT_SECONDS,
        ),
    )


@asynccontextmanager
async def open_clients() -> AsyncIterator[Clients]:
    async with make_client() as reads, make_client(keep_alive=False) as submits:
        yield Clients(reads=reads, submits=submits)


# -- carrying


class Carrier:
    """Carries one account's requests and says what came of them, in the exceptions of the Provider port.

    The dialect gives `read_task_id` (None when the body holds no id) and `read_refusal` (the words of a refusal);
    `refuses_with` are the statuses from 500 on that, at this provider, mean "not accepted".
    Backups among `base_urls` are used only where the one before was not reached at all. `stored_path` gives the file
    of a content hash, for payloads that hold Encoded files.
    """

    def __init__(
        self,
        *,
        clients: Clients,
        base_urls: Sequence[str],
        title: str,
        account: str,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        read_task_id: Callable[[bytes], str | None],
        read_refusal: Callable[[bytes], Refusal],
        refuses_with: frozenset[int] = frozenset(),
        stored_path: Callable[[str], Path] | None = None,
        submit_seconds: float = SUBMIT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._clients = clients
        self._bases = [base.rstrip("/") for base in base_urls]
        self._title = title
        self._account = account
        self._headers = dict(headers)
        self._secrets = tuple(secrets)
        self._read_task_id = read_task_id
        self._read_refusal = read_refusal
        self._refuses_with = refuses_with
        self._stored_path = stored_path
        self._submit_seconds = submit_seconds
        self._read_seconds = read_seconds

    async def submit(self, *, path: str, payload: object, attempt_id: str, prompt: str) -> str:
        """POST once and return the task's id; `prompt`, as it was sent, is kept out of the log.

        Raises NotSentError, UnknownOutcomeError and the ProviderErrors of a definite no.
        """
        outcome = await self._post(path, payload)
        if isinstance(outcome, _Answer) and self._may_hold_task(outcome) and (task := self._read_task_id(outcome.body)):
            return task
        fault = self._submit_fault(outcome)
        if isinstance(fault, UnknownOutcomeError):
            self._log_unknown(outcome, attempt_id=attempt_id, prompt=prompt)
        raise fault

    def _may_hold_task(self, answer: "_Answer") -> bool:
        """A status that means "not accepted" is believed only without a task's id beside it."""
        return answer.is_success or answer.status in self._refuses_with

    async def read(self, *, path: str, is_end: Callable[[int, bytes], bool] = lambda *_: False) -> bytes:
        """GET a body; `is_end` tells by HTTP status and body of an error that it is the task's own, and an answer.

        Raises TaskGoneError only when every base says so, else ProviderBusyError.
        """
        faults = []
        for base in self._bases:
            request = self._clients.reads.build_request("GET", base + path, headers=self._headers)
            outcome = await _exchange(self._clients.reads, request, deadline=_in(self._read_seconds))
            if isinstance(outcome, _Answer) and (outcome.is_success or is_end(outcome.status, outcome.body)):
                return outcome.body
            faults.append(self._read_fault(outcome))
        raise next((fault for fault in faults if isinstance(fault, ProviderBusyError)), faults[0])

    async def stop(self, *, method: str, path: str) -> bytes | None:
        """What the first base answered with success; None for whatever else happens."""
        request = self._clients.reads.build_request(method, self._bases[0] + path, headers=self._headers)
        outcome = await _exchange(self._clients.reads, request, deadline=_in(self._read_seconds))
        return outcome.body if isinstance(outcome, _Answer) and outcome.is_success else None

    def clean(self, text: str) -> str:
        """A provider's text, fit to be shown and stored."""
        return scrub(text, self._secrets)

    async def _post(self, path: str, payload: object) -> "_Answer | _Broken":
        try:
            body = await body_of(payload, self._stored_path)
        except OSError as fault:
            return _Broken(left=False, is_ours=True, reason=type(fault).__name__)
        deadline = _in(self._submit_seconds + body.size_bytes / UPLOAD_BYTES_PER_SECOND_MIN)
        outcome: _Answer | _Broken = _Broken(left=False, is_ours=True, reason="no address")
        for base in self._bases:
            outcome = await _exchange(self._clients.submits, self._post_request(base + path, body), deadline=deadline)
            if isinstance(outcome, _Answer) or outcome.left:
                break
        return outcome

    def _post_request(self, url: str, body: Body) -> httpx.Request:
        headers = {
            **self._headers,
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(body.size_bytes),
        }
        return self._clients.submits.build_request("POST", url, headers=headers, content=body.chunks())

    def _submit_fault(self, outcome: "_Answer | _Broken") -> NotSentError | UnknownOutcomeError | ProviderError:
        if isinstance(outcome, _Broken):
            return self._broken_submit(outcome)
        if outcome.status in self._refuses_with:
            return self._not_accepted(outcome, is_trouble=True)
        if outcome.status not in _REFUSALS and outcome.status not in _BY_STATUS:
            return UnknownOutcomeError(f"{self._title} answered HTTP {outcome.status} without a task's id")
        return self._refusal(outcome)

    def _broken_submit(self, broken: "_Broken") -> NotSentError | UnknownOutcomeError:
        if broken.left:
            return UnknownOutcomeError(f"the connection to {self._title} broke ({broken.reason})")
        return NotSentError(f"{self._title} could not be reached ({broken.reason})", is_trouble=not broken.is_ours)

    def _not_accepted(self, answer: "_Answer", *, is_trouble: bool) -> NotSentError:
        reason = f"{self._title} {'is in trouble' if is_trouble else 'asks to wait'} (HTTP {answer.status})"
        wait = retry_after_seconds(answer.headers)
        return NotSentError(reason, retry_after_seconds=wait, is_trouble=is_trouble, is_answer=is_trouble)

    def _refusal(self, answer: "_Answer") -> NotSentError | ProviderError:
        """A definite no; the body's own code goes before the HTTP status."""
        said = self._read_refusal(answer.body)
        trouble = said.trouble or _BY_STATUS.get(answer.status)
        if trouble in {Trouble.RATE_LIMITED, Trouble.CONCURRENCY}:
            return self._not_accepted(answer, is_trouble=False)
        if trouble is Trouble.AUTH:
            return ProviderAuthError(provider=self._title, status=answer.status)
        reason = _sentence(self.clean(said.reason) or f"it answered HTTP {answer.status}")
        kind, words = _REFUSED.get(trouble, (ProviderRefusedError, "{reason}"))
        return kind(provider=self._title, reason=words.format(reason=reason, status=answer.status))

    def _read_fault(self, outcome: "_Answer | _Broken") -> TaskGoneError | ProviderBusyError:
        if isinstance(outcome, _Broken):
            return ProviderBusyError(f"the connection to {self._title} broke ({outcome.reason})")
        refusal = self._read_refusal(outcome.body)
        if outcome.status == httpx.codes.NOT_FOUND and refusal.trouble in {None, Trouble.NOT_FOUND}:
            return TaskGoneError(f"{self._title} does not know the task (HTTP 404)")
        said = self.clean(refusal.reason)
        return ProviderBusyError(
            f"{self._title} answered HTTP {outcome.status}{': ' if said else ''}{said}",
            is_key_refused=Trouble.AUTH in {refusal.trouble, _BY_STATUS.get(outcome.status)},
        )

    def _log_unknown(self, outcome: "_Answer | _Broken", *, attempt_id: str, prompt: str) -> None:
        fields: dict[str, object] = {"provider": self._title, "account": self._account, "attempt_id": attempt_id}
        if isinstance(outcome, _Broken):
            log.warning("submit outcome unknown", **fields, fault=outcome.reason)
            return
        body = without(outcome.body.decode(errors="replace"), prompt)
        body = scrub(body, self._secrets, chars_max=LOGGED_CHARS_MAX)
        log.warning("submit outcome unknown", **fields, status=outcome.status, body=body)


_PAYMENT = (
    "the account of whoever hosts the bot is out of credit there (HTTP {status}). Nothing is wrong with your request; "
    "they must top it up."
)
_REFUSED: Mapping[Trouble | None, tuple[type[ProviderRefusedError | ModerationError], str]] = {
    Trouble.PAYMENT: (ProviderAccountError, _PAYMENT),
    Trouble.FORBIDDEN: (
        ProviderAccountError,
        "the account of whoever hosts the bot may not do this there. {reason}",
    ),
    Trouble.MODERATION: (ModerationError, "{reason}"),
    Trouble.MEDIA_UNREACHABLE: (ProviderRefusedError, "it could not fetch a reference. {reason}"),
}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


# -- one exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came back, its body cut at the limit."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return httpx.codes.is_success(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    """No answer. `left` says whether bytes may have left; `reason` is the kind of the fault and never its text.

    A library's text quotes what the other side sent, and with it perhaps our key. `is_ours`: nobody was asked.
    """

    left: bool
    reason: str
    is_ours: bool = False


async def _exchange(client: httpx.AsyncClient, request: httpx.Request, *, deadline: float) -> _Answer | _Broken:
    try:
        async with asyncio.timeout_at(deadline):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return _Answer(status=response.status_code, headers=response.headers, body=await _body(response))
            finally:
                await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        is_ours = isinstance(error, httpx.PoolTimeout)
        return _Broken(left=False, is_ours=is_ours, reason=type(error).__name__)
    except (httpx.HTTPError, OSError) as error:
        return _Broken(left=True, reason=type(error).__name__)


async def _body(response: httpx.Response) -> bytes:
    """At most BODY_BYTES_MAX; a body that breaks off is judged like any other that cannot be read."""
    raw = bytearray()
    stream = cast("AsyncGenerator[bytes]", response.aiter_raw())  # what it is; httpx declares less
    try:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                raw += chunk[: BODY_BYTES_MAX - len(raw)]
                if len(raw) >= BODY_BYTES_MAX:
                    break
    except httpx.TransportError:
        pass
    encoding = response.headers.get("Content-Encoding", "").lower()
    return _inflated(bytes(raw)) if encoding in {"gzip", "deflate"} else bytes(raw)


def _inflated(raw: bytes) -> bytes:
    """Unpacked under the same limit: the library's own way would unpack a bomb whole."""
    either_header = zlib.MAX_WBITS | 32
    try:
        return zlib.decompressobj(either_header).decompress(raw, BODY_BYTES_MAX)
    except zlib.error:
        return raw


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds or as a date, bounded.

    A date is read against the answer's own `Date`, so that our clocks need not agree.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), RETRY_AFTER_SECONDS_MAX)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_SECONDS_MAX)
