"""The `/generate` and `/status/{job_id}` API: at most five images go in, as base64, and silent clips come out.

Its facts: specification of `byteplus` (2025).
"""

from datetime import date
from urllib.parse import quote

from bot.domain.capabilities import Capabilities, Frames, TierRow, Transport, rendered_prompt
from bot.domain.pricing import PerSecondByResolution
from bot.domain.references import MEGABYTE, ReferenceRules
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Kind
from bot.ports.outside import TaskStatus
from bot.providers.account import Dialect, bearer
from bot.providers.bodies import source_of
from bot.providers.reading import (
    Refusal,
    failed,
    link_in,
    parse_object,
    reason_in,
    status_of,
    task_id_in,
    word_in,
)

_PRICE = PerSecondByResolution(
    micros={"720p": 40_000, "1080p": 120_000},
    source=(
        "specification of `byteplus` (mid-2025): about $0.20 for 5 s at 720p; $0.08–0.12 a second at 1080p, "
        "of which the upper end is quoted"
    ),
    dated=date(2025, 7, 1),
)
CAPABILITIES = Capabilities(
    provider="byteplus",
    title="BytePlus",
    source=(
        "specification of `byteplus` (mid-2025), which knows one model. "
        "Limits per account are not documented: modest ones stand here."
    ),
    read_on=date(2026, 11, 20),
    tiers={Tier.STANDARD: TierRow(model="seedance-2.0", resolutions=("720p", "1080p"), price=_PRICE)},
    durations=(5, 10),
    aspects=(Aspect.WIDE, Aspect.TALL, Aspect.SQUARE),
    sound_available=False,
    references_max={Kind.IMAGE: 5, Kind.VIDEO: 0, Kind.AUDIO: 0},
    references_total_max=5,
    references_bytes_max=30 * MEGABYTE,
    transports={Kind.IMAGE: (Transport.BASE64,)},
    frames=Frames(first=False, end=False),
    rules=ReferenceRules(image_formats=("jpeg", "png", "webp"), image_bytes_max=10 * MEGABYTE),
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=90,
    deadline_seconds=3600,
)

_SUBMIT, _STATUS = "/generate", "/status"


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body. There is no field for the model, for there is but one."""
    body: dict[str, object] = {
        "prompt": rendered_prompt(plan, CAPABILITIES),
        "resolution": plan.resolution,
        "duration": plan.duration_seconds,
        "aspect_ratio": plan.aspect.value,
    }
    images = [source_of(one, links, CAPABILITIES) for _, one in plan.slotted]
    return body | {"reference_images": images} if images else body


def read_status(body: bytes) -> TaskStatus:
    """Raises ProviderBusyError for a body that is no task."""
    task = parse_object(body) or {}
    return status_of(
        read_word(body),
        title=CAPABILITIES.title,
        video=lambda: link_in(task),
        failure=lambda: failed(reason_in(task.get("error"))),
    )


def read_word(body: bytes) -> str | None:
    return word_in((parse_object(body) or {}).get("status"))


def read_task_id(body: bytes) -> str | None:
    return task_id_in((parse_object(body) or {}).get("job_id"))


def read_refusal(body: bytes) -> Refusal:
    """No body of an error is printed: the words are where a failed task has them, or a usual member."""
    answer = parse_object(body) or {}
    return Refusal(reason=reason_in(answer.get("error")) or reason_in(answer))


DIALECT = Dialect(
    capabilities=CAPABILITIES,
    base_url="https://api.byteplus.com/seedance/v1",
    headers=bearer,
    submit_path=lambda _: _SUBMIT,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"{_STATUS}/{quote(task_id, safe='')}",
    read_word=read_word,
    read_status=read_status,
)
