"""Stills made anew with Pillow: upright, at another size, as PNG or JPEG. Only a child process loads this module."""

import io
from math import ceil, floor
from pathlib import Path

from PIL import Image, ImageCms, UnidentifiedImageError

from bot.domain.changes import PIXELS_MAX, Change
from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.reading import UnreadableError

_ORIENTATION = 274
_TURN = Image.Transpose
_UPRIGHT = {
    2: _TURN.FLIP_LEFT_RIGHT,
    3: _TURN.ROTATE_180,
    4: _TURN.FLIP_TOP_BOTTOM,
    5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270,
    7: _TURN.TRANSVERSE,
    8: _TURN.ROTATE_90,
}
"""By Exif orientation: https://www.cipa.jp/std/documents/download_e.html?CIPA_DC-008-2024-E"""
_QUALITIES = (95, 90, 85, 75, 60)
_SMALLER, _SMALLER_MAX = 0.75, 6
_PNG_QUICK, _PNG_SMALL = 1, 6
_LEVELS_16_BIT = 256
_BAND_ROWS, _MARGIN_ROWS = 512, 4
_SCALED_AS_IS = frozenset({"RGB", "RGBA", "L", "LA", "CMYK", "YCbCr", "LAB"})
_ALPHA = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_COLOURED = frozenset({"RGB", "RGBA", "P", "PA", "RGBX", "YCbCr"})
"""Modes whose colour profile is one of red, green and blue, and so holds for what they become."""


Image.MAX_IMAGE_PIXELS = PIXELS_MAX[Kind.IMAGE]


def mend_picture(path: Path, output: Path, info: MediaInfo, change: Change) -> None:
    """Raises UnreadableError."""
    if info.width * info.height > PIXELS_MAX[Kind.IMAGE]:
        raise _too_large(info.width, info.height)
    try:
        upright, profile = _shaped(path, info, change)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("cannot be decoded") from error
    output.write_bytes(_packed(upright, profile, change))


def _too_large(width: int, height: int) -> UnreadableError:
    return UnreadableError(
        f"has {width:,}×{height:,} pixels; {PIXELS_MAX[Kind.IMAGE] // 1_000_000} million together is the most"
    )


def _shaped(path: Path, info: MediaInfo, change: Change) -> tuple[Image.Image, bytes | None]:
    """The picture upright and at its new size, and the colour profile that it keeps."""
    # The format is pinned: only the reader of what the header announced sees these bytes.
    with Image.open(path, formats=[info.format.upper()]) as opened:
        if opened.width * opened.height > PIXELS_MAX[Kind.IMAGE]:  # its reader may see more than the header's
            raise _too_large(opened.width, opened.height)
        size = _size_in_file(opened, info, change)
        opened.draft(None, size)  # a JPEG is decoded at a half or a quarter already
        opened.load()
        orientation = opened.getexif().get(_ORIENTATION, 1)
        # At most one more picture of this size has room in memory: what can be scaled as it is becomes RGB after it.
        if opened.mode in _SCALED_AS_IS and "transparency" not in opened.info:
            coloured, profile = _coloured(_scaled(opened, size), opened.info.get("icc_profile"))
        else:
            coloured, profile = _coloured(opened, opened.info.get("icc_profile"))
            coloured = _scaled(coloured, size)
    return (coloured.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else coloured), profile


def _size_in_file(opened: Image.Image, info: MediaInfo, change: Change) -> tuple[int, int]:
    """The change speaks of the picture as displayed; in the file it may lie on its side."""
    if opened.size == (info.height, info.width):
        return change.height, change.width
    return change.width, change.height


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """In bands: the whole at once needs three times the memory. A margin hides where they meet."""
    if image.size == size:
        return image
    scaled = Image.new(image.mode, size)
    scale = image.height / size[1]
    for top in range(0, size[1], _BAND_ROWS):
        begin, end = max(top - _MARGIN_ROWS, 0), min(top + _BAND_ROWS + _MARGIN_ROWS, size[1])
        first, last = floor(begin * scale), min(ceil(end * scale), image.height)
        box = (0.0, begin * scale - first, float(image.width), min(end * scale, image.height) - first)
        band = image.crop((0, first, image.width, last))
        band = band.resize((size[0], end - begin), Image.Resampling.LANCZOS, box=box)
        scaled.paste(band.crop((0, top - begin, size[0], min(top + _BAND_ROWS, size[1]) - begin)), (0, top))
    return scaled


def _coloured(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """As RGB, or RGBA where something is transparent; other colour spaces by their own profile."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda level: level / _LEVELS_16_BIT, "L")
    if image.mode in {"I", "F"}:
        raise UnreadableError("has pixels of an unusual kind; save it as PNG or JPEG with 8 bits")
    if image.mode in {"CMYK", "LAB"} and profile:
        managed = _by_profile(image, profile)
        if managed is not None:
            return managed, None
    keeps = profile if image.mode in _COLOURED else None
    wanted = "RGBA" if image.mode in _ALPHA or "transparency" in image.info else "RGB"
    return (image if image.mode == wanted else image.convert(wanted)), keeps


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


# -- written


class _FullError(Exception):
    """More bytes than allowed were about to be written."""


class _Bounded(io.BytesIO):
    """Ends an encoder as soon as its file would be too large."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self._bytes_max = bytes_max

    def write(self, data: object, /) -> int:
        written = super().write(data)  # type: ignore[arg-type]  # whatever buffer Pillow hands over
        if self.tell() > self._bytes_max:
            raise _FullError
        return written


def _packed(image: Image.Image, profile: bytes | None, change: Change) -> bytes:
    if change.format == "png":
        # What is transparent would be lost in a JPEG: that is worth a second, slower try.
        for level in (_PNG_QUICK, _PNG_SMALL) if image.mode == "RGBA" else (_PNG_QUICK,):
            packed = _saved(image, change.bytes_max, format="PNG", compress_level=level, icc_profile=profile)
            if packed is not None:
                return packed
    return _packed_as_jpeg(_opaque(image), profile, change.bytes_max)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _packed_as_jpeg(image: Image.Image, profile: bytes | None, bytes_max: int) -> bytes:
    for _ in range(_SMALLER_MAX):
        for quality in _QUALITIES:
            packed = _saved(image, bytes_max, format="JPEG", quality=quality, subsampling="4:4:4", icc_profile=profile)
            if packed is not None:
                return packed
        image = _scaled(image, (max(round(image.width * _SMALLER), 1), max(round(image.height * _SMALLER), 1)))
    raise UnreadableError("cannot be made small enough")


def _saved(image: Image.Image, bytes_max: int, **options: object) -> bytes | None:
    """None when it would have more bytes than allowed."""
    image.info = {}  # what stood in the old file (its Exif turn above all) must not follow
    packed = _Bounded(bytes_max)
    try:
        image.save(packed, **options)  # type: ignore[arg-type]  # Pillow's options are typed per name
    except _FullError:
        return None
    return packed.getvalue()
