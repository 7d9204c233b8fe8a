"""A still picture that somebody else made, checked by decoding all of it. Only a child process loads this module."""

from pathlib import Path

from PIL import Image

from bot.domain.changes import PIXELS_MAX
from bot.domain.references import MediaInfo
from bot.domain.slots import Kind
from bot.media.probe import probe
from bot.media.reading import UnreadableError

FORMATS = frozenset({"png", "jpeg", "webp"})


def still(path: Path) -> MediaInfo:
    """Its format and shape. Raises UnreadableError."""
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    if info.format not in FORMATS:
        raise UnreadableError(f"is {info.format.upper()}, not a PNG, JPEG or WebP picture")
    if info.width * info.height > PIXELS_MAX[Kind.VIDEO]:
        raise UnreadableError(f"has {info.width:,}×{info.height:,} pixels, which is more than a clip can have")
    try:
        _check_decodes(path, info)
    except (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("cannot be decoded") from error
    return info


def _check_decodes(path: Path, info: MediaInfo) -> None:
    # The format is pinned: only the reader of what the header announced sees these bytes.
    with Image.open(path, formats=[info.format.upper()]) as image:
        if getattr(image, "is_animated", False):
            raise UnreadableError("moves")
        if sorted(image.size) != sorted((info.width, info.height)):  # its reader may see more than the header's
            raise UnreadableError("cannot be decoded")
        image.load()
