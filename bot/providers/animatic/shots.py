"""A prompt and its references as a shot list in whole frames: what is seen when, and what is heard."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from bot.domain.requests import Camera
from bot.domain.slots import Frame, Kind, Place, Slot, kind_of, mentions

FRAMES_PER_SECOND = 24
SHOT_FRAMES_MIN = 18
"""0.75 s: a caption that stands for less cannot be read."""
SHOWING_FRAMES_MIN = 4
CLIP_GAIN = 0.6

_WEIGHTS = range(24, 160 + 1)
_MARK = re.compile(
    r"(?:(?<!\w)shot|镜头|分镜)\s*(?P<number>\d{1,4})\s*(?:[(（\[][^)）\]\n]{0,24}[)）\]]\s*)?[:：]",  # noqa: RUF001 (as typed)
    re.IGNORECASE,
)
_CAMERA = re.compile(
    r"(?<!\w)(dolly|pan|tilt|orbit|crane|zoom)(?:s|n?ing)?[ _-](?:to the )?(in|out|left|right|up|down)(?!\w)",
    re.IGNORECASE,
)
_CAMERAS = frozenset(camera.value for camera in Camera)
_FIXED = re.compile(r"(?<!\w)(?:fixed|static|locked)[ -](?:camera|shot)(?!\w)", re.IGNORECASE)
_OPTION = re.compile(r"\s*(?<!\w)(?:Camera: (?P<way>[a-z]+ [a-z]+)|Fixed camera)\.(?=(?:\s*Style: [^.]*\.)?\s*\Z)")
"""How the camera option arrives: as a sentence at the prompt's end, before a style at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """One reference on the screen, or (without a place) the shot's numbered card."""

    place: Place | None
    start: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One shot: its words, what it shows one after another, and the sounds it names."""

    number: int
    words: str
    start: int
    frames: int
    showings: tuple[Showing, ...]
    sounds: tuple[Slot, ...]
    camera: Camera | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        seen = [showing.place for showing in self.showings if showing.place is not None]
        return (*seen, *self.sounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """A stretch of sound: which reference, from which frame on, for how many frames, always from its own start."""

    slot: Slot
    start: int
    frames: int
    gain: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A shot before it has its time; `extra` are words of the whole prompt, which do not lengthen it."""

    number: int
    words: str
    places: tuple[Place, ...] = ()
    extra: str = ""

    @property
    def seen(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places if kind_of(place) is not Kind.AUDIO)

    @property
    def frames_min(self) -> int:
        return max(SHOT_FRAMES_MIN, SHOWING_FRAMES_MIN * len(self.seen))

    @property
    def weight(self) -> int:
        return min(max(len(self.words), _WEIGHTS.start), _WEIGHTS[-1])


def plan_shots(prompt: str, frames: int, places: Iterable[Place]) -> tuple[Shot, ...]:
    """Split the prompt by its shot marks and give every place in `places` its time; the frames sum up exactly.

    The camera option holds for every shot whose own words name no motion.
    """
    places = list(places)
    prompt, option = _without_option(prompt)
    drafts = _fitting(_drafts(prompt), frames, places)
    shots = []
    for draft, length, start in zip(drafts, *_lengths(drafts, frames), strict=True):
        shots.append(
            Shot(
                number=draft.number,
                words=_joined(draft.words, draft.extra),
                start=start,
                frames=length,
                showings=_showings(draft.seen, start, length),
                sounds=tuple(place for place in draft.places if isinstance(place, Slot) and place not in draft.seen),
                camera=_camera(draft.words) or option,
            )
        )
    return tuple(shots)


# -- words


def _drafts(prompt: str) -> list[_Draft]:
    marks = list(_MARK.finditer(prompt))
    if not marks:
        return [_Draft(number=1, words=_tidy(prompt), places=tuple(mentions(prompt)))]
    ends = [*(mark.start() for mark in marks[1:]), len(prompt)]
    texts = [prompt[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    drafts = [
        _Draft(number=int(mark["number"]), words=_tidy(text), places=tuple(mentions(text)))
        for mark, text in zip(marks, texts, strict=True)
    ]
    return [replace(drafts[0], extra=_tidy(prompt[: marks[0].start()])), *drafts[1:]]


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" ,;，；、-–—")  # noqa: RUF001 (as typed)


def _joined(*texts: str) -> str:
    return " · ".join(text for text in texts if text)


def _without_option(prompt: str) -> tuple[str, Camera | None]:
    """It is nobody's words: left in the last shot, it would be written there and overrule what that shot says."""
    match = _OPTION.search(prompt)
    name = (match["way"] or "fixed").replace(" ", "_") if match else ""
    if match is None or name not in _CAMERAS:
        return prompt, None
    return prompt[: match.start()] + prompt[match.end() :], Camera(name)


def _camera(text: str) -> Camera | None:
    if _FIXED.search(text):
        return Camera.FIXED
    said = ("_".join(match.groups()).lower() for match in _CAMERA.finditer(text))
    return next((Camera(name) for name in said if name in _CAMERAS), None)


# -- references


def _fitting(drafts: list[_Draft], frames: int, places: Sequence[Place]) -> list[_Draft]:
    """As many shots as leave each its time, with every reference somewhere; what is too much is merged at the end."""
    for count in range(min(len(drafts), frames // SHOT_FRAMES_MIN), 0, -1):
        placed = _without_repeats(_with_places(_merged(drafts, count), places), frames)
        if sum(draft.frames_min for draft in placed) <= frames:
            return placed
    return _without_repeats(_with_places(_merged(drafts, 1), places), frames)


def _merged(drafts: list[_Draft], count: int) -> list[_Draft]:
    kept, rest = drafts[: count - 1], drafts[count - 1 :]
    if len(rest) == 1:
        return drafts
    named = tuple(dict.fromkeys(place for draft in rest for place in draft.places))
    return [*kept, replace(rest[0], words=f"+{len(rest)} more", places=named)]


def _with_places(drafts: list[_Draft], places: Sequence[Place]) -> list[_Draft]:
    """Only what is there; seen references named nowhere go to the shot that has the fewest, frames to both ends."""
    lists = [[place for place in draft.places if place in places] for draft in drafts]
    named = {place for found in lists for place in found}
    for place in places:
        if isinstance(place, Slot) and place not in named and place.kind is not Kind.AUDIO:
            min(lists, key=lambda found: sum(kind_of(one) is not Kind.AUDIO for one in found)).append(place)
    lists[0][:0] = [place for place in places if place is Frame.FIRST]
    lists[-1].extend(place for place in places if place is Frame.END)
    return [replace(draft, places=tuple(found)) for draft, found in zip(drafts, lists, strict=True)]


def _without_repeats(drafts: list[_Draft], frames: int) -> list[_Draft]:
    """Where time is short, a reference that several shots name is left out of the fullest of them."""
    drafts = list(drafts)
    while sum(draft.frames_min for draft in drafts) > frames:
        crowded = [
            (draft.frames_min, at, place) for at, draft in enumerate(drafts) for place in _repeated(draft, drafts)
        ]
        if not crowded:
            break
        _, at, place = max(crowded, key=lambda entry: (entry[0], entry[1]))
        drafts[at] = replace(drafts[at], places=tuple(one for one in drafts[at].places if one != place))
    return drafts


def _repeated(draft: _Draft, drafts: Sequence[_Draft]) -> list[Place]:
    if draft.frames_min <= SHOT_FRAMES_MIN:
        return []
    elsewhere = {place for other in drafts if other is not draft for place in other.seen}
    return [place for place in draft.seen if place in elsewhere]


# -- time


def _lengths(drafts: Sequence[_Draft], frames: int) -> tuple[list[int], list[int]]:
    """Each shot its least, the rest by the weight of its text."""
    least = [draft.frames_min for draft in drafts]
    extra = _shares([draft.weight for draft in drafts], frames - sum(least))
    lengths = [own + more for own, more in zip(least, extra, strict=True)]
    return lengths, [0, *accumulate(lengths[:-1])]


def _shares(weights: Sequence[int], amount: int) -> list[int]:
    """Whole parts by weight whose sum is the amount: differences of the rounded running total."""
    total = sum(weights)
    edges = [0, *(amount * run // total for run in accumulate(weights))]
    return [after - before for before, after in pairwise(edges)]


def _showings(seen: Sequence[Place], start: int, frames: int) -> tuple[Showing, ...]:
    places: Sequence[Place | None] = seen or (None,)
    lengths = _shares([1] * len(places), frames)
    starts = accumulate(lengths[:-1], initial=start)
    return tuple(
        Showing(place=place, start=at, frames=length) for place, at, length in zip(places, starts, lengths, strict=True)
    )


# -- sound


def lay_sounds(shots: Sequence[Shot], durations_ms: Mapping[Slot, int]) -> tuple[Sounding, ...]:
    """Sounds under the shots that name them, the others end to end from the start, and the clips' own sound."""
    frames = {slot: max(1, duration_ms * FRAMES_PER_SECOND // 1000) for slot, duration_ms in durations_ms.items()}
    named = {slot for shot in shots for slot in shot.sounds}
    free = sorted(slot for slot in frames if slot.kind is Kind.AUDIO and slot not in named)
    return (
        *(one for slot in sorted(named) for one in _under(slot, shots, frames[slot])),
        *_end_to_end(free, frames, sum(shot.frames for shot in shots)),
        *(one for shot in shots for showing in shot.showings for one in _own_sound(showing, frames)),
    )


def _under(slot: Slot, shots: Sequence[Shot], length: int) -> list[Sounding]:
    """Neighbouring shots that name the same sound hear it go on; a later one hears it from its start."""
    runs: list[list[int]] = []
    for shot in shots:
        if slot not in shot.sounds:
            continue
        if runs and runs[-1][1] == shot.start:
            runs[-1][1] += shot.frames
        else:
            runs.append([shot.start, shot.start + shot.frames])
    return [Sounding(slot=slot, start=start, frames=min(length, end - start)) for start, end in runs]


def _end_to_end(slots: Sequence[Slot], frames: Mapping[Slot, int], total: int) -> list[Sounding]:
    lengths = [frames[slot] for slot in slots]
    if sum(lengths) > total:
        # Laid out in full the last ones would never be heard: each gives up its part.
        lengths = _shares(lengths, total)
    starts = accumulate(lengths[:-1], initial=0)
    return [
        Sounding(slot=slot, start=start, frames=length)
        for slot, start, length in zip(slots, starts, lengths, strict=False)
        if length
    ]


def _own_sound(showing: Showing, frames: Mapping[Slot, int]) -> list[Sounding]:
    """A clip that is shorter than its time on the screen is looped, and its sound with it."""
    slot = showing.place
    if not isinstance(slot, Slot) or slot.kind is not Kind.VIDEO:
        return []
    end = showing.start + showing.frames
    return [
        Sounding(slot=slot, start=start, frames=min(frames[slot], end - start), gain=CLIP_GAIN)
        for start in range(showing.start, end, frames[slot])
    ]
