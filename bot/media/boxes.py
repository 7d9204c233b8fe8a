"""How the outermost parts of an MP4 lie in the file."""

from pathlib import Path

from bot.media.reading import Source
from bot.media.video_headers import boxes

_QUICKTIME = b"qt  "


def outer_boxes(path: Path) -> list[bytes]:
    """Their kinds in order; UnreadableError where they do not fit together."""
    with path.open("rb") as file:
        source = Source(file, path.stat().st_size)
        return [box.kind for box in boxes(source, 0, source.size_bytes)]


def plays_while_it_loads(path: Path) -> bool:
    """An MP4 by its brand, its index whole (not in fragments) and before the data."""
    kinds = outer_boxes(path)
    if b"moof" in kinds or not {b"ftyp", b"moov", b"mdat"} <= set(kinds):
        return False
    return _brand(path) != _QUICKTIME and kinds.index(b"moov") < kinds.index(b"mdat")


def _brand(path: Path) -> bytes:
    """Of a file that begins with `ftyp`, else empty."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[8:12] if head[4:8] == b"ftyp" else _QUICKTIME
