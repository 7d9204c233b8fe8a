"""Where a reference goes: fifteen numbered slots, and the first and end frame."""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.request_errors import SlotUnknownError


class Kind(StrEnum):
    """What a reference is; the value is its name in a mention."""

    IMAGE = "Image"
    VIDEO = "Video"
    AUDIO = "Audio"

    @property
    def word(self) -> str:
        return self.value.lower()


class Frame(StrEnum):
    """An input that fixes how the clip begins or ends."""

    FIRST = "first_frame"
    END = "end_frame"


SLOTS_MAX: dict[Kind, int] = {Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3}
_ORDER = {kind: place for place, kind in enumerate(Kind)}
_MENTION = re.compile(r"(?<![\w@])@(image|video|audio)(\d{1,4})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A numbered slot, `@Image1` … `@Image9`, `@Video1` … `@Video3`, `@Audio1` … `@Audio3`."""

    kind: Kind
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= SLOTS_MAX[self.kind]:
            raise SlotUnknownError(mention=str(self), kind=self.kind.value, limit=SLOTS_MAX[self.kind])

    def __str__(self) -> str:
        return f"@{self.kind.value}{self.number}"

    def __lt__(self, other: "Slot") -> bool:
        return (_ORDER[self.kind], self.number) < (_ORDER[other.kind], other.number)


Place = Slot | Frame


def kind_of(place: Place) -> Kind:
    return place.kind if isinstance(place, Slot) else Kind.IMAGE


def mentions(prompt: str) -> list[Slot]:
    """The slots a prompt mentions, in order of first appearance; SlotUnknownError for `@Image10`."""
    found = (Slot(kind=Kind(m[1].capitalize()), number=int(m[2])) for m in _MENTION.finditer(prompt))
    return list(dict.fromkeys(found))


def rewrite_mentions(prompt: str, names: dict[Slot, str]) -> str:
    """The prompt with each mention in `names` put in other words; the rest stays as typed."""

    def renamed(match: re.Match[str]) -> str:
        slot = Slot(kind=Kind(match[1].capitalize()), number=int(match[2]))
        return names.get(slot, str(slot))

    return _MENTION.sub(renamed, prompt)


def dense_names(slots: list[Slot], template: str) -> dict[Slot, str]:
    """What a provider calls each slot: numbered without gaps per kind, by `template` such as `[{kind} {number}]`."""
    names: dict[Slot, str] = {}
    for kind in Kind:
        of_kind = sorted(slot for slot in slots if slot.kind is kind)
        names |= {slot: template.format(kind=kind.value, number=n) for n, slot in enumerate(of_kind, start=1)}
    return names
