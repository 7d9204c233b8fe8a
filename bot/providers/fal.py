"""fal.ai's queue: a path for each mode, a status that only says that the end is there, and the result beside it.

Its facts: fal.ai/docs/model-api-reference/video-generation-api/bytedance-seedance-2.0-{text,image,reference}-to-video,
fal.ai/docs/documentation/model-apis/inference/queue, …/webhooks and /errors, and the official SDK `fal-client` 1.0.3,
read 2026-11-20; fal.ai/docs/inference-api/queue/cancel and docs.fal.ai/faq, read 2026-11-29.
"""

from collections.abc import Mapping
from datetime import date
from urllib.parse import quote, urlencode

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, rendered_prompt
from bot.domain.pricing import PerToken, VideoInputFactor
from bot.domain.references import ReferenceRules
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import ProviderBusyError, Succeeded, TaskStatus
from bot.providers.account import Dialect, Payload
from bot.providers.reading import (
    NO_LINK,
    SUCCEEDED,
    Elsewhere,
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
from bot.providers.signatures import FalSignature

_READ_ON = date(2026, 11, 20)
_PRICE_SOURCE = (
    "fal.ai/models/bytedance/seedance-2.0: per 1,000 tokens of output and reference video together, times 0.6 where "
    "video goes in. It prints what that comes to a second at 720p; 480p and 1080p follow from the formula"
)


def _price(micros_per_million: int, *resolutions: str) -> VideoInputFactor:
    per_token = PerToken(
        micros_per_million=dict.fromkeys(resolutions, micros_per_million), source=_PRICE_SOURCE, dated=_READ_ON
    )
    return VideoInputFactor(rule=per_token, percent=60, source=_PRICE_SOURCE, dated=_READ_ON)


_APP = "bytedance/seedance-2.0"
CAPABILITIES = Capabilities(
    provider="fal",
    title="fal.ai",
    source=(
        "fal.ai/docs/model-api-reference/video-generation-api/bytedance-seedance-2.0-text-to-video; docs.fal.ai/faq: "
        "a new account runs two at once, and files stay for seven days at least. "
        "Requests a second are not documented: a modest figure stands here."
    ),
    read_on=_READ_ON,
    tiers={
        Tier.FAST: TierRow(
            model=f"{_APP}/fast", resolutions=("720p", "480p"), price=_price(11_200_000, "480p", "720p")
        ),
        Tier.STANDARD: TierRow(
            model=_APP,
            resolutions=("720p", "480p", "1080p"),
            price=_price(14_000_000, "480p", "720p", "1080p"),
        ),
    },
    durations=range(4, 15 + 1),
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    references_total_max=12,
    frames=Frames(),
    mention_template="@{kind}{number}",
    options=frozenset({Option.SEED}),
    rules=ReferenceRules(image_formats=("jpeg", "png", "webp")),
    cancels=True,
    calls_back=True,
    retention_seconds=7 * 24 * 3600,
    max_concurrent=2,
    requests_per_second=2.0,
    typical_seconds=120,
    deadline_seconds=3600,
)

_FRAMES = {"image_url": Frame.FIRST, "end_image_url": Frame.END}
_LISTS = {"image_urls": Kind.IMAGE, "video_urls": Kind.VIDEO, "audio_urls": Kind.AUDIO}
_TROUBLES = {
    "content_policy_violation": Trouble.MODERATION,
    "file_download_error": Trouble.MEDIA_UNREACHABLE,
    "file_too_large": Trouble.MEDIA_REJECTED,
    "image_load_error": Trouble.MEDIA_REJECTED,
    "image_too_large": Trouble.MEDIA_REJECTED,
    "image_too_small": Trouble.MEDIA_REJECTED,
}
_UNPROCESSABLE = 422
_ENDS = frozenset({400, 413, 415, _UNPROCESSABLE, 500, 504})


# -- requests


def submit_path(plan: Plan) -> str:
    return f"/{plan.model}/{_mode(plan)}"


def _mode(plan: Plan) -> str:
    if plan.at(Frame.FIRST) is not None:
        return "image-to-video"
    return "reference-to-video" if plan.slotted else "text-to-video"


def to_payload(plan: Plan, links: dict[str, str]) -> Payload:
    """The request's body; `links` gives each reference's address by content hash."""
    return {**_decided(plan), **_frames(plan, links), **_references(plan, links)}


def _decided(plan: Plan) -> Payload:
    decided: Payload = {
        "prompt": rendered_prompt(plan, CAPABILITIES),
        "resolution": plan.resolution,
        "duration": str(plan.duration_seconds),
        "aspect_ratio": plan.aspect.value,
        "generate_audio": plan.sound,
    }
    return decided if plan.seed is None else decided | {"seed": plan.seed}


def _frames(plan: Plan, links: dict[str, str]) -> Payload:
    placed = {field: plan.at(frame) for field, frame in _FRAMES.items()}
    return {field: links[one.sha256] for field, one in placed.items() if one is not None}


def _references(plan: Plan, links: dict[str, str]) -> Payload:
    listed = {
        field: [links[one.sha256] for slot, one in plan.slotted if slot.kind is kind] for field, kind in _LISTS.items()
    }
    return {field: addresses for field, addresses in listed.items() if addresses}


def with_callback(path: str, payload: Payload, address: str) -> tuple[str, Payload]:
    return f"{path}?{urlencode({'fal_webhook': address})}", payload


def _task_path(task_id: str) -> str:
    """A task is asked for without the mode and tier that it was submitted with: they share one app."""
    return f"/{_APP}/requests/{quote(task_id, safe='')}"


# -- answers


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("request_id"))


def read_word(body: bytes) -> str | None:
    return word_in((parse_object(body) or {}).get("status"))


def read_status(body: bytes) -> TaskStatus | Elsewhere:
    """Where the task stands; ProviderBusyError for a body that is no task.

    `COMPLETED` with `error` or `error_type` has failed, and without them may still have: the result tells.
    """
    task, word = parse_object(body) or {}, read_word(body)
    error, kind = task.get("error"), task.get("error_type")
    end = failed(reason_in(error), moderation=_trouble(kind) is Trouble.MODERATION)
    if word in SUCCEEDED:
        return end if error or kind else RESULT
    return status_of(word, title=CAPABILITIES.title, video=lambda: None, failure=lambda: end)


def is_end(status: int, body: bytes) -> bool:
    """A refusal of the result is the task's own end where it names its error.

    Without a name it may say that the result is not there yet (400) or come of whatever stands in between (from 500
    on), and the clip be there the next time.
    """
    is_told = status == _UNPROCESSABLE and bool(read_refusal(body).reason)
    return status in _ENDS and (is_told or bool(_errors(body)))


def read_result(body: bytes) -> TaskStatus:
    """The clip, or an error body `{"detail": [{"loc", "msg", "type", …}]}`; ProviderBusyError for what is neither."""
    answer = parse_object(body)
    if answer is None:
        raise ProviderBusyError(f"{CAPABILITIES.title} answered something that is not a result")
    if "detail" in answer:
        refusal = read_refusal(body)
        return failed(refusal.reason, moderation=refusal.trouble is Trouble.MODERATION)
    link = link_in(answer.get("video"))
    return Succeeded(video=link) if link else NO_LINK


def read_refusal(body: bytes) -> Refusal:
    """The first error of `detail`, or its words where it is a text."""
    errors = _errors(body)
    first = errors[0] if errors else {}
    reason = reason_in(first) or reason_in((parse_object(body) or {}).get("detail"))
    return Refusal(reason=reason, trouble=_trouble(first.get("type")))


def _errors(body: bytes) -> list[Mapping[str, object]]:
    detail = (parse_object(body) or {}).get("detail")
    return [object_in(one) for one in detail if object_in(one)] if isinstance(detail, list) else []


def _trouble(kind: object) -> Trouble | None:
    return _TROUBLES.get(kind) if isinstance(kind, str) else None


def is_cancelled(body: bytes) -> bool:
    """`OK`: it was taken out of the queue. Anything else is a request to stop that may come too late."""
    return (parse_object(body) or {}).get("status") == "OK"


RESULT = Elsewhere(path=_task_path, is_end=is_end, read=read_result)
DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://queue.fal.run",
    headers=lambda key: {"Authorization": f"Key {key}"},
    submit_path=submit_path,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"{_task_path(task_id)}/status",
    read_word=read_word,
    read_status=read_status,
    with_callback=with_callback,
    signature=FalSignature,
    cancel_path=lambda task_id: f"{_task_path(task_id)}/cancel",
    cancel_method="PUT",
    is_cancelled=is_cancelled,
)
