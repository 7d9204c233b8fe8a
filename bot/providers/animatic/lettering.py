"""Text with the fonts at hand: what can be drawn, how wide it is, where a line ends."""

import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

NOT_DRAWABLE = "(text not drawable)"

# Pillow's own face has ASCII and little more; these are used where the system has them.
_FONT_FILES = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
)
_MISSING = "\uffff"
_PLAIN = str.maketrans(
    {"—": "-", "–": "-", "×": "x", "•": "·", "→": ">", "\u00a0": " ", "ß": "ss", "ø": "o", "æ": "ae"}
)
_RIGHT_TO_LEFT = {"R", "AL", "AN"}
_WIDE = {"W", "F"}
_CLOSING = frozenset("，。、；：！？）」』》”’,.;:!?)…")  # noqa: RUF001 (no line begins with these)

Font = ImageFont.FreeTypeFont


class Face:
    """One size of lettering: the first font that has all of `text`, and the others for what it lacks."""

    def __init__(self, size: int, text: str = "") -> None:
        self.size = size
        needed = {c for c in text if c.isalnum() and _font_for(_fonts(size), c)}
        # One foreign letter in the middle of a word looks like a fault: the whole text changes the font.
        self._fonts = tuple(sorted(_fonts(size), key=lambda font: not all(_draws(font, c) for c in needed)))

    def clean(self, text: str) -> str:
        """What can be drawn of a text; where words are lost, it says so, for a box would look like a fault."""
        spelled = [(c, self._spelled(c)) for c in text]
        kept = " ".join("".join(drawn for _, drawn in spelled).split())
        lost = any(c.isalnum() and not drawn for c, drawn in spelled)
        return f"{kept} {NOT_DRAWABLE}".strip() if lost else kept

    def width(self, text: str) -> float:
        return sum(font.getlength(run) for font, run in self._runs(text))

    def draw(self, on: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: tuple[int, ...]) -> None:
        """`at` is the left end of the baseline."""
        left, baseline = at
        for font, run in self._runs(text):
            on.text((left, baseline), run, fill, font, anchor="ls")
            left += font.getlength(run)

    def lines(self, text: str, width: float, lines_max: int) -> list[str]:
        """Broken between words, and between characters of a script without spaces; the end is cut with an ellipsis."""
        lines = [""]
        for token in self._tokens(text, width):
            if self.width((lines[-1] + token).rstrip()) <= width:
                lines[-1] += token
            elif len(lines) == lines_max:
                lines[-1] = self._cut(lines[-1], width)
                break
            else:
                lines.append(token.lstrip())
        return [line.rstrip() for line in lines]

    def _cut(self, line: str, width: float) -> str:
        while line and self.width(line.rstrip() + "…") > width:
            line = line[:-1]
        return line.rstrip() + "…"

    def _tokens(self, text: str, width: float) -> list[str]:
        tokens: list[str] = []
        for c in text:
            breaks = not tokens or c == " " or ((_is_wide(c) or _is_wide(tokens[-1][-1])) and c not in _CLOSING)
            if breaks or self.width(tokens[-1] + c) > width:
                tokens.append(c)
            else:
                tokens[-1] += c
        return tokens

    def _runs(self, text: str) -> list[tuple[Font, str]]:
        runs: list[tuple[Font, str]] = []
        for c in text:
            font = self._font(c) or self._fonts[0]
            if runs and runs[-1][0] is font:
                runs[-1] = (font, runs[-1][1] + c)
            else:
                runs.append((font, c))
        return runs

    def _spelled(self, c: str) -> str:
        """The character, or a plainer one (`e` for an accented one), or nothing."""
        if c.isspace():
            return " "
        plain = unicodedata.normalize("NFKD", c.translate(_PLAIN))
        candidates = (c, plain, "".join(part for part in plain if not unicodedata.combining(part)))
        return next((one for one in candidates if one and all(self._font(part) for part in one)), "")

    def _font(self, c: str) -> Font | None:
        return _font_for(self._fonts, c)


@lru_cache(maxsize=16)
def _fonts(size: int) -> tuple[Font, ...]:
    own = ImageFont.load_default(size)
    if not isinstance(own, Font):
        raise TypeError("Pillow was built without FreeType")
    files = [path for path in _FONT_FILES if path.is_file()]
    return (own, *(ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC) for path in files))


def _font_for(fonts: tuple[Font, ...], c: str) -> Font | None:
    return next((font for font in fonts if _draws(font, c)), None)


@lru_cache(maxsize=8192)
def _draws(font: Font, c: str) -> bool:
    """Right-to-left scripts would need shaping, which is not done here: no font counts as having them."""
    if c == " ":
        return True
    if unicodedata.bidirectional(c) in _RIGHT_TO_LEFT or unicodedata.combining(c):
        return False
    return _glyph(font, c) not in (_glyph(font, _MISSING), b"")


def _glyph(font: Font, c: str) -> bytes:
    return bytes(font.getmask(c))


def _is_wide(c: str) -> bool:
    return unicodedata.east_asian_width(c) in _WIDE
