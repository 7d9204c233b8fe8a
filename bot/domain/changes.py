"""What is done to a reference so that a provider takes it: offered on the card, done once the requester agrees."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import sqrt
from typing import Any

from bot.domain.references import (
    FRAME_AREA_PX,
    MEGABYTE,
    SHORT_SIDE_ADVISED_PX,
    STREAM_PADDING_MS,
    MediaInfo,
    ReferenceRules,
    StoredReference,
    check_stored,
    is_480p_or_720p,
)
from bot.domain.slots import Frame, Kind, Place, kind_of, mentions

PIXELS_MAX = {Kind.IMAGE: 120_000_000, Kind.VIDEO: 4096 * 4096, Kind.AUDIO: 0}
"""What fits into a child's memory while it is worked on: a phone's largest photograph, any 4K film."""
SHORT_SIDE_ENLARGED_PX = 1024
SHARE_KEPT_MIN = 0.5
"""Of several that are too long together, each keeps at least so much of what it may have alone."""
_VIDEO_HEIGHT_PX = 720
_VIDEO_HEIGHT_SMALL_PX = 480
_SHAPES_DIFFER = 0.02
_DECODED = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg", "prores", "h263"})
_CODEC_NAMES = {"h264": "H.264", "hevc": "HEVC", "prores": "ProRes", "mjpeg": "Motion JPEG", "mpeg4": "MPEG-4"}
_STILLS = ("jpeg", "png")
_MAYBE_MOVING = frozenset({"gif", "webp"})


class ChangeKind(StrEnum):
    """Why a file is made anew; in the order in which the card says it."""

    CUT = "cut"
    CONVERT = "convert"
    SCALE = "scale"
    SHRINK = "shrink"
    ENLARGE = "enlarge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file made anew, all that is wrong with it at once.

    `before` and `bytes_before` are the file's own. `width`, `height` (as displayed; 0 for sound), `format` and
    `duration_ms` (0 for stills) are what it will have; it will have at most `bytes_max` bytes. Where it is not
    `is_needed`, the provider takes the file as it is too.
    """

    place: Place
    name: str
    kinds: tuple[ChangeKind, ...]
    before: MediaInfo
    bytes_before: int
    width: int = 0
    height: int = 0
    format: str
    duration_ms: int = 0
    bytes_max: int
    is_needed: bool = True

    @property
    def sentence(self) -> str:
        """For the card, such as `@Video1 walk.mov: cut to its first 15 s of 20.4 s.` with its full stop."""
        clauses = [_CLAUSES[kind](self) for kind in self.kinds]
        if self.before.format in _MAYBE_MOVING:
            clauses.append("if it moves, only its first picture stays")
        return f"{self.place} {self.name}: {'; '.join(clauses)}."

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"place": str(self.place)}


def change_from(data: Mapping[str, Any]) -> Change:  # Any: JSON
    """What `as_json` made; KeyError, TypeError or ValueError for anything else."""
    before = dict(data["before"])
    fields = {
        "place": _place_from(data["place"]),
        "kinds": tuple(ChangeKind(kind) for kind in data["kinds"]),
        "before": MediaInfo(**(before | {"kind": Kind(before["kind"])})),
    }
    return Change(**(dict(data) | fields))


def _place_from(text: str) -> Place:
    return mentions(text)[0] if text.startswith("@") else Frame(text)


# -- what is offered


def offered(
    stored: Sequence[StoredReference], rules: ReferenceRules
) -> tuple[tuple[Change, ...], tuple[StoredReference, ...]]:
    """All changes, also the needless ones, and the references as they will be after them.

    Raises the errors of `check_stored` for what no change mends.
    """
    changes = changes_for(stored, rules)
    predicted = all_after(stored, changes)
    check_stored(predicted, rules)
    return changes, predicted


def all_after(stored: Sequence[StoredReference], changes: Sequence[Change]) -> tuple[StoredReference, ...]:
    """The references with some or all of their changes made."""
    by_place = {change.place: change for change in changes}
    return tuple(after(one, by_place[one.place]) if one.place in by_place else one for one in stored)


def after(one: StoredReference, change: Change) -> StoredReference:
    """What is known of the file before it is made. Its content hash is not: the original's stays until then."""
    info = replace(
        one.info,
        format=change.format,
        codec=_codec_after(change),
        width=change.width,
        height=change.height,
        duration_ms=change.duration_ms,
    )
    return replace(one, info=info, size_bytes=min(one.size_bytes, change.bytes_max))


def _codec_after(change: Change) -> str:
    return {"mp4": "h264", "wav": "pcm_s16le"}.get(change.format, change.format)


def changes_for(stored: Sequence[StoredReference], rules: ReferenceRules) -> tuple[Change, ...]:
    """What would make each file fit as far as it can; nothing for a file that fits."""
    lengths = _lengths(stored, rules)
    found = [
        _change(one, lengths[one.place], rules)
        for one in stored
        if not one.reference.is_taken and one.info.kind is kind_of(one.place)
    ]
    return tuple(change for change in found if change is not None)


def _change(one: StoredReference, duration_ms: int, rules: ReferenceRules) -> Change | None:
    kind = one.info.kind
    kinds: dict[ChangeKind, bool] = {ChangeKind.CUT: duration_ms < one.info.duration_ms}
    shape = (one.info.width, one.info.height)
    if kind is not Kind.AUDIO:
        kinds[ChangeKind.CONVERT] = _is_foreign(one.info, rules)
        if _has_ratio(one.info, rules):
            shape = (_image_shape if kind is Kind.IMAGE else _video_shape)(one.info, rules)
        kinds |= _shape_kinds(one.info, shape)
    kinds[ChangeKind.SHRINK] = kinds.get(ChangeKind.SHRINK, False) or one.size_bytes > rules.bytes_max(kind)
    chosen = tuple(reason for reason in ChangeKind if kinds.get(reason))
    if not chosen or not _is_mendable(one.info, rules):
        return None
    width, height = _even(shape) if kind is Kind.VIDEO else shape
    return Change(
        place=one.place,
        name=one.name,
        kinds=chosen,
        before=one.info,
        bytes_before=one.size_bytes,
        width=width,
        height=height,
        format=_format_after(one.info, rules),
        duration_ms=duration_ms,
        bytes_max=rules.bytes_max(kind),
        is_needed=chosen != (ChangeKind.ENLARGE,) or one.info.short_side < rules.side_px_min,
    )


def _is_mendable(info: MediaInfo, rules: ReferenceRules) -> bool:
    if info.kind is Kind.AUDIO:
        return info.format in rules.audio_formats
    if info.kind is Kind.VIDEO and info.codec not in _DECODED:
        return False
    return info.width * info.height <= PIXELS_MAX[info.kind]


def _has_ratio(info: MediaInfo, rules: ReferenceRules) -> bool:
    return info.height > 0 and rules.ratio_min <= info.width / info.height <= rules.ratio_max


def _is_foreign(info: MediaInfo, rules: ReferenceRules) -> bool:
    return info.format not in rules.formats(info.kind) or (
        info.kind is Kind.VIDEO and info.codec not in rules.video_codecs
    )


def _format_after(info: MediaInfo, rules: ReferenceRules) -> str:
    """A photograph stays a JPEG; every other picture becomes a PNG, so that it loses nothing more."""
    if info.kind is Kind.VIDEO:
        return "mp4"
    if info.kind is Kind.AUDIO:
        return info.format
    wanted = "jpeg" if info.format == "jpeg" else "png"
    return next((one for one in (wanted, *_STILLS) if one in rules.image_formats), wanted)


# -- shapes


def _shape_kinds(info: MediaInfo, shape: tuple[int, int]) -> dict[ChangeKind, bool]:
    if shape == (info.width, info.height):
        return {}
    if info.kind is Kind.VIDEO:
        return {ChangeKind.SCALE: True}
    return {ChangeKind.SHRINK if shape[0] < info.width else ChangeKind.ENLARGE: True}


def _image_shape(info: MediaInfo, rules: ReferenceRules) -> tuple[int, int]:
    width, height = info.width, info.height
    scale = 1.0
    if max(width, height) > rules.side_px_max:
        # Just inside: on the limit itself a provider may say no.
        scale = (rules.side_px_max - 2) / max(width, height)
    elif 0 < info.short_side < SHORT_SIDE_ADVISED_PX:
        scale = min(SHORT_SIDE_ENLARGED_PX / info.short_side, rules.side_px_max / max(width, height))
    return round(width * scale), round(height * scale)


def _video_shape(info: MediaInfo, rules: ReferenceRules) -> tuple[int, int]:
    """720p for what is larger, 480p for what is smaller, each within the area that the model's own shapes span."""
    width, height, short = info.width, info.height, max(info.short_side, 1)
    fits = rules.side_px_min <= short and max(width, height) <= rules.side_px_max
    if fits and is_480p_or_720p(width, height):
        return width, height
    area = max(width * height, 1)
    if area > FRAME_AREA_PX[-1]:
        scale = min(_VIDEO_HEIGHT_PX / short, sqrt(FRAME_AREA_PX[-1] / area))
    else:
        scale = max(_VIDEO_HEIGHT_SMALL_PX / short, sqrt(FRAME_AREA_PX[0] / area))
    return _nearest_even(width * scale, height * scale, rules)


def _nearest_even(width: float, height: float, rules: ReferenceRules) -> tuple[int, int]:
    """Encoders want even sides: of those near that pass, the one of the truest shape, then of the truest size."""
    down_x, down_y = int(width / 2) * 2, int(height / 2) * 2
    near = [(down_x + x, down_y + y) for x in (-2, 0, 2) for y in (-2, 0, 2) if down_x + x > 0 < down_y + y]
    passing = [(x, y) for x, y in near if is_480p_or_720p(x, y) and rules.ratio_min <= x / y <= rules.ratio_max]
    return min(
        passing or near,
        key=lambda shape: (
            shape[0] * shape[1] not in FRAME_AREA_PX,
            abs(shape[0] / shape[1] - width / height),
            abs(shape[0] - width),
        ),
    )


def _even(shape: tuple[int, int]) -> tuple[int, int]:
    return shape[0] // 2 * 2, shape[1] // 2 * 2


# -- lengths


def _lengths(stored: Sequence[StoredReference], rules: ReferenceRules) -> dict[Place, int]:
    """How long each file will be, in milliseconds."""
    most_ms = round(rules.seconds_max * 1000)
    lengths = {
        one.place: most_ms if _is_over(one.info.duration_ms, rules.seconds_max) else one.info.duration_ms
        for one in stored
    }
    for kind in (Kind.VIDEO, Kind.AUDIO):
        places = [slot for slot in sorted(one for one in lengths if not isinstance(one, Frame)) if slot.kind is kind]
        lengths |= _shared({place: lengths[place] for place in places}, rules)
    return lengths


def _is_over(duration_ms: int, seconds_max: float) -> bool:
    return duration_ms > seconds_max * 1000 + STREAM_PADDING_MS


def _shared(lengths: Mapping[Place, int], rules: ReferenceRules) -> dict[Place, int]:
    """Cut from the last one back until the sum fits; as they were if too little would remain of one."""
    total_ms = sum(lengths.values())
    if not _is_over(total_ms, rules.seconds_total_max):
        return dict(lengths)
    excess = total_ms - round(rules.seconds_total_max * 1000)
    shared = dict(lengths)
    for place, length in reversed(list(lengths.items())):
        least = max(round(rules.seconds_min * 1000), round(length * SHARE_KEPT_MIN))
        less = min(excess, max(length - least, 0))
        shared[place] -= less
        excess -= less
    return dict(lengths) if excess else shared


# -- words


def _shape_words(width: int, height: int) -> str:
    return f"{width}×{height}"


def _seconds_words(milliseconds: int) -> str:
    return f"{round(milliseconds / 1000, 1):g} s"


def _cut_clause(change: Change) -> str:
    return f"cut to its first {_seconds_words(change.duration_ms)} of {_seconds_words(change.before.duration_ms)}"


def _convert_clause(change: Change) -> str:
    before = change.before
    if before.kind is Kind.VIDEO:
        return f"converted from {_CODEC_NAMES.get(before.codec, before.codec.upper())} to H.264"
    return f"converted from {before.format.upper()} to {change.format.upper()}"


def _scale_clause(change: Change) -> str:
    before = change.before
    return f"scaled from {_shape_words(before.width, before.height)} to {_shape_words(change.width, change.height)}"


def _shrink_clause(change: Change) -> str:
    before = change.before
    if before.kind is Kind.IMAGE and (before.width, before.height) != (change.width, change.height):
        shapes = f"{_shape_words(before.width, before.height)} to {_shape_words(change.width, change.height)}"
        return f"made smaller, {shapes} pixels"
    return f"made smaller, {change.bytes_before / MEGABYTE:.1f} MB to at most {change.bytes_max / MEGABYTE:.0f} MB"


def _enlarge_clause(change: Change) -> str:
    before = change.before
    shapes = f"{_shape_words(before.width, before.height)} to {_shape_words(change.width, change.height)}"
    return f"enlarged from {shapes}; under {SHORT_SIDE_ADVISED_PX} the result often disappoints"


_CLAUSES = {
    ChangeKind.CUT: _cut_clause,
    ChangeKind.CONVERT: _convert_clause,
    ChangeKind.SCALE: _scale_clause,
    ChangeKind.SHRINK: _shrink_clause,
    ChangeKind.ENLARGE: _enlarge_clause,
}


def frame_notes(stored: Sequence[StoredReference]) -> tuple[str, ...]:
    """A first and an end frame of different shape: the provider keeps the first's."""
    shapes = {one.place: one.info.width / one.info.height for one in stored if one.place in set(Frame)}
    if set(shapes) != set(Frame) or abs(shapes[Frame.END] / shapes[Frame.FIRST] - 1) <= _SHAPES_DIFFER:
        return ()
    return ("The end frame will be cropped to the first frame's shape.",)
