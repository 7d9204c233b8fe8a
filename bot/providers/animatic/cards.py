"""The card of a shot without a reference: its number and its words, set large before a ground that moves."""

from PIL import Image, ImageDraw, ImageOps

from bot.providers.animatic.captions import WHITE, Colour, Overlay, Scale, overlay_of
from bot.providers.animatic.lettering import Face
from bot.providers.animatic.pictures import OVERSIZE, Picture, Size, even, picture_of

_SCHEMES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((10, 22, 38), (28, 66, 98), (118, 196, 255)),
    ((30, 13, 34), (86, 34, 82), (255, 140, 196)),
    ((9, 30, 28), (22, 82, 74), (94, 224, 186)),
    ((36, 18, 10), (104, 52, 28), (255, 180, 96)),
    ((18, 16, 42), (58, 50, 118), (176, 164, 255)),
)
_WORDS_LINES = 6
_SAFE = 0.1
_GHOST_STRENGTH = 0.1
_GRID_STRENGTH = 26
_GRID_ROWS = 8
_GRID_STROKES = 360
"""The picture's shorter side in strokes of the grid."""
_SLOPE_DEGREES = 35
_SLOPE_INSET_PX = 40
"""Cuts off the corners that turning the slope left empty."""


def card_ground(number: int, raster: Size, seed: int) -> Picture:
    """Deep colour, a grid that shows how the camera moves, and a number as large as the picture."""
    dark, light, accent = _scheme(number, seed)
    image = _ground((even(raster[0] * OVERSIZE), even(raster[1] * OVERSIZE)), dark, light)
    _grid(image, accent)
    _ghost(image, str(number), accent)
    return picture_of(image)


def card_words(label: str, number: int, words: str, raster: Size, seed: int) -> Overlay:
    """A block of text inside the middle. It stands still: words that move with the camera cannot be read."""
    *_, accent = _scheme(number, seed)
    drawing = Image.new("RGBA", raster, (*accent, 0))
    top, bottom = _block(drawing, label, words, accent)
    box = (0, max(0, even(top) - 2), raster[0], min(raster[1], even(bottom) + 2))
    return overlay_of(drawing.crop(box), box[:2])


def _scheme(number: int, seed: int) -> tuple[Colour, Colour, Colour]:
    return _SCHEMES[(number - 1 + seed) % len(_SCHEMES)]


def _ground(raster: Size, dark: Colour, light: Colour) -> Image.Image:
    slope = Image.linear_gradient("L").rotate(_SLOPE_DEGREES, Image.Resampling.BICUBIC)
    inside = (_SLOPE_INSET_PX, _SLOPE_INSET_PX, slope.width - _SLOPE_INSET_PX, slope.height - _SLOPE_INSET_PX)
    middle = ImageOps.autocontrast(slope.crop(inside)).resize(raster, Image.Resampling.BICUBIC)
    return ImageOps.colorize(middle, black=dark, white=light)


def _grid(image: Image.Image, accent: Colour) -> None:
    veil = Image.new("L", image.size)
    draw = ImageDraw.Draw(veil)
    step, stroke = min(image.size) / _GRID_ROWS, max(1, round(min(image.size) / _GRID_STROKES))
    for across in range(1, round(image.width / step) + 1):
        draw.line((across * step, 0, across * step, image.height), _GRID_STRENGTH, stroke)
    for down in range(1, _GRID_ROWS):
        draw.line((0, down * step, image.width, down * step), _GRID_STRENGTH, stroke)
    image.paste(accent, (0, 0), veil)


def _ghost(image: Image.Image, text: str, accent: Colour) -> None:
    face = Face(round(max(image.size) * 0.62))
    veil = Image.new("L", image.size)
    left = image.width - face.width(text) * 0.86
    face.draw(ImageDraw.Draw(veil), (left, image.height * 0.5 + face.size * 0.36), text, (255,))
    image.paste(accent, (0, 0), veil.point([round(v * _GHOST_STRENGTH) for v in range(256)]))


def _block(image: Image.Image, label: str, words: str, accent: Colour) -> tuple[float, float]:
    """Draws it, and says from where to where it stands."""
    scale = Scale(image.size)
    head, face = Face(scale.px(30)), _sized(words, image.size)
    left, width = image.width * _SAFE, image.width * (1 - 2 * _SAFE)
    lines = face.lines(face.clean(words), width, _WORDS_LINES)
    line_height = face.size * 1.32
    height = head.size * 1.2 + scale.px(34) + line_height * len(lines)
    top = image.height * 0.47 - height / 2
    draw = ImageDraw.Draw(image)
    head.draw(draw, (left, top + head.size), label, (*accent, 255))
    rule = top + head.size * 1.2 + scale.px(10)
    draw.rectangle((left, rule, left + scale.px(72), rule + scale.px(4)), fill=(*accent, 255))
    baseline = rule + scale.px(24) + face.size
    for at, line in enumerate(lines):
        face.draw_line(draw, (left, baseline + at * line_height), width, line, (*WHITE, 255))
    return top, top + height + scale.px(10)


def _sized(words: str, raster: Size) -> Face:
    """Few words stand larger."""
    scale = Scale(raster)
    sizes = (54, 44, 36, 30)
    faces = [Face(scale.px(size), words) for size in sizes]
    width = raster[0] * (1 - 2 * _SAFE)
    fits = (face for face in faces if len(face.lines(face.clean(words), width, 5)) <= 4)  # noqa: PLR2004 (a block, not a page)
    return next(fits, faces[-1])
