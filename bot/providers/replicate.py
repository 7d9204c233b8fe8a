"""Replicate's predictions: one for each clip, at the model's own address.

Its facts: replicate.com/bytedance/seedance-2.0 and /seedance-2.0-fast (their API schema),
replicate.com/docs/topics/predictions/lifecycle, …/rate-limits and …/data-retention,
replicate.com/docs/topics/webhooks/receive-webhook, replicate.com/changelog/2025-10-16-prediction-deadlines and the
official SDK `replicate` 1.0.7, read 2026-11-20.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import quote

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, rendered_prompt
from bot.domain.pricing import PerToken
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import TaskStatus
from bot.providers.account import Dialect, Payload, bearer
from bot.providers.reading import (
    CANCELLED,
    NO_LINK,
    Refusal,
    failed,
    link_in,
    parse_object,
    reason_in,
    status_of,
    task_id_in,
    word_in,
)
from bot.providers.signatures import ReplicateSignature

_READ_ON = date(2026, 11, 20)


def _price(micros_per_million: int) -> PerToken:
    return PerToken(
        micros_per_million=dict.fromkeys(("480p", "720p"), micros_per_million),
        source=(
            "an estimate: Replicate bills by the second and prints no figure that was found. Well above what fal.ai "
            "asks for the same model, reference video counted in full"
        ),
        dated=_READ_ON,
        is_estimate=True,
    )


CAPABILITIES = Capabilities(
    provider="replicate",
    title="Replicate",
    source=(
        "replicate.com/bytedance/seedance-2.0 (API schema), whose lists of resolutions and aspects are not printed: "
        "what its examples and the other hosts of the model have; 600 predictions a minute. "
        "How many may run at once is not documented: a modest figure stands here."
    ),
    read_on=_READ_ON,
    tiers={
        Tier.FAST: TierRow(model="bytedance/seedance-2.0-fast", resolutions=("720p", "480p"), price=_price(16_000_000)),
        Tier.STANDARD: TierRow(model="bytedance/seedance-2.0", resolutions=("720p", "480p"), price=_price(20_000_000)),
    },
    durations=range(4, 15 + 1),  # its schema says -1 (the model chooses) to 15; other hosts say that 4 s is the least
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    frames=Frames(),
    mention_template="[{kind}{number}]",
    options=frozenset({Option.SEED}),
    cancels=True,
    lists=True,
    calls_back=True,
    retention_seconds=3600,
    max_concurrent=3,
    requests_per_second=10.0,
    typical_seconds=120,
    deadline_seconds=3600,
)

_PREDICTIONS = "/predictions"
_SPELLINGS = {Aspect.AUTO: "adaptive"}
_FRAMES = {"image": Frame.FIRST, "last_frame_image": Frame.END}
_LISTS = {"reference_images": Kind.IMAGE, "reference_videos": Kind.VIDEO, "reference_audios": Kind.AUDIO}
_SHORTENED = (NO_LINK, failed(""))
_NEVER_RAN = CANCELLED | {"aborted"}
_ENDS = {"canceled": "it was cancelled there", "aborted": "it was stopped there before it began"}


# -- requests


def submit_path(plan: Plan) -> str:
    return f"/models/{plan.model}/predictions"


def to_payload(plan: Plan, links: dict[str, str]) -> Payload:
    """The request's body; `links` gives each reference's address by content hash."""
    return {"input": {**_decided(plan), **_frames(plan, links), **_references(plan, links)}}


def _decided(plan: Plan) -> Payload:
    decided: Payload = {
        "prompt": rendered_prompt(plan, CAPABILITIES),
        "duration": plan.duration_seconds,
        "resolution": plan.resolution,
        "aspect_ratio": _SPELLINGS.get(plan.aspect, plan.aspect.value),
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
    """Called once, at the end."""
    return path, payload | {"webhook": address, "webhook_events_filter": ["completed"]}


def _task_path(task_id: str) -> str:
    return f"{_PREDICTIONS}/{quote(task_id, safe='')}"


# -- answers


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("id"))


def read_word(body: bytes) -> str | None:
    return word_in((parse_object(body) or {}).get("status"))


def read_status(body: bytes) -> TaskStatus:
    """Where the prediction stands; ProviderBusyError for a body that is none."""
    return _status(parse_object(body) or {})


def _status(prediction: Mapping[str, object]) -> TaskStatus:
    word = word_in(prediction.get("status"))
    reason = reason_in(prediction.get("error")) or _ENDS.get(word or "", "")
    return status_of(
        word,
        title=CAPABILITIES.title,
        video=lambda: link_in(prediction.get("output")),
        failure=lambda: failed(reason),
    )


def list_path(task_ids: Sequence[str]) -> str:  # noqa: ARG001 (the list cannot be asked for certain predictions)
    """The newest page: what it no longer holds is asked for by itself."""
    return _PREDICTIONS


def read_list(body: bytes) -> Mapping[str, TaskStatus]:
    """The predictions of one page. An end without clip or reason is left out: the page may shorten what its own has."""
    results = (parse_object(body) or {}).get("results")
    listed = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    statuses = {str(one.get("id")): _status(one) for one in listed if one.get("status") is not None}
    return {task_id: status for task_id, status in statuses.items() if status not in _SHORTENED}


def read_refusal(body: bytes) -> Refusal:
    """A body `{"type", "title", "status", "detail", "instance"}`; its HTTP status tells which trouble it is."""
    answer = parse_object(body) or {}
    return Refusal(reason=reason_in(answer.get("detail")) or reason_in(answer.get("title")))


def is_cancelled(body: bytes) -> bool:
    """The prediction as it is after the request to stop: only one that never began costs nothing for certain."""
    prediction = parse_object(body) or {}
    return word_in(prediction.get("status")) in _NEVER_RAN and prediction.get("started_at") is None


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://api.replicate.com/v1",
    headers=bearer,
    submit_path=submit_path,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=_task_path,
    read_word=read_word,
    read_status=read_status,
    with_callback=with_callback,
    signature=ReplicateSignature,
    cancel_path=lambda task_id: f"{_task_path(task_id)}/cancel",
    cancel_method="POST",
    is_cancelled=is_cancelled,
    list_path=list_path,
    read_list=read_list,
)
