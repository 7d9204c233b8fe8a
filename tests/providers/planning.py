"""Plans as a provider's row makes them of a wish and references that were never copied."""

from dataclasses import replace
from typing import Any

from bot.domain.capabilities import Capabilities, make_plan
from bot.domain.references import MediaInfo, Reference, StoredReference
from bot.domain.requests import Plan, Request
from bot.domain.slots import Frame, Kind, Place, kind_of, mentions

_FORMATS = {Kind.IMAGE: "jpeg", Kind.VIDEO: "mp4", Kind.AUDIO: "wav"}


def place_of(name: str) -> Place:
    """`@Image1` or `first_frame`."""
    return mentions(name)[0] if name.startswith("@") else Frame(name)


def stored(name: str, *, sha256: str = "", size_bytes: int = 100) -> StoredReference:
    """A reference that keeps every rule; its content hash is its place unless another is given."""
    place = place_of(name)
    kind = kind_of(place)
    info = MediaInfo(
        kind=kind,
        format=_FORMATS[kind],
        width=0 if kind is Kind.AUDIO else 1280,
        height=0 if kind is Kind.AUDIO else 720,
        duration_ms=0 if kind is Kind.IMAGE else 3000,
        codec="h264" if kind is Kind.VIDEO else "",
    )
    file = f"{place}.{info.format}"
    reference = Reference(place=place, name=file, source=f"https://cdn.example/{file}", declared_bytes=size_bytes)
    return StoredReference(reference=reference, sha256=sha256 or str(place), size_bytes=size_bytes, info=info)


def plan_for(row: Capabilities, prompt: str, *references: str | StoredReference, **options: Any) -> Plan:
    """The row's plan; the seed is 7 where it has one."""
    kept = [stored(one) if isinstance(one, str) else one for one in references]
    request = replace(Request(prompt=prompt, references=tuple(one.reference for one in kept)), **options)
    return make_plan(request=request, stored=kept, capabilities=row, draw_seed=lambda: 7)


def links_for(plan: Plan) -> dict[str, str]:
    return {one.sha256: f"https://bot.example/{one.sha256}" for one in plan.references}
