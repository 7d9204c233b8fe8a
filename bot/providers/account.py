"""One account of a paid provider: a dialect, carried."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import structlog

from bot.domain.capabilities import Capabilities, rendered_prompt
from bot.domain.requests import Plan
from bot.media.download import DownloadError, read_small
from bot.media.guard import ForbiddenAddressError, Guard
from bot.ports.outside import Failed, Pending, ProviderBusyError, TaskGoneError, TaskStatus, WireRequest
from bot.providers.bodies import shown
from bot.providers.http import READ_SECONDS, SUBMIT_SECONDS, Carrier, Clients
from bot.providers.reading import CANCELLED, QUEUED, Elsewhere, Refusal, is_known
from bot.providers.signatures import Signature, Signer

NOTICED_MAX = 20
DOCUMENT_BYTES_MAX = 64 * 1024
DOCUMENT_SECONDS_MAX = 5.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


Payload = dict[str, object]
WithCallback = Callable[[str, Payload, str], tuple[str, Payload]]
"""Puts an address to be called back into a submit's path or payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A provider's API as pure functions around its requests.

    `base_url` None: the operator must set one. `submit_path` is an address or a name among the row's `paths`; it and
    `read_path` may hold a query. `read_word` gives the
    status in the common spelling, None for an answer that is no task. What is told `Elsewhere` is fetched there, never
    at an address that an answer names: our key goes with it. `cancel_path` is the address to `cancel_method`;
    `is_cancelled` says of its answer that the task neither ran nor costs, and without it the status is read again.
    `list_path` names several tasks, and `read_list` gives the statuses of those that the answer holds. `prompt_of` is
    the prompt as it is sent, where more than its mentions changes. `read_called` is the task's id in a callback, where
    it stands elsewhere than in the answer to a submit. `signature` makes the check of callbacks that are signed.
    """

    capabilities: Capabilities
    base_url: str | None
    headers: Callable[[str], Mapping[str, str]]
    submit_path: Callable[[Plan], str]
    to_payload: Callable[[Plan, dict[str, str]], Payload]
    read_task_id: Callable[[bytes], str | None]
    read_refusal: Callable[[bytes], Refusal]
    read_path: Callable[[str], str]
    read_word: Callable[[bytes], str | None]
    read_status: Callable[[bytes], TaskStatus | Elsewhere]
    with_callback: WithCallback | None = None
    cancel_path: Callable[[str], str] | None = None
    cancel_method: str = "DELETE"
    is_cancelled: Callable[[bytes], bool] | None = None
    list_path: Callable[[Sequence[str]], str] | None = None
    read_list: Callable[[bytes], Mapping[str, TaskStatus]] | None = None
    prompt_of: Callable[[Plan], str] | None = None
    read_called: Callable[[Plan, bytes], str | None] | None = None
    signature: Callable[[Signer], Signature] | None = None


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def callback_as(field: str) -> WithCallback:
    """The address is a field of the payload."""
    return lambda path, payload, address: (path, payload | {field: address})


class PaidAccount:
    """A key at one provider. `base_urls` holds the first address and its backups."""

    def __init__(
        self,
        *,
        dialect: Dialect,
        clients: Clients,
        base_urls: Sequence[str],
        api_key: str,
        account: str,
        capabilities: Capabilities | None = None,
        stored_path: Callable[[str], Path] | None = None,
        submit_seconds: float = SUBMIT_SECONDS,
        read_seconds: float = READ_SECONDS,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise ValueError(f"the key of {account} holds characters that no header can carry")
        self._dialect = dialect
        self._capabilities = capabilities or dialect.capabilities
        self._account = account
        self._noticed: set[str] = set()
        self._base = base_urls[0].rstrip("/")
        self._client = clients.reads
        self._carrier = Carrier(
            clients=clients,
            base_urls=base_urls,
            title=self._capabilities.title,
            account=account,
            headers={**dialect.headers(api_key), "Accept": "application/json"},
            secrets=(api_key,),
            read_task_id=dialect.read_task_id,
            read_refusal=dialect.read_refusal,
            refuses_with=self._capabilities.refuses_with,
            stored_path=stored_path,
            submit_seconds=submit_seconds,
            read_seconds=read_seconds,
        )
        signer = Signer(api_key=api_key, read=self._read_path, fetch=self._fetch, now_seconds=now_seconds)
        self._signature = dialect.signature(signer) if dialect.signature else None

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def account(self) -> str:
        return self._account

    @property
    def trusted_host(self) -> str | None:
        """As the client spells it: without capitals, and without the scheme's own port."""
        netloc: bytes = httpx.URL(self._base).netloc
        return netloc.decode()

    def describe(self, *, plan: Plan, links: dict[str, str], callback: str | None = None) -> WireRequest:
        headers = {**self._dialect.headers("***"), "Accept": "application/json", "Content-Type": "application/json"}
        path, payload = self._request(plan, links, callback)
        return WireRequest(method="POST", url=self._base + path, headers=headers, body=shown(payload))

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str], callback: str | None = None) -> str:
        path, payload = self._request(plan, links, callback)
        prompt_of = self._dialect.prompt_of
        prompt = prompt_of(plan) if prompt_of else rendered_prompt(plan, self._capabilities)
        return await self._carrier.submit(path=path, payload=payload, attempt_id=attempt_id, prompt=prompt)

    async def read(self, *, task_id: str) -> TaskStatus:
        body = await self._carrier.read(path=self._dialect.read_path(task_id))
        status = self._dialect.read_status(body)
        if isinstance(status, Elsewhere):
            status = status.read(await self._carrier.read(path=status.path(task_id), is_end=status.is_end))
        if isinstance(status, Pending):
            self._notice(self._dialect.read_word(body) or "")
        return self._cleaned(status)

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """One request for several tasks, where the provider lists them; those it does not name are left out.

        Raises ProviderBusyError.
        """
        if self._dialect.list_path is None or self._dialect.read_list is None:
            return {}
        try:
            body = await self._carrier.read(path=self._dialect.list_path(task_ids))
        except TaskGoneError:  # this host has no such list
            return {}
        statuses = self._dialect.read_list(body)
        return {task_id: self._cleaned(status) for task_id, status in statuses.items() if task_id in task_ids}

    async def cancel(self, *, task_id: str) -> bool:
        """Asked only while the task waits: to delete a finished one may lose its clip."""
        if self._dialect.cancel_path is None:
            return False
        try:
            if await self._word(task_id) not in QUEUED:
                return False
            return await self._stopped(task_id, self._dialect.cancel_path(task_id))
        except (ProviderBusyError, TaskGoneError):
            return False

    async def is_genuine(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        if self._signature is None:
            return True
        return await self._signature.fits(headers={name.lower(): value for name, value in headers.items()}, body=body)

    def called_task(self, *, plan: Plan, body: bytes) -> str | None:
        read_called = self._dialect.read_called
        return read_called(plan, body) if read_called else self._dialect.read_task_id(body)

    async def _read_path(self, path: str) -> bytes:
        return await self._carrier.read(path=path)

    async def _fetch(self, url: str) -> bytes:
        """A public document, without our key: from a public address, or the configured base host."""
        guard = Guard(trusted=frozenset({self.trusted_host or ""}))
        try:
            return await read_small(
                self._client, url, bytes_max=DOCUMENT_BYTES_MAX, seconds_max=DOCUMENT_SECONDS_MAX, guard=guard
            )
        except (DownloadError, ForbiddenAddressError) as error:
            raise ProviderBusyError(f"{self._capabilities.title}: a document {error}") from error

    def _request(self, plan: Plan, links: dict[str, str], callback: str | None) -> tuple[str, Payload]:
        path, payload = self._submit_path(plan), self._dialect.to_payload(plan, links)
        if callback is None or self._dialect.with_callback is None:
            return path, payload
        return self._dialect.with_callback(path, payload, callback)

    async def _stopped(self, task_id: str, path: str) -> bool:
        answer = await self._carrier.stop(method=self._dialect.cancel_method, path=path)
        if answer is None:
            return False
        is_cancelled = self._dialect.is_cancelled
        return is_cancelled(answer) if is_cancelled else await self._word(task_id) in CANCELLED

    def _submit_path(self, plan: Plan) -> str:
        path = self._dialect.submit_path(plan)
        return self._capabilities.paths.get(path, path)

    async def _word(self, task_id: str) -> str | None:
        return self._dialect.read_word(await self._carrier.read(path=self._dialect.read_path(task_id)))

    def _cleaned(self, status: TaskStatus) -> TaskStatus:
        if isinstance(status, Failed):
            return replace(status, reason=self._carrier.clean(status.reason))
        return status

    def _notice(self, word: str) -> None:
        """Log a status that the documents do not have, once."""
        if not is_known(word) and word not in self._noticed and len(self._noticed) < NOTICED_MAX:
            self._noticed.add(word)
            log.warning("status unknown", provider=self._capabilities.provider, status=self._carrier.clean(word))
