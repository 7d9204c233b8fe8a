"""What a provider can do, as data, and the plan that comes of a request."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bot.domain.changes import frame_notes, offered
from bot.domain.prompts import unmentioned
from bot.domain.references import ReferenceRules, StoredReference, check_stored, slots_of
from bot.domain.request_errors import OptionUnsupportedError, TooManyReferencesError
from bot.domain.requests import Aspect, Plan, Request, Tier
from bot.domain.slots import Frame, Kind, kind_of

DURATION_DEFAULT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One tier of a provider: its model, its resolutions (the first is its own), its price."""

    model: str
    resolutions: tuple[str, ...]
    micros_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One provider's row. `options` names the optional request fields it has a place for.

    `first_frame_alone` False: a first frame without an end frame is sent, though nobody documents it. Limits are per
    account. `submits_repeatably`: the same attempt handed over twice is one task. `source` says where
    the facts are written and when they were read.
    """

    provider: str
    title: str
    source: str
    tiers: dict[Tier, TierRow]
    durations: tuple[int, ...]
    aspects: tuple[Aspect, ...]
    references_max: dict[Kind, int]
    options: frozenset[str] = frozenset()
    silent_with_audio: bool = True
    frames_with_references: bool = False
    first_frame_alone: bool = True
    takes_links_only: bool = True
    submits_repeatably: bool = False
    mention_template: str = "{kind} {number}"
    rules: ReferenceRules = field(default_factory=ReferenceRules)
    max_concurrent: int
    requests_per_second: float
    typical_seconds: int
    deadline_seconds: int


def quote_micros(plan: Plan, capabilities: Capabilities) -> int:
    """The worst case in micro-dollars; never more than this is charged."""
    return capabilities.tiers[plan.tier].micros_per_second * plan.duration_seconds


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
    tier = _tier(request, capabilities)
    row = capabilities.tiers[tier]
    _check_extras(request, capabilities)
    _check_sound(request, stored, capabilities)
    defaulted: list[str] = []
    return Plan(
        provider=capabilities.provider,
        model=row.model,
        tier=tier,
        prompt=_with_words(request, capabilities),
        duration_seconds=_duration(request, capabilities, defaulted),
        aspect=_aspect(request, stored, capabilities, defaulted),
        resolution=_resolution(request, row, capabilities),
        sound=request.sound is not False,
        seed=_seed(request, capabilities, draw_seed),
        watermark=bool(request.watermark),
        references=tuple(stored),
        changes=changes,
        notes=(
            *defaulted,
            *_folded(request, capabilities),
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
        count, limit = sum(slot.kind is kind for slot in slots), capabilities.references_max[kind]
        if count > limit:
            raise TooManyReferencesError(kind=kind.word, count=count, limit=limit)
    frames = [one.place for one in stored if isinstance(one.place, Frame)]
    if frames and slots and not capabilities.frames_with_references:
        asked = f"together with {slots[0]}"
        raise _unsupported(capabilities, "a first or end frame", asked, "use either frames or numbered references")


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
        nearest = f"it has {_listed(row.resolutions)} here"
        raise _unsupported(capabilities, "resolution", request.resolution, nearest)
    return request.resolution


def _check_sound(request: Request, stored: Sequence[StoredReference], capabilities: Capabilities) -> None:
    with_audio = any(kind_of(one.place) is Kind.AUDIO for one in stored)
    if request.sound is False and with_audio and not capabilities.silent_with_audio:
        nearest = "leave sound on, or leave the audio references out"
        raise _unsupported(capabilities, "a silent clip", "with audio references", nearest)


def _check_extras(request: Request, capabilities: Capabilities) -> None:
    """Refuse what has no field here and cannot be put into words: nothing is dropped silently."""
    asked = {
        "a negative prompt": ("negative_prompt", request.negative_prompt is not None),
        "a watermark": ("watermark", request.watermark is True),
        "web search": ("web_search", request.web_search is True),
        "a seed": ("seed", request.seed is not None),
    }
    for words, (option, is_asked) in asked.items():
        if is_asked and option not in capabilities.options:
            raise _unsupported(capabilities, words, "", "leave it out, or choose another provider")


def _seed(request: Request, capabilities: Capabilities, draw_seed: Callable[[], int]) -> int | None:
    if "seed" not in capabilities.options:
        return None
    return draw_seed() if request.seed is None else request.seed


def _in_words(request: Request, capabilities: Capabilities) -> list[str]:
    """Camera and style as words, where the provider has no field for them."""
    words = []
    if request.camera is not None and "camera" not in capabilities.options:
        motion = request.camera.value.replace("_", " ")
        words.append("Fixed camera." if motion == "fixed" else f"Camera: {motion}.")
    if request.style is not None and "style" not in capabilities.options:
        words.append(f"Style: {request.style.value.replace('_', ' ').replace('3d', '3D')}.")
    return words


def _with_words(request: Request, capabilities: Capabilities) -> str:
    return " ".join([request.prompt, *_in_words(request, capabilities)])


def _folded(request: Request, capabilities: Capabilities) -> list[str]:
    words = _in_words(request, capabilities)
    return [f"Said in the prompt: {' '.join(words)}"] if words else []


def _of_frames(stored: Sequence[StoredReference], capabilities: Capabilities) -> list[str]:
    frames = {one.place for one in stored} & set(Frame)
    alone = frames == {Frame.FIRST} and not capabilities.first_frame_alone
    unsure = (
        f"{capabilities.title} documents a first frame only beside an end frame; if it says no, nothing is charged."
    )
    return [*frame_notes(stored), *([unsure] if alone else [])]


def _unmentioned(request: Request) -> list[str]:
    missing = unmentioned(request.prompt, request.slots)
    return [f"Attached but not mentioned: {', '.join(str(slot) for slot in missing)}."] if missing else []
