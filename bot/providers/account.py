"""One account of a paid provider: a dialect, carried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from bot.domain.capabilities import Capabilities, rendered_prompt
from bot.domain.requests import Plan
from bot.ports.outside import Failed, Pending, ProviderBusyError, TaskGoneError, TaskStatus, WireRequest
from bot.providers.bodies import shown
from bot.providers.http import READ_SECONDS, SUBMIT_SECONDS, Carrier, Clients
from bot.providers.reading import CANCELLED, QUEUED, Refusal, is_known

NOTICED_MAX = 20

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A provider's API as pure functions around its requests.

    `base_url` None: the operator must set one. `submit_path` is an address or a name among the row's `paths`; it and
    `read_path` may hold a query. `read_word` gives the
    status in the common spelling, None for an answer that is no task. `cancel_path` is the address to DELETE.
    `list_path` names several tasks, and `read_list` gives the statuses of those that the answer holds. `prompt_of` is
    the prompt as it is sent, where more than its mentions changes.
    """

    capabilities: Capabilities
    base_url: str | None
    headers: Callable[[str], Mapping[str, str]]
    submit_path: Callable[[Plan], str]
    to_payload: Callable[[Plan, dict[str, str]], dict[str, object]]
    read_task_id: Callable[[bytes], str | None]
    read_refusal: Callable[[bytes], Refusal]
    read_path: Callable[[str], str]
    read_word: Callable[[bytes], str | None]
    read_status: Callable[[bytes], TaskStatus]
    cancel_path: Callable[[str], str] | None = None
    list_path: Callable[[Sequence[str]], str] | None = None
    read_list: Callable[[bytes], Mapping[str, TaskStatus]] | None = None
    prompt_of: Callable[[Plan], str] | None = None


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


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
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise ValueError(f"the key of {account} holds characters that no header can carry")
        self._dialect = dialect
        self._capabilities = capabilities or dialect.capabilities
        self._account = account
        self._noticed: set[str] = set()
        self._base = base_urls[0].rstrip("/")
        self._carrier = Carrier(
            clients=clients,
            base_urls=base_urls,
            title=self._capabilities.title,
            account=account,
            headers={**dialect.headers(api_key), "Accept": "application/json"},
            secrets=(api_key,),
            read_task_id=dialect.read_task_id,
            read_refusal=dialect.read_refusal,
            stored_path=stored_path,
            submit_seconds=submit_seconds,
            read_seconds=read_seconds,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def account(self) -> str:
        return self._account

    @property
    def trusted_host(self) -> str | None:
        return urlsplit(self._base).netloc.rpartition("@")[2]

    def describe(self, *, plan: Plan, links: dict[str, str]) -> WireRequest:
        headers = {**self._dialect.headers("***"), "Accept": "application/json", "Content-Type": "application/json"}
        url = self._base + self._submit_path(plan)
        return WireRequest(method="POST", url=url, headers=headers, body=shown(self._dialect.to_payload(plan, links)))

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str]) -> str:
        payload, path = self._dialect.to_payload(plan, links), self._submit_path(plan)
        prompt_of = self._dialect.prompt_of
        prompt = prompt_of(plan) if prompt_of else rendered_prompt(plan, self._capabilities)
        return await self._carrier.submit(path=path, payload=payload, attempt_id=attempt_id, prompt=prompt)

    async def read(self, *, task_id: str) -> TaskStatus:
        body = await self._carrier.read(path=self._dialect.read_path(task_id))
        status = self._dialect.read_status(body)
        if isinstance(status, Pending):
            self._notice(self._dialect.read_word(body) or "")
        return self._cleaned(status)

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """One request for several tasks, where the provider lists them; those it does not name are left out.

        Raises ProviderBusyError.
        """
        if self._dialect.list_path is None or self._dialect.read_list is None:
            return {}
        body = await self._carrier.read(path=self._dialect.list_path(task_ids))
        statuses = self._dialect.read_list(body)
        return {task_id: self._cleaned(status) for task_id, status in statuses.items() if task_id in task_ids}

    async def cancel(self, *, task_id: str) -> bool:
        """Asked only while the task waits: to delete a finished one may lose its clip."""
        if self._dialect.cancel_path is None:
            return False
        try:
            if await self._word(task_id) not in QUEUED:
                return False
            is_taken = await self._carrier.delete(path=self._dialect.cancel_path(task_id))
            return is_taken and await self._word(task_id) in CANCELLED
        except (ProviderBusyError, TaskGoneError):
            return False

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
