"""Reference files: what is known of them, and the limits they must keep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.domain.request_errors import (
    AudioAloneError,
    ReferenceDurationError,
    ReferenceKindError,
    ReferenceShapeError,
    ReferencesTotalError,
    ReferenceTooLargeError,
)
from bot.domain.slots import Kind, Place, Slot, kind_of

MEGABYTE = 1_000_000
COPY_BYTES_MAX = {Kind.IMAGE: 100 * MEGABYTE, Kind.VIDEO: 200 * MEGABYTE, Kind.AUDIO: 100 * MEGABYTE}
"""What is copied at all: more than a provider takes, for much of it can be made smaller."""
STREAM_PADDING_MS = 100
"""An encoder pads sound by a frame or two: a clip made as 15 s may read 15.02."""
SHORT_SIDE_ADVISED_PX = 512
FRAME_AREA_PX = range(409_600, 927_408 + 1)
"""What the model's own 480p and 720p shapes span: its 720p square is 960×960, its 21:9 is 1470×630."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a file's own bytes say.

    `width` and `height` are as displayed (rotation applied), 0 for sound. `duration_ms` is 0 for stills.
    `format` is one of jpeg, png, webp, bmp, tiff, gif, mp4, mov, wav, mp3; `codec` is the picture's
    (`h264`, `hevc`, …) or the sound's.
    """

    kind: Kind
    format: str
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    codec: str = ""
    has_sound: bool = False

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A file as it was attached: nothing but its size is believed, and that only to refuse early.

    `source` is a link to Discord's storage (`https://…`) or an absolute path of the command line. `is_taken` says that
    it is a frame of a clip: it goes on as it is, bit by bit, and nothing about it is offered or advised.
    """

    place: Place
    name: str
    source: str
    declared_bytes: int
    is_taken: bool = False

    @property
    def is_local(self) -> bool:
        return not self.source.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReference:
    """A reference after it was copied: its content hash is its name on disk."""

    reference: Reference
    sha256: str
    size_bytes: int
    info: MediaInfo

    @property
    def place(self) -> Place:
        return self.reference.place

    @property
    def name(self) -> str:
        return self.reference.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRules:
    """A provider's limits. The defaults are those of the specification of `v3_async` (2026), the most detailed one.

    Sides and ratio are written there as open intervals; the bounds themselves pass here, with a warning. It names no
    video codec; H.264 is what every provider decodes. `copy_bytes_max` is our own limit, not the provider's.
    """

    image_formats: tuple[str, ...] = ("jpeg", "png", "webp", "bmp", "tiff", "gif")
    video_formats: tuple[str, ...] = ("mp4", "mov")
    audio_formats: tuple[str, ...] = ("wav", "mp3")
    video_codecs: tuple[str, ...] = ("h264",)
    image_bytes_max: int = 30 * MEGABYTE
    video_bytes_max: int = 50 * MEGABYTE
    audio_bytes_max: int = 15 * MEGABYTE
    side_px_min: int = 300
    side_px_max: int = 6000
    ratio_min: float = 0.4
    ratio_max: float = 2.5
    seconds_min: float = 2.0
    seconds_max: float = 15.0
    seconds_total_max: float = 15.0
    copy_bytes_max: dict[Kind, int] = field(default_factory=COPY_BYTES_MAX.copy)

    def formats(self, kind: Kind) -> tuple[str, ...]:
        return {Kind.IMAGE: self.image_formats, Kind.VIDEO: self.video_formats, Kind.AUDIO: self.audio_formats}[kind]

    def bytes_max(self, kind: Kind) -> int:
        return {Kind.IMAGE: self.image_bytes_max, Kind.VIDEO: self.video_bytes_max, Kind.AUDIO: self.audio_bytes_max}[
            kind
        ]


def check_declared(references: Iterable[Reference], rules: ReferenceRules) -> None:
    """What can be refused before a byte is copied. Raises AudioAloneError, ReferenceTooLargeError."""
    references = list(references)
    check_audio_company([reference.place for reference in references])
    for reference in references:
        check_copied_size(reference, reference.declared_bytes, rules)


def check_audio_company(places: Sequence[Place]) -> None:
    kinds = [kind_of(place) for place in places]
    if Kind.AUDIO in kinds and not {Kind.IMAGE, Kind.VIDEO} & set(kinds):
        raise AudioAloneError(slot=str(places[kinds.index(Kind.AUDIO)]))


def check_copied_size(reference: Reference, size_bytes: int, rules: ReferenceRules) -> None:
    """Whether we copy so much. Raises ReferenceTooLargeError."""
    _check_size(reference, size_bytes, rules.copy_bytes_max[kind_of(reference.place)])


def _check_size(reference: Reference, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise ReferenceTooLargeError(
            place=str(reference.place),
            name=reference.name,
            kind=kind_of(reference.place).word,
            megabytes=size_bytes / MEGABYTE,
            limit_megabytes=limit_bytes / MEGABYTE,
        )


def check_stored(stored: Sequence[StoredReference], rules: ReferenceRules) -> list[str]:
    """Every rule on what was copied; returns warnings. Raises a RequestError that names the file and the limit."""
    for one in stored:
        _check_kind(one, rules)
        _check_size(one.reference, one.size_bytes, rules.bytes_max(one.info.kind))
        if one.info.kind is not Kind.AUDIO:
            _check_shape(one, rules)
        if one.info.kind is not Kind.IMAGE:
            _check_duration(one, rules)
    for kind in (Kind.VIDEO, Kind.AUDIO):
        _check_total([one for one in stored if one.info.kind is kind], kind, rules)
    return [warning for one in stored for warning in _warnings(one, rules)]


def _check_kind(one: StoredReference, rules: ReferenceRules) -> None:
    wanted, info = kind_of(one.place), one.info
    found, formats = f"{info.format.upper()} {info.kind.word}", ", ".join(rules.formats(wanted))
    if info.kind is Kind.VIDEO is wanted and info.codec not in rules.video_codecs:
        found, formats = (
            f"{found} in {info.codec or 'an unknown codec'}",
            f"{formats} in {', '.join(rules.video_codecs)}",
        )
    elif info.kind is wanted and info.format in rules.formats(wanted):
        return
    raise ReferenceKindError(place=str(one.place), name=one.name, found=found, wanted=wanted.word, formats=formats)


def _check_shape(one: StoredReference, rules: ReferenceRules) -> None:
    width, height = one.info.width, one.info.height
    limit = ""
    if not rules.ratio_min <= width / height <= rules.ratio_max:  # first: the only fault that nothing mends
        limit = f"width to height must lie between {rules.ratio_min:g} and {rules.ratio_max:g}"
    elif min(width, height) < rules.side_px_min:
        limit = f"each side must have at least {rules.side_px_min} pixels"
    elif max(width, height) > rules.side_px_max:
        limit = f"each side may have at most {rules.side_px_max} pixels"
    elif one.info.kind is Kind.VIDEO and not is_480p_or_720p(width, height):
        limit = "video references must be 480p or 720p"
    if limit:
        raise ReferenceShapeError(place=str(one.place), name=one.name, width=width, height=height, limit=limit)


def is_480p_or_720p(width: int, height: int) -> bool:
    near = any(abs(min(width, height) - side) <= side // 30 for side in (480, 720))
    return near or width * height in FRAME_AREA_PX


def _check_duration(one: StoredReference, rules: ReferenceRules) -> None:
    milliseconds = one.info.duration_ms
    most_ms = rules.seconds_max * 1000 + STREAM_PADDING_MS
    if not rules.seconds_min * 1000 <= milliseconds <= most_ms:
        raise ReferenceDurationError(
            place=str(one.place),
            name=one.name,
            kind=one.info.kind.word,
            seconds=milliseconds / 1000,
            least=rules.seconds_min,
            most=rules.seconds_max,
        )


def _check_total(stored: Sequence[StoredReference], kind: Kind, rules: ReferenceRules) -> None:
    total_ms = sum(one.info.duration_ms for one in stored)
    if total_ms > rules.seconds_total_max * 1000 + STREAM_PADDING_MS:
        raise ReferencesTotalError(kind=kind.word, seconds=total_ms / 1000, most=rules.seconds_total_max)


def _warnings(one: StoredReference, rules: ReferenceRules) -> list[str]:
    if one.info.kind is Kind.AUDIO or one.reference.is_taken:
        return []
    sides = {one.info.width, one.info.height}
    found = []
    if sides & {rules.side_px_min, rules.side_px_max}:
        found.append(
            f"{one.place}: {one.name} lies exactly on the limit of {rules.side_px_min}–{rules.side_px_max} pixels."
        )
    if one.info.kind is Kind.IMAGE and one.info.short_side < SHORT_SIDE_ADVISED_PX:
        found.append(
            f"{one.place}: {one.name} has a short side of {one.info.short_side} pixels; "
            f"under {SHORT_SIDE_ADVISED_PX} the result often disappoints."
        )
    return found


def slots_of(places: Iterable[Place]) -> list[Slot]:
    return sorted(place for place in places if isinstance(place, Slot))
