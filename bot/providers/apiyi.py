"""The `seedance/v1/videos` API, which APIYI serves; text, an image or references go in.

Its facts: specification of `apiyi` (2026-04-14).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from urllib.parse import quote

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, rendered_prompt
from bot.domain.pricing import PerSecond
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Kind, Slot, mentions
from bot.ports.outside import TaskStatus
from bot.providers.account import Dialect, bearer
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

_SOURCE = "specification of `apiyi` (2026-04-14), its beta"
_DATED = date(2026, 4, 14)


class Shape(StrEnum):
    """What goes in: words alone, an image that the clip begins with, or references."""

    TEXT = "text"
    IMAGE = "image"
    REFERENCES = "references"


PATHS: Mapping[str, str] = dict.fromkeys(Shape, "/videos")
"""They are called endpoints of their own, yet only this path is printed."""


def _price(least_micros: int, micros: int) -> PerSecond:
    return PerSecond(least_micros=least_micros, micros=micros, source=_SOURCE, dated=_DATED)


CAPABILITIES = Capabilities(
    provider="apiyi",
    title="APIYI",
    source=f"{_SOURCE}. Each tier is priced at its own resolution; smaller ones are quoted at the same price.",
    read_on=date(2026, 11, 20),
    tiers={
        Tier.FAST: TierRow(model="seedance-2.0-fast", resolutions=("720p", "480p"), price=_price(10_000, 20_000)),
        Tier.STANDARD: TierRow(
            model="seedance-2.0", resolutions=("1080p", "720p", "480p"), price=_price(50_000, 100_000)
        ),
        Tier.PRO: TierRow(
            model="seedance-2.0-pro", resolutions=("2k", "1080p", "720p", "480p"), price=_price(100_000, 150_000)
        ),
    },
    durations=range(4, 15 + 1),
    aspects=(Aspect.WIDE, Aspect.ULTRAWIDE, Aspect.CLASSIC, Aspect.SQUARE, Aspect.PORTRAIT, Aspect.TALL),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    references_total_max=12,
    frames=Frames(end=False),
    prompt_chars_max=2000,
    negative_prompt_chars_max=500,
    options=frozenset({Option.SEED, Option.NEGATIVE_PROMPT, Option.STYLE, Option.CAMERA_WITH_FRAME}),
    refuses_with=frozenset({500, 503}),  # after these it says to send again: two or three times, and after 30 s
    free_per_month={Tier.FAST: 20},
    paths=PATHS,
    max_concurrent=3,
    requests_per_second=2.0,
    typical_seconds=75,
    deadline_seconds=3600,
)


_TASKS = "/videos"

ROLES = {Kind.IMAGE: "subject", Kind.VIDEO: "motion", Kind.AUDIO: "audio"}
_ROLE = re.compile(
    r"(?P<mention>(?<![\w@])@(?:image|video|audio)\d{1,4})\s*\((?P<role>subject|environment|motion|audio)\)",
    re.IGNORECASE,
)
"""`@Image2 (environment)`: what a reference is for, said in the prompt."""


def shape_of(plan: Plan) -> Shape:
    if plan.at(Frame.FIRST) is not None:
        return Shape.IMAGE
    return Shape.REFERENCES if plan.slotted else Shape.TEXT


def to_payload(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    """The request's body; `links` gives each reference's address by content hash."""
    return {**_decided(plan), **_optional(plan), **_files(plan, links)}


def _decided(plan: Plan) -> dict[str, object]:
    return {
        "model": plan.model,
        "prompt": prompt_of(plan),
        "resolution": plan.resolution,
        "duration": plan.duration_seconds,
        "aspect_ratio": plan.aspect.value,
        "audio": plan.sound,
    }


def _optional(plan: Plan) -> dict[str, object]:
    fields = {
        "seed": plan.seed,
        "negative_prompt": plan.negative_prompt,
        "style": plan.style and plan.style.value,
        "camera_motion": plan.camera and plan.camera.value,
    }
    return {field: value for field, value in fields.items() if value is not None}


def _files(plan: Plan, links: dict[str, str]) -> dict[str, object]:
    first = plan.at(Frame.FIRST)
    if first is not None:
        return {"image_url": links[first.sha256]}
    roles = _roles(plan.prompt)
    references = [
        {"type": slot.kind.word, "role": roles.get(slot, ROLES[slot.kind]), "url": links[one.sha256]}
        for slot, one in plan.slotted
    ]
    return {"references": references} if references else {}


def _roles(prompt: str) -> dict[Slot, str]:
    """The roles that the prompt gives; of two for one reference the first counts."""
    found = [(mentions(match["mention"])[0], match["role"].lower()) for match in _ROLE.finditer(prompt)]
    return dict(reversed(found))


def prompt_of(plan: Plan) -> str:
    """The words without the roles, which have a field of their own."""
    return rendered_prompt(replace(plan, prompt=_ROLE.sub(r"\g<mention>", plan.prompt)), CAPABILITIES)


def read_status(body: bytes) -> TaskStatus:
    """Raises ProviderBusyError for a body that is no task."""
    task = parse_object(body) or {}
    return status_of(
        read_word(body),
        title=CAPABILITIES.title,
        video=lambda: link_in(task.get("output")),
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
    base_url="https://api.apiyi.com/seedance/v1",
    headers=bearer,
    submit_path=shape_of,
    to_payload=to_payload,
    read_task_id=read_task_id,
    read_refusal=read_refusal,
    read_path=lambda task_id: f"{_TASKS}/{quote(task_id, safe='')}",
    read_word=read_word,
    read_status=read_status,
    prompt_of=prompt_of,
)
