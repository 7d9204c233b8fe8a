"""The fonts at hand: Pillow's own, the usual files, and for a rarer script whatever the system has."""

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont, features

Font = ImageFont.FreeTypeFont
Source = Path | None
"""A font file; None is Pillow's own face, which has ASCII and little more."""

IS_SHAPING = features.check("raqm")
"""Joined and right-to-left letters need Raqm: https://pillow.readthedocs.io/en/stable/reference/ImageFont.html"""

_USUAL = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
)
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts")
_FILES_MAX = 200
_SUFFIXES = frozenset((".ttf", ".otf", ".ttc"))
_ODD_CUTS = ("bold", "italic", "oblique", "mono", "condensed", "narrow", "black", "light", "thin", "serif")
_READ_AT = 24
_MISSING = "\uffff"
_RIGHT_TO_LEFT = frozenset(("R", "AL"))


def sources_for(text: str) -> tuple[Source, ...]:
    """Where its letters can be drawn from, the first choice first; what no file here has is in none of them."""
    needed = frozenset(c for c in text if is_letter(c))
    usual = _usual()
    missing = frozenset(c for c in needed if not any(draws(source, c) for source in usual))
    known = (*usual, *(_found(missing) if missing else ()))
    drawable = [c for c in needed if any(draws(source, c) for source in known)]
    # One foreign letter in the middle of a word looks like a fault: the whole text changes the font.
    return tuple(sorted(known, key=lambda source: not all(draws(source, c) for c in drawable)))


@lru_cache(maxsize=64)
def font(source: Source, size: int) -> Font:
    own = ImageFont.load_default(size) if source is None else _opened(source, size, ImageFont.Layout.RAQM)
    if not isinstance(own, Font):
        raise TypeError("Pillow was built without FreeType")
    return own


@lru_cache(maxsize=16384)
def draws(source: Source, c: str) -> bool:
    """Whether the font has the character, and Pillow here can set its script."""
    if c == " ":
        return True
    if needs_shaping(c) and (source is None or not IS_SHAPING):
        return False
    return _has(_reader(source), c)


def is_letter(c: str) -> bool:
    """What carries meaning: a letter, a digit, or a vowel sign that is written as a mark."""
    return c.isalnum() or (unicodedata.category(c) in {"Mc", "Mn"} and not _is_accent(c))


def is_mark(c: str) -> bool:
    return unicodedata.category(c).startswith("M")


def is_right_to_left(c: str) -> bool:
    return unicodedata.bidirectional(c) in _RIGHT_TO_LEFT


def needs_shaping(c: str) -> bool:
    return is_right_to_left(c) or is_mark(c)


def _is_accent(c: str) -> bool:
    """A word without it can still be read; variation selectors only choose between two looks."""
    return unicodedata.combining(c) != 0 or "VARIATION SELECTOR" in unicodedata.name(c, "")


# -- files


@lru_cache(maxsize=1)
def _usual() -> tuple[Source, ...]:
    return (None, *(path for path in (*_USUAL, *_packaged()) if path.is_file()))


def _packaged() -> Iterable[Path]:
    """Matplotlib brings DejaVu Sans, which has Arabic, Hebrew, Greek and Cyrillic; it is not imported for that."""
    spec = find_spec("matplotlib")
    folders = (spec.submodule_search_locations if spec else None) or ()
    return (Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf") for folder in folders)


@lru_cache(maxsize=64)
def _found(missing: frozenset[str]) -> tuple[Path, ...]:
    """Files that together have as many of the characters as this system can draw."""
    left, found = set(missing), []
    for path in _files():
        if not left:
            break
        had = _had(path, left)
        if had:
            found.append(path)
            left -= had
    return tuple(found)


def _had(path: Path, wanted: Iterable[str]) -> set[str]:
    try:
        reader = _opened(path, _READ_AT, ImageFont.Layout.BASIC)
        return {c for c in wanted if (IS_SHAPING or not needs_shaping(c)) and _has(reader, c)}
    except OSError:
        return set()


@lru_cache(maxsize=1)
def _files() -> tuple[Path, ...]:
    """Upright cuts first. The walk ends at a bound: a desktop may have thousands."""
    found = []
    for folder in _FOLDERS:
        for path, _, names in os.walk(folder):
            found += [Path(path, name) for name in sorted(names) if Path(name).suffix.lower() in _SUFFIXES]
    return tuple(sorted(found, key=lambda path: (_is_odd(path), str(path)))[:_FILES_MAX])


def _is_odd(path: Path) -> bool:
    return any(cut in path.stem.lower() for cut in _ODD_CUTS)


def _opened(path: Path, size: int, layout: ImageFont.Layout) -> Font:
    return ImageFont.truetype(path, size, layout_engine=layout)


@lru_cache(maxsize=32)
def _reader(source: Source) -> Font:
    """Without shaping: a mark alone would get a circle to stand on, and seem to be there."""
    return font(None, _READ_AT) if source is None else _opened(source, _READ_AT, ImageFont.Layout.BASIC)


def _has(reader: Font, c: str) -> bool:
    return _glyph(reader, c) not in (_glyph(reader, _MISSING), b"")


def _glyph(reader: Font, c: str) -> bytes:
    return bytes(reader.getmask(c))
