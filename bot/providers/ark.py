"""The content generation tasks of BytePlus ModelArk and Volcengine Ark; APIYI's current route speaks it too.

Its facts: docs.byteplus.com/en/docs/ModelArk/1520757, /1299023 and /1330310 and the types of the official SDK
`byteplus-python-sdk-v2` 3.0.63, read 2026-11-20; docs.powertokens.ai and docs.ai-tokenhub.com mirror its error codes.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import quote, urlencode

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, Transport, rendered_prompt
from bot.domain.pricing import PerToken
from bot.domain.references import StoredReference
from bot.domain.requests import Aspect, Camera, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import Succeeded, TaskStatus
from bot.providers.account import Dialect, bearer, callback_as
from bot.providers.bodies import source_of
from bot.providers.reading import (
    FAILED,
    SUCCEEDED,
    Refusal,
    Trouble,
    failed,
    link_in,
    object_in,
    parse_object,
    reason_in,
    status_of,
    task_id_in,
    word_in,
)

_READ_ON = date(2026, 11, 20)
_PRICE_SOURCE = (
    "the formula and the addition of reference video: docs.byteplus.com/en/docs/ModelArk/1520757. The price of a token "
    "differs per account: what fal.ai asks for the same model stands here, several times the published list"
)


def _price(micros_per_million: int, *resolutions: str) -> PerToken:
    return PerToken(
        micros_per_million=dict.fromkeys(resolutions, micros_per_million),
        source=_PRICE_SOURCE,
        dated=_READ_ON,
        is_estimate=True,
    )


CAPABILITIES = Capabilities(
    provider="ark",
    title="ModelArk",
    source=(
        "docs.byteplus.com/en/docs/ModelArk/1520757, /1299023, /1330310. "
        "Requests and tasks at once: specification of `apiyi` (2026-04)."
    ),
    read_on=_READ_ON,
    tiers={
        Tier.FAST: TierRow(
            model="dreamina-seedance-2-0-fast-260128",
            resolutions=("720p", "480p"),
            price=_price(11_200_000, "480p", "720p"),
        ),
        Tier.STANDARD: TierRow(
            model="dreamina-seedance-2-0-260128",
            resolutions=("720p", "480p", "1080p"),
            price=_price(14_100_000, "480p", "720p", "1080p"),
        ),
    },
    durations=range(4, 15 + 1),
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    transports={
        Kind.IMAGE: (Transport.LINK, Transport.DATA_URI),
        Kind.VIDEO: (Transport.LINK,),
        Kind.AUDIO: (Transport.LINK, Transport.DATA_URI),
    },
    frames=Frames(),
    options=frozenset({Option.SEED, Option.WATERMARK, Option.WEB_SEARCH, Option.CAMERA_FIXED, Option.LAST_FRAME}),
    cancels=True,
    lists=True,
    calls_back=True,
    retention_seconds=24 * 3600,
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=150,
    deadline_seconds=3600,
)

_TASKS = "/contents/generations/tasks"
_FRAME_ROLES = {Frame.FIRST: "first_frame", Frame.END: "last_frame"}
_ENDS = {"cancelled": "it was cancelled there", "expired": "it ran out of time there"}
_TROUBLES = {
    "MissingParameter": Trouble.BAD_REQUEST,
    "InvalidParameter": Trouble.BAD_REQUEST,
    "AuthenticationError": Trouble.AUTH,
    "AccountOverdueError": Trouble.PAYMENT,
    "ServiceOverdue": Trouble.PAYMENT,
    "AccessDenied": Trouble.FORBIDDEN,
    "ModelNotOpen": Trouble.FORBIDDEN,
    "ServiceNotOpen": Trouble.FORBIDDEN,
    "InvalidEndpoint": Trouble.FORBIDDEN,
    "InvalidEndpointOrModel": Trouble.FORBIDDEN,
    "ResourceNotFound": Trouble.NOT_FOUND,
    "TaskRunningCannotCancel": Trouble.CONFLICT,
    "RateLimitExceeded": Trouble.RATE_LIMITED,
    "ModelAccountRpmRateLimitExceeded": Trouble.RATE_LIMITED,
    "ModelAccountTpmRateLimitExceeded": Trouble.RATE_LIMITED,
    "ModelLoadingError": Trouble.RATE_LIMITED,
    "ServerOverloaded": Trouble.RATE_LIMITED,
    "QuotaExceeded": Trouble.CONCURRENCY,
    "SetLimitExceeded": Trouble.CONCURRENCY,
    "InternalServiceError": Trouble.SERVER,
}
"""By the part of a code before its first dot."""
_UNREACHABLE = ("download", "fetch", "not accessible", "unreachable")


# -- requests


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives addresses by content hash, and what has none goes in as a data URI."""
    text = {"type": "text", "text": rendered_prompt(plan, CAPABILITIES)}
    return {"model": plan.model, "content": [text, *_frames(plan, links), *_references(plan, links)], **_decided(plan)}


def _decided(plan: Plan) -> dict[str, object]:
    optional = {
        "seed": plan.seed,
        "camera_fixed": True if plan.camera is Camera.FIXED else None,
        "tools": [{"type": "web_search"}] if plan.web_search else None,
    }
    return {
        "resolution": plan.resolution,
        "ratio": "adaptive" if plan.aspect is Aspect.AUTO else plan.aspect.value,
        "duration": plan.duration_seconds,
        "generate_audio": plan.sound,
        "watermark": plan.watermark,
        "return_last_frame": True,
        **{field: value for field, value in optional.items() if value is not None},
    }


def _frames(plan: Plan, links: dict[str, str]) -> list[dict[str, object]]:
    found = {role: plan.at(frame) for frame, role in _FRAME_ROLES.items()}
    return [_item(Kind.IMAGE, role, one, links) for role, one in found.items() if one is not None]


def _references(plan: Plan, links: dict[str, str]) -> list[dict[str, object]]:
    return [_item(slot.kind, f"reference_{slot.kind.word}", one, links) for slot, one in plan.slotted]


def _item(kind: Kind, role: str, one: StoredReference, links: dict[str, str]) -> dict[str, object]:
    name = f"{kind.word}_url"
    return {"type": name, name: {"url": source_of(one, links, CAPABILITIES)}, "role": role}


# -- answers


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("id"))


def read_word(body: bytes) -> str | None:
    return word_in((parse_object(body) or {}).get("status"))


def read_status(body: bytes) -> TaskStatus:
    """Where the task stands; ProviderBusyError for a body that is no task."""
    return _status(parse_object(body) or {})


def read_list(body: bytes) -> Mapping[str, TaskStatus]:
    """The tasks of `{"items": […], "total": …}` by id; one that ended well counts only with its link."""
    items = (parse_object(body) or {}).get("items")
    tasks = [object_in(one) for one in items] if isinstance(items, list) else []
    named = {task_id_in(task.get("id")): task for task in tasks if word_in(task.get("status")) is not None}
    statuses = {task_id: _status(task) for task_id, task in named.items() if task_id is not None}
    return {task_id: status for task_id, status in statuses.items() if _is_whole(named[task_id], status)}


def _is_whole(task: Mapping[str, object], status: TaskStatus) -> bool:
    return isinstance(status, Succeeded) or word_in(task.get("status")) not in SUCCEEDED


def _status(task: Mapping[str, object]) -> TaskStatus:
    word, content, error = word_in(task.get("status")), object_in(task.get("content")), task.get("error")
    reason = reason_in(error) or (_ENDS.get(word or "", "") if word in FAILED else "")
    return status_of(
        word,
        title=CAPABILITIES.title,
        video=lambda: link_in(content.get("video_url")),
        failure=lambda: failed(reason, moderation=_is_moderated(object_in(error).get("code"))),
        last_frame=lambda: link_in(content.get("last_frame_url")),
    )


def read_refusal(body: bytes) -> Refusal:
    """A body `{"error": {"code": …, "message": …, "param": …, "type": …}}`."""
    error = object_in((parse_object(body) or {}).get("error"))
    return Refusal(reason=reason_in(error), trouble=_trouble(error.get("code"), reason_in(error.get("message"))))


def _trouble(code: object, message: str) -> Trouble | None:
    if not isinstance(code, str):
        return None
    if _is_moderated(code):
        return Trouble.MODERATION
    trouble = _TROUBLES.get(code.partition(".")[0])
    if trouble is Trouble.BAD_REQUEST and "content[" in message:
        is_unreachable = any(word in message.lower() for word in _UNREACHABLE)
        return Trouble.MEDIA_UNREACHABLE if is_unreachable else Trouble.MEDIA_REJECTED
    return trouble


def _is_moderated(code: object) -> bool:
    return isinstance(code, str) and ("Sensitive" in code or "RiskDetection" in code)


def list_path(task_ids: Sequence[str]) -> str:
    query = [("page_num", "1"), ("page_size", str(max(len(task_ids), 1)))]
    return f"{_TASKS}?{urlencode([*query, *(('filter.task_ids', task_id) for task_id in task_ids)])}"


def _task_path(task_id: str) -> str:
    return f"{_TASKS}/{quote(task_id, safe='')}"


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://ark.ap-southeast.bytepluses.com/api/v3",
    headers=bearer,
    submit_path=lambda _: _TASKS,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=_task_path,
    read_word=read_word,
    read_status=read_status,
    with_callback=callback_as("callback_url"),
    cancel_path=_task_path,
    list_path=list_path,
    read_list=read_list,
)
