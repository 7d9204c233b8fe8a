"""Clips that continue one another: what a continuation inherits, and what a chain comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.jobs import Job
from bot.domain.references import Reference
from bot.domain.requests import Aspect, Request, Tier
from bot.domain.slots import Frame, Kind, Slot, mentions

KEPT = "kept:"
"""The source of a reference that is on our disk already; its content hash follows."""
PREVIEWER = "animatic"
"""The provider that draws storyboards."""
VIDEO_1 = Slot(kind=Kind.VIDEO, number=1)
CHANGE = f"Change {VIDEO_1}: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """The wish of `/extend`; None inherits from the clip before, `references` come beside its last frame."""

    prompt: str
    duration_seconds: int | None = None
    tier: Tier | None = None
    aspect: Aspect | None = None
    resolution: str | None = None
    sound: bool | None = None
    seed: int | None = None
    references: tuple[Reference, ...] = ()


def last_frame_of(parent: Job) -> Reference:
    """The first frame of whatever continues it. ValueError for a clip whose last frame was not kept."""
    if parent.last_frame is None:
        raise ValueError(f"job {parent.id} has no last frame")
    name = "the last frame before"
    return Reference(place=Frame.FIRST, name=name, source=f"{KEPT}{parent.last_frame}", declared_bytes=0, is_taken=True)


def frame_of_video(*, name: str, source: str, size_bytes: int) -> Reference:
    """The last frame of anybody's video."""
    return Reference(place=Frame.FIRST, name=name, source=source, declared_bytes=size_bytes, is_taken=True)


def continued(parent: Job, wish: Continuation) -> Request:
    """Tier, seed, aspect and resolution go on as they were unless the wish says otherwise."""
    plan = parent.plan
    request = begun_from(last_frame_of(parent), wish)
    if plan is None:
        return request
    # Another tier may not have the resolution of this one.
    resolution = plan.resolution if wish.tier in {None, plan.tier} else None
    return replace(
        request,
        tier=wish.tier or plan.tier,
        seed=plan.seed if wish.seed is None else wish.seed,
        aspect=wish.aspect or plan.aspect,
        resolution=wish.resolution or resolution,
        provider=parent.request.provider,
    )


def begun_from(frame: Reference, wish: Continuation) -> Request:
    """A request whose first frame comes from elsewhere, with nothing to inherit."""
    return Request(
        prompt=wish.prompt,
        references=(frame, *wish.references),
        duration_seconds=wish.duration_seconds,
        tier=wish.tier,
        aspect=wish.aspect,
        resolution=wish.resolution,
        sound=wish.sound,
        seed=wish.seed,
    )


def changed(*, prompt: str, name: str, source: str, size_bytes: int) -> Request:
    """A video that goes back as @Video1 with what shall be different; a prompt that does not name it is given that."""
    video = Reference(place=VIDEO_1, name=name, source=source, declared_bytes=size_bytes)
    named = prompt if VIDEO_1 in mentions(prompt) else f"{CHANGE}{prompt}"
    return Request(prompt=named, references=(video,))


def seconds_of(chain: Sequence[Job]) -> int:
    """Of output asked for."""
    return sum(job.plan.duration_seconds for job in chain if job.plan is not None)


def micros_of(chain: Sequence[Job]) -> int:
    """What was charged."""
    return sum(job.cost_micros or 0 for job in chain)


def path_in(family: Sequence[Job], job_id: int) -> list[Job]:
    """From the first clip to this one."""
    by_id = {job.id: job for job in family}
    path: list[Job] = []
    here = by_id.get(job_id)
    while here is not None:
        path.append(here)
        here = by_id.get(here.parent_id or 0)
    return path[::-1]
