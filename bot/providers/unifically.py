"""Unifically's tasks API.

Its facts: specification of `unifically` (2026); docs.unifically.com/api-reference/v1-tasks, read 2026-11-20.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

import structlog

from bot.domain.capabilities import Capabilities, TierRow
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind, dense_names, rewrite_mentions
from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus, WireRequest
from bot.providers.http import READ_SECONDS, SUBMIT_SECONDS, Carrier, Clients, parse_object, scrub

BASE_URL = "https://api.unifically.com"
_MICROS_PER_SECOND = 80_000
CAPABILITIES = Capabilities(
    provider="unifically",
    title="Unifically",
    source=(
        "specification of `unifically` (2026); docs.unifically.com, read 2026-11-20. "
        "Limits per account are not documented: modest ones stand here."
    ),
    tiers={
        Tier.FAST: TierRow(
            model="bytedance/seedance-2.0-fast", resolutions=("720p",), micros_per_second=_MICROS_PER_SECOND
        ),
        Tier.PRO: TierRow(
            model="bytedance/seedance-2.0-pro", resolutions=("720p",), micros_per_second=_MICROS_PER_SECOND
        ),
    },
    durations=tuple(range(4, 15 + 1)),
    aspects=(Aspect.WIDE, Aspect.TALL, Aspect.SQUARE, Aspect.CLASSIC),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    options=frozenset({"seed"}),
    silent_with_audio=False,  # one key holds the sounds or `false`
    frames_with_references=False,
    first_frame_alone=False,  # inferred: only the pair is documented
    takes_links_only=True,
    mention_template="@{kind}{number}",
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=90,
    deadline_seconds=3600,
)

_TASKS = "/v1/tasks"
_TASK_ID_CHARS_MAX = 200
_NOTICED_MAX = 20
_MODERATED = "[content policy violation]"
_RUNNING = frozenset({"pending", "queued", "processing", "running", "in_progress", "submitted", "starting"})
_SUCCEEDED = frozenset({"completed", "complete", "success", "succeed", "succeeded", "finished", "done"})
_FAILED = frozenset(
    {"failed", "failure", "fail", "error", "cancelled", "canceled", "expired", "aborted", "rejected", "timeout"}
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives each reference's address by content hash."""
    return {"model": plan.model, "input": {**_decided(plan), **_frames(plan, links), **_references(plan, links)}}


def _decided(plan: Plan) -> dict[str, object]:
    decided: dict[str, object] = {
        "prompt": _prompt(plan),
        "duration": plan.duration_seconds,
        "aspect_ratio": plan.aspect.value,
    }
    if plan.seed is not None:
        decided["seed"] = plan.seed
    if not plan.sound:
        decided["audio"] = False
    return decided


def _prompt(plan: Plan) -> str:
    """Mentions count the references sent: where there is no `@Image2`, `@Image3` becomes it."""
    return rewrite_mentions(plan.prompt, dense_names([slot for slot, _ in plan.slotted], CAPABILITIES.mention_template))


def _frames(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    fields = {"start_frame_url": plan.at(Frame.FIRST), "end_frame_url": plan.at(Frame.END)}
    return {field: links[one.sha256] for field, one in fields.items() if one is not None}


def _references(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    fields = {"images": Kind.IMAGE, "videos": Kind.VIDEO, "audio": Kind.AUDIO}
    listed = {
        field: [links[one.sha256] for slot, one in plan.slotted if slot.kind is kind] for field, kind in fields.items()
    }
    return {field: addresses for field, addresses in listed.items() if addresses}


def read_status(body: bytes) -> TaskStatus:
    """Where the task stands, by its own status only; the envelope's `code` says 400 of healthy tasks.

    Raises ProviderBusyError for a body that is no task.
    """
    task = _data(body)
    word = _word(task)
    if word is None:
        raise ProviderBusyError("Unifically answered something that is not a task")
    if word in _SUCCEEDED:
        link = _link(task.get("output"))
        return Succeeded(video=link) if link else Failed(reason="it reported success but gave no link to the clip")
    if word in _FAILED:
        return _failed(task.get("error")) or Failed(reason="it gave no reason")
    return Pending()


def read_task_id(body: bytes) -> str | None:
    task_id = _data(body).get("task_id")
    fits = isinstance(task_id, str) and task_id.isprintable() and 0 < len(task_id.strip()) <= _TASK_ID_CHARS_MAX
    return str(task_id) if fits else None


def read_refusal(body: bytes) -> Failed:
    """The words of a body `{"code": …, "data": {"message": …, "code": …}}`; empty where there are none."""
    data = _data(body)
    return _failed(data.get("message")) or _failed(data.get("error")) or Failed(reason="")


def _data(body: bytes) -> dict[str, object]:
    data = (parse_object(body) or {}).get("data")
    return data if isinstance(data, dict) else {}


def _word(task: dict[str, object]) -> str | None:
    status = task.get("status")
    return None if status is None else str(status).strip().lower().removeprefix("task_status_")


def _link(output: object) -> str | None:
    """The clip's address: `output.video_url`; also a bare link or a list, for a paid clip is not lost to a shape."""
    match output:
        case {"video_url": [first, *_]} | {"video_url": first} | [{"video_url": first}, *_] | [first, *_]:
            link = first
        case _:
            link = output
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else None


def _failed(error: object) -> Failed | None:
    """The error may be a text, an object or null."""
    said = error.get("message") or error.get("code") if isinstance(error, dict) else error
    if not isinstance(said, str) or not said.strip():
        return None
    return Failed(reason=scrub(said, ()), moderation=said.strip().lower().startswith(_MODERATED))


class Unifically:
    """One account at Unifically. `base_urls` holds the first address and its backups."""

    def __init__(
        self,
        *,
        clients: Clients,
        base_urls: Sequence[str],
        api_key: str,
        account: str,
        capabilities: Capabilities = CAPABILITIES,
        submit_seconds: float = SUBMIT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise ValueError(f"the key of {account} holds characters that no header can carry")
        self._capabilities = capabilities
        self._account = account
        self._noticed: set[str] = set()
        self._base = base_urls[0].rstrip("/")
        self._carrier = Carrier(
            clients=clients,
            base_urls=base_urls,
            title=capabilities.title,
            account=account,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            secrets=(api_key,),
            read_task_id=read_task_id,
            read_refusal=read_refusal,
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
        return WireRequest(
            method="POST",
            url=self._base + _TASKS,
            headers={
                "Authorization": "Bearer ***",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            body=to_payload(plan, links),
        )

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str]) -> str:
        payload = to_payload(plan, links)
        return await self._carrier.submit(path=_TASKS, payload=payload, attempt_id=attempt_id, prompt=_prompt(plan))

    async def read(self, *, task_id: str) -> TaskStatus:
        body = await self._carrier.read(path=f"{_TASKS}/{quote(task_id, safe='')}")
        status = read_status(body)
        if isinstance(status, Failed):
            return replace(status, reason=self._carrier.clean(status.reason))
        if isinstance(status, Pending):
            self._notice(_word(_data(body)) or "")
        return status

    async def cancel(self, *, task_id: str) -> bool:  # noqa: ARG002 (the port's signature)
        """No way to cancel is documented."""
        return False

    def _notice(self, word: str) -> None:
        """Log a status that the documents do not have, once."""
        if word not in _RUNNING | self._noticed and len(self._noticed) < _NOTICED_MAX:
            self._noticed.add(word)
            log.warning("status unknown", provider=self._capabilities.provider, status=self._carrier.clean(word))
