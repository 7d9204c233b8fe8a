"""Unifically's tasks API.

Its facts: specification of `unifically` (2026); docs.unifically.com/api-reference/v1-tasks, read 2026-11-20.
"""

from datetime import date
from urllib.parse import quote

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, rendered_prompt
from bot.domain.pricing import PerSecond
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind
from bot.ports.outside import Failed, TaskStatus
from bot.providers.account import Dialect, bearer, callback_as
from bot.providers.reading import (
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

_PRICE = PerSecond(
    micros=80_000,
    source="specification of `unifically` (2026): Pro and Fast alike, sound included",
    dated=date(2026, 1, 1),
)
CAPABILITIES = Capabilities(
    provider="unifically",
    title="Unifically",
    source=(
        "specification of `unifically` (2026); docs.unifically.com. "
        "Limits per account are not documented: modest ones stand here."
    ),
    read_on=date(2026, 11, 20),
    tiers={
        Tier.FAST: TierRow(model="bytedance/seedance-2.0-fast", resolutions=("720p",), price=_PRICE),
        Tier.PRO: TierRow(model="bytedance/seedance-2.0-pro", resolutions=("720p",), price=_PRICE),
    },
    durations=range(4, 15 + 1),
    aspects=(Aspect.WIDE, Aspect.TALL, Aspect.SQUARE, Aspect.CLASSIC),
    silent_with_audio=False,  # one key holds the sounds or `false`
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    references_total_max=15,
    frames=Frames(first_alone=False),  # inferred: only the pair is documented
    mention_template="@{kind}{number}",
    options=frozenset({Option.SEED}),
    calls_back=True,
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=90,
    deadline_seconds=3600,
)

_TASKS = "/v1/tasks"
_MODERATED = "[content policy violation]"


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives each reference's address by content hash."""
    return {"model": plan.model, "input": {**_decided(plan), **_frames(plan, links), **_references(plan, links)}}


def _decided(plan: Plan) -> dict[str, object]:
    decided: dict[str, object] = {
        "prompt": rendered_prompt(plan, CAPABILITIES),
        "duration": plan.duration_seconds,
        "aspect_ratio": plan.aspect.value,
    }
    if plan.seed is not None:
        decided["seed"] = plan.seed
    if not plan.sound:
        decided["audio"] = False
    return decided


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
    return status_of(
        read_word(body),
        title=CAPABILITIES.title,
        video=lambda: link_in(task.get("output")),
        failure=lambda: _failed(reason_in(task.get("error"))),
    )


def read_word(body: bytes) -> str | None:
    return word_in(_data(body).get("status"))


def read_task_id(body: bytes) -> str | None:
    return task_id_in(_data(body).get("task_id"))


def read_called(_: Plan, body: bytes) -> str | None:
    """A callback has the id at its top: docs.unifically.com/api-reference/callbacks, read 2026-11-20."""
    return task_id_in((parse_object(body) or {}).get("task_id"))


def read_refusal(body: bytes) -> Refusal:
    """The words of a body `{"code": …, "data": {"message": …, "code": …}}`; empty where there are none."""
    data = _data(body)
    reason = reason_in(data.get("message")) or reason_in(data.get("error"))
    return Refusal(reason=reason, trouble=Trouble.MODERATION if _is_moderated(reason) else None)


def _data(body: bytes) -> dict[str, object]:
    return object_in((parse_object(body) or {}).get("data"))


def _failed(reason: str) -> Failed:
    return failed(reason, moderation=_is_moderated(reason))


def _is_moderated(reason: str) -> bool:
    return reason.lower().startswith(_MODERATED)


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://api.unifically.com",
    headers=bearer,
    submit_path=lambda _: _TASKS,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"{_TASKS}/{quote(task_id, safe='')}",
    read_word=read_word,
    read_status=read_status,
    read_called=read_called,
    with_callback=callback_as("callback_url"),
)
