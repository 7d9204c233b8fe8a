"""The wish of a member, and the plan that a provider's abilities make of it."""

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.changes import Change
from bot.domain.prompts import check_mentions, clean_prompt
from bot.domain.references import Reference, StoredReference, slots_of
from bot.domain.request_errors import EndFrameAloneError
from bot.domain.slots import Frame, Slot


class Tier(StrEnum):
    """How much quality is asked for."""

    FAST = "fast"
    STANDARD = "standard"
    PRO = "pro"


class Aspect(StrEnum):
    """Width to height; `auto` follows the first frame."""

    ULTRAWIDE = "21:9"
    WIDE = "16:9"
    CLASSIC = "4:3"
    SQUARE = "1:1"
    PORTRAIT = "3:4"
    TALL = "9:16"
    AUTO = "auto"


class Camera(StrEnum):
    """Camera motions, as the specification of `apiyi` (2026-04) spells them, and `fixed`."""

    DOLLY_IN = "dolly_in"
    DOLLY_OUT = "dolly_out"
    PAN_LEFT = "pan_left"
    PAN_RIGHT = "pan_right"
    TILT_UP = "tilt_up"
    TILT_DOWN = "tilt_down"
    ORBIT_LEFT = "orbit_left"
    ORBIT_RIGHT = "orbit_right"
    CRANE_UP = "crane_up"
    CRANE_DOWN = "crane_down"
    ZOOM_IN = "zoom_in"
    ZOOM_OUT = "zoom_out"
    FIXED = "fixed"


class Style(StrEnum):
    """Styles, as the specification of `apiyi` (2026-04) spells them."""

    CINEMATIC = "cinematic"
    ANIME = "anime"
    REALISTIC = "realistic"
    RENDER_3D = "3d_render"


RESOLUTIONS = ("480p", "720p", "1080p", "2k", "4k")
SEED_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A validated wish. None means that the member did not say: such an option constrains nothing.

    `references` holds numbered slots and frames alike, each place at most once.
    """

    prompt: str
    references: tuple[Reference, ...] = ()
    duration_seconds: int | None = None
    aspect: Aspect | None = None
    resolution: str | None = None
    tier: Tier | None = None
    sound: bool | None = None
    seed: int | None = None
    camera: Camera | None = None
    style: Style | None = None
    negative_prompt: str | None = None
    watermark: bool | None = None
    web_search: bool | None = None
    provider: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", clean_prompt(self.prompt))
        places = [reference.place for reference in self.references]
        if Frame.END in places and Frame.FIRST not in places:
            raise EndFrameAloneError
        check_mentions(self.prompt, slots_of(places))

    @property
    def slots(self) -> list[Slot]:
        return slots_of(reference.place for reference in self.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be asked of one provider: every option decided, every reference copied.

    `prompt` keeps the canonical mentions (`@Image1`); the dialect renders them. `notes` are sentences for the card.
    `sound` False means silent; `seed` is None only where the provider has none. `camera`, `style` and
    `negative_prompt` stand here only where the provider has a field for them. `changes` are still to be made to the
    references, once the requester agrees.
    """

    provider: str
    model: str
    tier: Tier
    prompt: str
    duration_seconds: int
    aspect: Aspect
    resolution: str
    sound: bool
    seed: int | None
    watermark: bool = False
    web_search: bool = False
    camera: Camera | None = None
    style: Style | None = None
    negative_prompt: str | None = None
    references: tuple[StoredReference, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, frame: Frame) -> StoredReference | None:
        return next((one for one in self.references if one.place is frame), None)

    @property
    def slotted(self) -> list[tuple[Slot, StoredReference]]:
        """The numbered references, images first, each kind in its own order."""
        by_slot = {one.place: one for one in self.references if isinstance(one.place, Slot)}
        return [(slot, by_slot[slot]) for slot in sorted(by_slot)]
