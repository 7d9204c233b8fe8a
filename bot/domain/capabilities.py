"""What a provider can do, as data, and the plan that comes of a request."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from bot.domain.changes import frame_notes, offered
from bot.domain.pricing import PriceRule
from bot.domain.prompts import PromptAdvice, unmentioned
from bot.domain.references import MEGABYTE, ReferenceRules, StoredReference, check_audio_company, check_stored, slots_of
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import RESOLUTIONS, Aspect, Camera, Plan, Request, Tier
from bot.domain.slots import Frame, Kind, Place, Slot, dense_names, kind_of, rewrite_mentions

DURATION_DEFAULT_SECONDS = 5


class Transport(StrEnum):
    """How a reference reaches the provider."""

    LINK = "link"
    BASE64 = "base64"
    DATA_URI = "data_uri"
    FILE = "file"
    """It reads our own disk."""


BY_LINK: Mapping[Kind, tuple[Transport, ...]] = dict.fromkeys(Kind, (Transport.LINK,))


class Option(StrEnum):
    """An optional field of a request that a provider may have a place for."""

    SEED = "seed"
    NEGATIVE_PROMPT = "negative_prompt"
    STYLE = "style"
    CAMERA = "camera"
    CAMERA_WITH_FRAME = "camera_with_frame"
    """A field for camera motions, but only beside a first frame."""
    CAMERA_FIXED = "camera_fixed"
    WATERMARK = "watermark"
    WEB_SEARCH = "web_search"
    LAST_FRAME = "last_frame"
    """It gives the last frame as a picture when asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What may be done with a first and an end frame.

    `first_alone` False: a first frame without an end frame is sent, though nobody documents it.
    """

    first: bool = True
    first_alone: bool = True
    end: bool = True
    with_references: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One tier of a provider: its model, its resolutions (the first is its own), its price."""

    model: str
    resolutions: tuple[str, ...]
    price: PriceRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One provider's row: what is true of it, where that is written (`source`) and when it was read (`read_on`).

    `durations` is a set of seconds or a `range`. `sound_available` False: its clips are silent. `transports` names per
    kind what it takes, the preferred first. `mention_template` None: plain words, `Image 1`. `cancels`: a task can be
    stopped while it waits; `lists`: tasks can be listed; `calls_back`: it tells of an end by itself;
    `submits_repeatably`: the same attempt handed over twice is one task; `refuses_with`: the HTTP statuses from 500 on
    that say of a submit that it was not accepted, where the documents say so. Limits are per account, and so is
    `free_per_month`: so many calls of a tier cost the operator nothing. `retention_seconds` is how long a result stays,
    None where nobody says. `paths` gives the address of each shape of request, where a provider has several.
    """

    provider: str
    title: str
    source: str
    read_on: date
    tiers: Mapping[Tier, TierRow]
    durations: Sequence[int]
    aspects: tuple[Aspect, ...]
    sound_available: bool = True
    sound_switchable: bool = True
    silent_with_audio: bool = True
    references_max: Mapping[Kind, int]
    references_total_max: int | None = None
    references_bytes_max: int | None = None
    audio_needs_visual: bool = True
    transports: Mapping[Kind, tuple[Transport, ...]] = field(default_factory=lambda: BY_LINK)
    frames: Frames = Frames()
    mention_template: str | None = None
    prompt_chars_max: int | None = None
    negative_prompt_chars_max: int | None = None
    prompt_advice: PromptAdvice | None = None
    options: frozenset[Option] = frozenset()
    rules: ReferenceRules = field(default_factory=ReferenceRules)
    tells_progress: bool = False
    cancels: bool = False
    lists: bool = False
    calls_back: bool = False
    submits_repeatably: bool = False
    refuses_with: frozenset[int] = frozenset()
    retention_seconds: int | None = None
    free_per_month: Mapping[Tier, int] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    max_concurrent: int
    requests_per_second: float
    typical_seconds: int
    deadline_seconds: int

    def takes_link(self, kind: Kind) -> bool:
        return Transport.LINK in self.transports.get(kind, ())

    def needs_link(self, kind: Kind) -> bool:
        return self.transports.get(kind) == (Transport.LINK,)


def quote_micros(plan: Plan, capabilities: Capabilities) -> int:
    """The worst case in micro-dollars; never more than this is charged.

    Raises OptionUnsupportedError for what the operator has taken out of the row since the plan was made.
    """
    row = capabilities.tiers.get(plan.tier)
    has_size = (
        row is not None and plan.resolution in row.resolutions and plan.duration_seconds in capabilities.durations
    )
    if row is None or not has_size:
        asked = f"{plan.duration_seconds} s at {plan.resolution}"
        raise _unsupported(capabilities, f"{plan.tier} any more,", asked, "ask for the clip anew")
    return row.price.quote(plan)


def rendered_prompt(plan: Plan, capabilities: Capabilities) -> str:
    """The prompt with the provider's own mentions. They count the references sent: a lone `@Image3` is its first."""
    template = capabilities.mention_template or "{kind} {number}"
    return rewrite_mentions(plan.prompt, dense_names([slot for slot, _ in plan.slotted], template))


def default_duration(capabilities: Capabilities) -> int:
    """How long a clip is when nobody says."""
    return _nearest(DURATION_DEFAULT_SECONDS, capabilities)


def _nearest(wanted: int, capabilities: Capabilities) -> int:
    return min(capabilities.durations, key=lambda seconds: abs(seconds - wanted))


def make_plan(
    *, request: Request, stored: Sequence[StoredReference], capabilities: Capabilities, draw_seed: Callable[[], int]
) -> Plan:
    """Decide every option for one provider. Raises OptionUnsupportedError and the errors of `check_stored`."""
    _check_references(stored, capabilities)
    changes, after = offered(stored, capabilities.rules)
    warnings = check_stored(after, capabilities.rules)
    _check_bytes(after, capabilities)
    tier = _tier(request, capabilities)
    row = capabilities.tiers[tier]
    fields = _fields(request, stored, capabilities)
    _check_extras(request, capabilities)
    _check_sound(request, stored, capabilities)
    prompt, folded = _with_words(request, fields, capabilities)
    defaulted: list[str] = []
    return Plan(
        provider=capabilities.provider,
        model=row.model,
        tier=tier,
        prompt=prompt,
        duration_seconds=_duration(request, capabilities, defaulted),
        aspect=_aspect(request, stored, capabilities, defaulted),
        resolution=_resolution(request, row, capabilities),
        sound=_sound(request, capabilities, defaulted),
        seed=_seed(request, capabilities, draw_seed),
        watermark=bool(request.watermark),
        web_search=bool(request.web_search),
        camera=request.camera if "camera" in fields else None,
        style=request.style if "style" in fields else None,
        negative_prompt=request.negative_prompt,
        references=tuple(stored),
        changes=changes,
        notes=(
            *defaulted,
            *folded,
            *_advice(prompt, capabilities),
            *_unmentioned(request),
            *_of_frames(stored, capabilities),
            *warnings,
        ),
    )


def _unsupported(capabilities: Capabilities, option: str, asked: object, nearest: str) -> OptionUnsupportedError:
    return OptionUnsupportedError(provider=capabilities.title, asked=f"{option} {asked}".strip(), nearest=nearest)


def _listed(values: Iterable[object]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _check_references(stored: Sequence[StoredReference], capabilities: Capabilities) -> None:
    slots = slots_of(one.place for one in stored)
    for kind in Kind:
        count, limit = sum(slot.kind is kind for slot in slots), capabilities.references_max.get(kind, 0)
        if count > limit:
            asked = f"{count} {kind.word} reference{'s' if count > 1 else ''}"
            raise _unsupported(capabilities, asked, "", f"{limit} is the most" if limit else "it takes none")
    most = capabilities.references_total_max
    if most is not None and len(slots) > most:
        raise _unsupported(capabilities, f"{len(slots)} references", "together", f"{most} is the most")
    if capabilities.audio_needs_visual:
        check_audio_company([one.place for one in stored])
    _check_frames({one.place for one in stored} & set(Frame), slots, capabilities)


def _check_frames(frames: AbstractSet[Place], slots: Sequence[Slot], capabilities: Capabilities) -> None:
    able = capabilities.frames
    if frames and not able.first:
        raise _unsupported(capabilities, "a first frame", "", "attach the picture as @Image1 instead")
    if Frame.END in frames and not able.end:
        raise _unsupported(capabilities, "an end frame", "", "leave it out")
    if frames and slots and not able.with_references:
        asked = f"together with {slots[0]}"
        raise _unsupported(capabilities, "a first or end frame", asked, "use either frames or numbered references")


def _check_bytes(stored: Sequence[StoredReference], capabilities: Capabilities) -> None:
    total, most = sum(one.size_bytes for one in stored), capabilities.references_bytes_max
    if most is not None and total > most:
        asked = f"of {total / MEGABYTE:.1f} MB together"
        raise _unsupported(capabilities, "references", asked, f"{most / MEGABYTE:.0f} MB is the most")


def _tier(request: Request, capabilities: Capabilities) -> Tier:
    if request.tier is None:
        return Tier.FAST if Tier.FAST in capabilities.tiers else next(iter(capabilities.tiers))
    if request.tier not in capabilities.tiers:
        raise _unsupported(capabilities, "tier", request.tier, f"it has {_listed(capabilities.tiers)}")
    return request.tier


def _duration(request: Request, capabilities: Capabilities, notes: list[str]) -> int:
    allowed = capabilities.durations
    wanted = DURATION_DEFAULT_SECONDS if request.duration_seconds is None else request.duration_seconds
    if wanted in allowed:
        return wanted
    nearest = _nearest(wanted, capabilities)
    if request.duration_seconds is not None:
        raise _unsupported(capabilities, "a duration of", f"{wanted} s", f"the nearest is {nearest} s")
    notes.append(f"{capabilities.title} has no {wanted} s clips; {nearest} s is made instead.")
    return nearest


def _aspect(
    request: Request, stored: Sequence[StoredReference], capabilities: Capabilities, notes: list[str]
) -> Aspect:
    if request.aspect is not None:
        if request.aspect not in capabilities.aspects:
            raise _unsupported(capabilities, "aspect", request.aspect, f"it has {_listed(capabilities.aspects)}")
        return request.aspect
    has_first = any(one.place is Frame.FIRST for one in stored)
    wanted = Aspect.AUTO if has_first and Aspect.AUTO in capabilities.aspects else Aspect.WIDE
    if wanted in capabilities.aspects:
        return wanted
    notes.append(f"{capabilities.title} has no {wanted}; {capabilities.aspects[0]} is made instead.")
    return capabilities.aspects[0]


def _resolution(request: Request, row: TierRow, capabilities: Capabilities) -> str:
    if request.resolution is None:
        return row.resolutions[0]
    if request.resolution not in row.resolutions:
        nearest = f"it has {_listed(row.resolutions)} {_here(request.resolution, row, capabilities)}"
        raise _unsupported(capabilities, "resolution", request.resolution, nearest)
    return request.resolution


def _here(asked: str, here: TierRow, capabilities: Capabilities) -> str:
    """`here`, and where a tier of the same provider comes nearer, its name."""
    if asked not in RESOLUTIONS:
        return "here"
    known = sorted({size for row in capabilities.tiers.values() for size in row.resolutions}, key=RESOLUTIONS.index)
    nearest = min(known, key=lambda size: abs(RESOLUTIONS.index(size) - RESOLUTIONS.index(asked)))
    tiers = [tier for tier, row in capabilities.tiers.items() if nearest in row.resolutions]
    return "here" if nearest in here.resolutions else f"here, and {nearest} in {_listed(tiers)}"


def _sound(request: Request, capabilities: Capabilities, notes: list[str]) -> bool:
    if not capabilities.sound_available and request.sound is None:
        notes.append(f"{capabilities.title} makes silent clips.")
    return capabilities.sound_available and request.sound is not False


def _check_sound(request: Request, stored: Sequence[StoredReference], capabilities: Capabilities) -> None:
    if request.sound and not capabilities.sound_available:
        raise _unsupported(capabilities, "sound", "", "leave it out")
    if request.sound is False and capabilities.sound_available and not capabilities.sound_switchable:
        raise _unsupported(capabilities, "a silent clip", "", "leave sound on")
    with_audio = any(kind_of(one.place) is Kind.AUDIO for one in stored)
    if request.sound is False and with_audio and not capabilities.silent_with_audio:
        nearest = "leave sound on, or leave the audio references out"
        raise _unsupported(capabilities, "a silent clip", "with audio references", nearest)


def _check_extras(request: Request, capabilities: Capabilities) -> None:
    """Refuse what has no field here and cannot be put into words: nothing is dropped silently."""
    asked = {
        "a negative prompt": (Option.NEGATIVE_PROMPT, request.negative_prompt is not None),
        "a watermark": (Option.WATERMARK, request.watermark is True),
        "web search": (Option.WEB_SEARCH, request.web_search is True),
        "a seed": (Option.SEED, request.seed is not None),
    }
    for words, (option, is_asked) in asked.items():
        if is_asked and option not in capabilities.options:
            raise _unsupported(capabilities, words, "", "leave it out")
    length, most = len(request.negative_prompt or ""), capabilities.negative_prompt_chars_max
    if most is not None and length > most:
        raise _unsupported(capabilities, "a negative prompt of", f"{length:,} characters", f"{most:,} is the most")


def _seed(request: Request, capabilities: Capabilities, draw_seed: Callable[[], int]) -> int | None:
    if Option.SEED not in capabilities.options:
        return None
    return draw_seed() if request.seed is None else request.seed


def _fields(request: Request, stored: Sequence[StoredReference], capabilities: Capabilities) -> frozenset[str]:
    """Which of camera and style the provider has a field for, in this request."""
    has_frame = any(one.place is Frame.FIRST for one in stored)
    moving = {Option.CAMERA, Option.CAMERA_WITH_FRAME} if has_frame else {Option.CAMERA}
    wanted = {Option.CAMERA_FIXED} if request.camera is Camera.FIXED else moving
    camera = {"camera"} if wanted & capabilities.options else set()
    return frozenset(camera | ({"style"} & capabilities.options))


def _in_words(request: Request, fields: frozenset[str]) -> list[str]:
    """Camera and style as words, where the provider has no field for them."""
    words = []
    if request.camera is not None and "camera" not in fields:
        motion = request.camera.value.replace("_", " ")
        words.append("Fixed camera." if motion == "fixed" else f"Camera: {motion}.")
    if request.style is not None and "style" not in fields:
        words.append(f"Style: {request.style.value.replace('_', ' ').replace('3d', '3D')}.")
    return words


def _with_words(request: Request, fields: frozenset[str], capabilities: Capabilities) -> tuple[str, list[str]]:
    """The prompt as it will be sent but for its mentions, and what is said of it on the card."""
    words = _in_words(request, fields)
    prompt, most = " ".join([request.prompt, *words]), capabilities.prompt_chars_max
    if most is not None and len(prompt) > most:
        raise _unsupported(capabilities, "a prompt of", f"{len(prompt):,} characters", f"{most:,} is the most")
    return prompt, [f"Said in the prompt: {' '.join(words)}"] if words else []


def _advice(prompt: str, capabilities: Capabilities) -> list[str]:
    advice = capabilities.prompt_advice
    said = advice.against(prompt) if advice else None
    return [f"{capabilities.title} advises {said}"] if said else []


def _of_frames(stored: Sequence[StoredReference], capabilities: Capabilities) -> list[str]:
    frames = {one.place for one in stored} & set(Frame)
    alone = frames == {Frame.FIRST} and not capabilities.frames.first_alone
    unsure = (
        f"{capabilities.title} documents a first frame only beside an end frame; if it says no, nothing is charged."
    )
    return [*frame_notes(stored), *([unsure] if alone else [])]


def _unmentioned(request: Request) -> list[str]:
    missing = unmentioned(request.prompt, request.slots)
    return [f"Attached but not mentioned: {', '.join(str(slot) for slot in missing)}."] if missing else []
