"""The card of a shot without a reference: its number and its words, set large."""

from PIL import Image, ImageDraw, ImageOps

from bot.providers.animatic.captions import GREY, WHITE, Colour, Scale
from bot.providers.animatic.lettering import Face
from bot.providers.animatic.pictures import Picture, Size, picture_of

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
_SLOPE_DEGREES = 35
_SLOPE_INSET_PX = 40
"""Cuts off the corners that turning the slope left empty."""


def card(number: int, words: str, raster: Size, seed: int) -> Picture:
    """Deep colour, a number as large as the picture behind, and a block of text inside the middle."""
    dark, light, accent = _SCHEMES[(number - 1 + seed) % len(_SCHEMES)]
    image = _ground(raster, dark, light)
    _ghost(image, str(number), accent)
    _block(image, number, words, accent)
    return picture_of(image)


def _ground(raster: Size, dark: Colour, light: Colour) -> Image.Image:
    slope = Image.linear_gradient("L").rotate(_SLOPE_DEGREES, Image.Resampling.BICUBIC)
    inside = (_SLOPE_INSET_PX, _SLOPE_INSET_PX, slope.width - _SLOPE_INSET_PX, slope.height - _SLOPE_INSET_PX)
    middle = ImageOps.autocontrast(slope.crop(inside)).resize(raster, Image.Resampling.BICUBIC)
    return ImageOps.colorize(middle, black=dark, white=light)


def _ghost(image: Image.Image, text: str, accent: Colour) -> None:
    face = Face(round(max(image.size) * 0.62))
    veil = Image.new("L", image.size)
    left = image.width - face.width(text) * 0.86
    face.draw(ImageDraw.Draw(veil), (left, image.height * 0.5 + face.size * 0.36), text, (255,))
    image.paste(accent, (0, 0), veil.point([round(v * _GHOST_STRENGTH) for v in range(256)]))


def _block(image: Image.Image, number: int, words: str, accent: Colour) -> None:
    scale = Scale(image.size)
    label, face = Face(scale.px(34)), _sized(words, image.size)
    left, width = image.width * _SAFE, image.width * (1 - 2 * _SAFE)
    lines = face.lines(face.clean(words), width, _WORDS_LINES)
    line_height = face.size * 1.32
    height = label.size * 1.2 + scale.px(34) + line_height * len(lines)
    top = image.height * 0.47 - height / 2
    draw = ImageDraw.Draw(image)
    label.draw(draw, (left, top + label.size), f"SHOT {number}", accent)
    rule = top + label.size * 1.2 + scale.px(10)
    draw.rectangle((left, rule, left + scale.px(72), rule + scale.px(4)), fill=accent)
    baseline = rule + scale.px(24) + face.size
    for at, line in enumerate(lines):
        face.draw(draw, (left, baseline + at * line_height), line, WHITE if at or words else GREY)


def _sized(words: str, raster: Size) -> Face:
    """Few words stand larger."""
    scale = Scale(raster)
    sizes = (58, 48, 40, 34)
    faces = [Face(scale.px(size), words) for size in sizes]
    width = raster[0] * (1 - 2 * _SAFE)
    fits = (face for face in faces if len(face.lines(face.clean(words), width, 5)) <= 4)  # noqa: PLR2004 (a block, not a page)
    return next(fits, faces[-1])
