"""What is written over the picture: the shot's words, what is shown and heard, and that this is an animatic."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from bot.domain.slots import Frame, Kind, Place, kind_of
from bot.providers.animatic.lettering import Face
from bot.providers.animatic.pictures import Picture, Size, even, picture_of

Colour = tuple[int, int, int]

LEVELS = 8
WHITE = (245, 245, 242)
GREY = (182, 185, 190)
INK = (12, 13, 16)
COLOURS: dict[Kind, Colour] = {Kind.IMAGE: (94, 214, 180), Kind.VIDEO: (118, 176, 255), Kind.AUDIO: (255, 190, 92)}

_PHONE_WIDTH = 940
"""Of this many pixels 30 are 12 on a phone that shows the clip 390 wide."""
_SCRIM = 205
_SMOOTH = 4
_MARK = "ANIMATIC"
_MARK_MEANS = "storyboard, not generated video"
_BAR_LUMA, _BAR_REST = 230, 92
_FRAME_WORDS = {Frame.FIRST: "first frame", Frame.END: "end frame"}


@dataclass(frozen=True, slots=True)
class Overlay:
    """A drawing and how much of it covers the picture, in steps of a fade."""

    at: Size
    drawn: Picture
    masks: dict[int, tuple[Image.Image, Image.Image]] = field(default_factory=dict)

    def lay(self, on: Picture, level: int) -> None:
        mask, half = self.masks[level]
        left, top = self.at
        luma, *chroma = zip(on.planes, self.drawn.planes, strict=True)
        luma[0].paste(luma[1], (left, top), mask)
        for plane, drawn in chroma:
            plane.paste(drawn, (left // 2, top // 2), half)


def overlay_of(drawing: Image.Image, at: Size) -> Overlay:
    """From an RGBA drawing of even sides, at an even place."""
    alpha = drawing.getchannel("A")
    half = alpha.resize((drawing.width // 2, drawing.height // 2), Image.Resampling.BOX)
    masks = {level: (_faded(alpha, level), _faded(half, level)) for level in range(1, LEVELS + 1)}
    return Overlay(at, picture_of(drawing.convert("RGB")), masks)


def _faded(mask: Image.Image, level: int) -> Image.Image:
    return mask.point([value * level // LEVELS for value in range(256)])


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes that follow the raster."""

    raster: Size

    def px(self, at_720: float) -> int:
        """A wide picture is made small to fit a phone's width, so its letters follow the width."""
        return max(1, round(at_720 * max(min(self.raster) / 720, self.raster[0] / _PHONE_WIDTH)))

    @property
    def margin(self) -> int:
        return self.px(40)

    @property
    def width(self) -> int:
        """For text: all between the margins, but no line longer than can be read at a glance."""
        return min(self.raster[0] - 2 * self.margin, self.px(1000))

    @property
    def lines_max(self) -> int:
        """More lines where they are short."""
        return max(2, min(6, round(3.4 * self.raster[1] / self.raster[0] + 1)))

    def words(self, text: str) -> Face:
        return Face(self.px(30), text)

    @property
    def small(self) -> Face:
        return Face(self.px(24))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What stands at the foot of one showing."""

    label: str
    words: str
    places: tuple[Place, ...]
    active: frozenset[Place]


def strip(caption: Caption, bar: Sequence[tuple[int, int]], raster: Size) -> Overlay:
    """The foot: label and chips over the words, on a scrim that fades out upwards; `bar` has the shots' edges."""
    scale = Scale(raster)
    face, gap = scale.words(caption.words), scale.px(12)
    line_height = round(face.size * 1.3)
    lines = face.lines(face.clean(caption.words), scale.width, scale.lines_max) if caption.words else []
    row_height = round(scale.small.size * 1.7)
    top = scale.px(56)
    foot = scale.px(30)
    height = even(top + row_height + gap + line_height * len(lines) + foot)
    drawing = _scrim((raster[0], height), top + row_height)
    _draw_row(drawing, caption, top, scale)
    draw = ImageDraw.Draw(drawing)
    for number, line in enumerate(lines):
        baseline = top + row_height + gap + line_height * number + face.size
        face.draw_line(draw, (scale.margin, baseline), raster[0] - 2 * scale.margin, line, (*WHITE, 255))
    for left, right in bar:
        draw.rectangle((left, height - bar_height(raster), right - 1, height), fill=(_BAR_REST,) * 3 + (255,))
    return overlay_of(drawing, (0, raster[1] - height))


def bar_height(raster: Size) -> int:
    return even(Scale(raster).px(4))


def fill_bar(on: Picture, bar: Sequence[tuple[int, int]], part: float) -> None:
    """The part of the clip that has played."""
    width, height = on.size
    for left, right in bar:
        end = min(right, round(part * width))
        if end > left:
            on.planes[0].paste(_BAR_LUMA, (left, height - bar_height(on.size), end, height))


def mark(raster: Size) -> Overlay:
    scale = Scale(raster)
    face, pad = Face(scale.px(22)), scale.px(12)
    first, second = face.width(_MARK), face.width(_MARK_MEANS)
    size = (even(first + second + 3.4 * pad), even(face.size + 1.3 * pad))
    drawing = _pill(size, INK, 165)
    baseline = size[1] / 2 + face.size * 0.36
    draw = ImageDraw.Draw(drawing)
    face.draw(draw, (pad, baseline), _MARK, (*COLOURS[Kind.AUDIO], 255))
    face.draw(draw, (pad * 2 + first, baseline), _MARK_MEANS, (*WHITE, 255))
    inset = even(scale.px(28))
    return overlay_of(drawing, (inset, inset))


def _draw_row(drawing: Image.Image, caption: Caption, top: int, scale: Scale) -> None:
    """The label, then as many chips as fit; what is on the screen now comes first where not all do."""
    face, gap, left = scale.small, scale.px(10), float(scale.margin)
    if caption.label:
        draw = ImageDraw.Draw(drawing)
        face.draw(draw, (left, top + face.size * 1.21), caption.label, (*WHITE, 255))
        left += face.width(caption.label) + 1.6 * gap
    chips = _fitting(caption, scale.raster[0] - scale.margin - left, face, gap)
    for text, colour, active in chips:
        chip = _chip(text, colour, face, active=active)
        drawing.alpha_composite(chip, (round(left), top))
        left += chip.width + gap


def _fitting(caption: Caption, width: float, face: Face, gap: int) -> list[tuple[str, Colour, bool]]:
    def taken(chips: Sequence[tuple[str, Colour, bool]]) -> float:
        return sum(_chip_width(text, face) + gap for text, _, _ in chips)

    chips = [(chip_text(place), COLOURS[kind_of(place)], place in caption.active) for place in caption.places]
    if taken(chips) <= width:
        return chips
    chips.sort(key=lambda chip: not chip[2])
    count = max(n for n in range(len(chips)) if n == 0 or taken([*chips[:n], ("+99", GREY, False)]) <= width)
    return [*chips[:count], (f"+{len(chips) - count}", GREY, False)]


def chip_text(place: Place) -> str:
    return _FRAME_WORDS[place] if isinstance(place, Frame) else str(place)


def _chip_width(text: str, face: Face) -> int:
    return even(face.width(text) + face.size * 1.1)


def _chip(text: str, colour: Colour, face: Face, *, active: bool) -> Image.Image:
    size = (_chip_width(text, face), round(face.size * 1.7))
    chip = _pill(size, colour, 255) if active else _pill(size, (70, 73, 80), 210)
    at = (face.size * 0.55, size[1] / 2 + face.size * 0.36)
    face.draw(ImageDraw.Draw(chip), at, text, (*(INK if active else colour), 255))
    return chip


def _pill(size: Size, colour: Colour, alpha: int) -> Image.Image:
    """Drawn larger and shrunk: Pillow's rounded corners are not smooth."""
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius=large.height * 0.32, fill=alpha)
    pill = Image.new("RGBA", size, (*colour, 0))
    pill.putalpha(large.resize(size, Image.Resampling.BOX))
    return pill


def _scrim(size: Size, ramp: int) -> Image.Image:
    alpha = Image.new("L", size, _SCRIM)
    alpha.paste(Image.linear_gradient("L").resize((size[0], ramp)).point([v * _SCRIM // 255 for v in range(256)]))
    scrim = Image.new("RGBA", size, (*INK, 255))
    scrim.putalpha(alpha)
    return scrim
