"""The words of the command line become a request."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from bot.commandline.faults import reason_of
from bot.commandline.places import is_storable, printable
from bot.domain.references import Reference
from bot.domain.request_errors import OptionUnknownError, ReferenceMissingError, TooManyReferencesError
from bot.domain.requests import Aspect, Camera, Request, Style, Tier
from bot.domain.slots import SLOTS_MAX, Frame, Kind, Place, Slot

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The options as they were typed."""

    prompt: str
    images: list[str]
    videos: list[str]
    audios: list[str]
    first_frame: str | None
    end_frame: str | None
    provider: str | None
    tier: str | None
    duration: int | None
    aspect: str | None
    resolution: str | None
    sound: bool | None
    seed: int | None
    negative_prompt: str | None
    style: str | None
    camera: str | None
    watermark: bool | None
    web_search: bool | None

    @property
    def slots(self) -> dict[str, str]:
        """`@Image1` and so on, to the path as it was given."""
        given = {Kind.IMAGE: self.images, Kind.VIDEO: self.videos, Kind.AUDIO: self.audios}
        return {f"@{kind}{n}": path for kind, paths in given.items() for n, path in enumerate(paths, start=1)}


def request_of(wish: Wish) -> Request:
    """Raises RequestError."""
    places = {**_frames(wish), **_slots(Kind.IMAGE, wish.images), **_slots(Kind.VIDEO, wish.videos)}
    places |= _slots(Kind.AUDIO, wish.audios)
    return Request(
        prompt=wish.prompt,
        references=tuple(_reference(place, path) for place, path in places.items()),
        duration_seconds=wish.duration,
        aspect=_one_of(Aspect, "aspect", wish.aspect),
        resolution=wish.resolution,
        tier=_one_of(Tier, "tier", wish.tier),
        sound=wish.sound,
        seed=wish.seed,
        camera=_one_of(Camera, "camera motion", wish.camera),
        style=_one_of(Style, "style", wish.style),
        negative_prompt=None if wish.negative_prompt is None else printable(wish.negative_prompt),
        watermark=wish.watermark,
        web_search=wish.web_search,
        provider=wish.provider,
    )


def _frames(wish: Wish) -> dict[Place, str]:
    given = {Frame.FIRST: wish.first_frame, Frame.END: wish.end_frame}
    return {frame: path for frame, path in given.items() if path is not None}


def _slots(kind: Kind, paths: Sequence[str]) -> dict[Place, str]:
    if len(paths) > SLOTS_MAX[kind]:
        raise TooManyReferencesError(kind=kind.word, count=len(paths), limit=SLOTS_MAX[kind])
    return {Slot(kind=kind, number=number): path for number, path in enumerate(paths, start=1)}


def _reference(place: Place, given: str) -> Reference:
    path = Path(given).absolute()
    reason = None if is_storable(path) else "its name is not text in UTF-8; rename it"
    size = 0
    try:
        status = path.stat()
    except OSError as fault:
        reason = reason_of(fault)
    else:
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            reason = "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a plain file"
    if reason is not None:
        raise ReferenceMissingError(place=str(place), name=printable(given) or '""', reason=reason)
    return Reference(place=place, name=path.name, source=str(path), declared_bytes=size)


def _one_of(options: type[E], name: str, given: str | None) -> E | None:
    if given is None:
        return None
    try:
        return options(given)
    except ValueError:
        known = ", ".join(option.value for option in options)
        raise OptionUnknownError(option=name, asked=given, known=known) from None
