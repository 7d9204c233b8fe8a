"""Text with the fonts at hand: what can be drawn, how wide it is, where a line ends."""

import re
import unicodedata

from PIL import ImageDraw, ImageFont

from bot.providers.animatic.fonts import Source, draws, font, is_letter, is_mark, is_right_to_left, sources_for

NOT_DRAWABLE = "(text not drawable)"

_PLAIN = str.maketrans(
    {"—": "-", "–": "-", "×": "x", "•": "·", "→": ">", "\u00a0": " ", "ß": "ss", "ø": "o", "æ": "ae"}
)
_WIDE = {"W", "F"}
_CLOSING = frozenset("，。、；：！？）」』》”’,.;:!?)…")  # noqa: RUF001 (no line begins with these)
_MENTION = re.compile(r"@(?=[A-Za-z])")
_LEFT_TO_RIGHT_MARK = "\u200e"
_ORPHANS = re.compile(r"([,;،、，；])(?:\s*[,;،、，；])+")  # noqa: RUF001 (marks between words that were left out)
_PICTOGRAPHS = (range(0x1F000, 0x20000), range(0x2600, 0x27C0), range(0x2B50, 0x2B56))


class Face:
    """One size of lettering: the first font that has all of `text`, and the others for what it lacks.

    A text with more right-to-left letters than others runs from the right, whatever word it begins with.
    """

    def __init__(self, size: int, text: str = "") -> None:
        self.size = size
        self.sources = sources_for(text)
        letters = [c for c in text if c.isalpha()]
        self.is_right_to_left = sum(map(is_right_to_left, letters)) * 2 > len(letters)

    def clean(self, text: str) -> str:
        """What can be drawn of a text; where words are lost, it says so, for a box would look like a fault."""
        spelled = [(c, self._spelled(c)) for c in text]
        kept = " ".join("".join(drawn for _, drawn in spelled).split())
        lost = any(is_letter(c) and not drawn for c, drawn in spelled)
        if not lost:
            return kept
        left = _ORPHANS.sub(r"\1", kept) if any(map(is_letter, kept)) else ""
        return f"{left} {NOT_DRAWABLE}".strip()

    def width(self, text: str) -> float:
        return sum(self._length(source, run) for source, run in self._runs(text))

    def draw(self, on: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: tuple[int, ...]) -> None:
        """`at` is the left end of the baseline."""
        left, baseline = at
        for source, run in self._runs(text):
            face = font(source, self.size)
            on.text((left, baseline), _kept_together(run), fill, face, anchor="ls", direction=self._direction(face))
            left += self._length(source, run)

    def draw_line(
        self, on: ImageDraw.ImageDraw, at: tuple[float, float], width: float, text: str, fill: tuple[int, ...]
    ) -> None:
        """At the side of a column where such text begins; `at` is the left end of the column's baseline."""
        inset = width - self.width(text) if self.is_right_to_left else 0
        self.draw(on, (at[0] + inset, at[1]), text, fill)

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
            if not is_mark(c) and (breaks or self.width(tokens[-1] + c) > width):
                tokens.append(c)
            else:
                tokens[-1] += c
        return tokens

    def _runs(self, text: str) -> list[tuple[Source, str]]:
        """Stretches of one font each, as they stand from the left.

        What is no letter stays with the letters before it: a space between two Arabic words must not part them.
        """
        runs: list[tuple[Source, str]] = []
        for c in text:
            if runs and (self._source(c) == runs[-1][0] or (not c.isalnum() and draws(runs[-1][0], c))):
                runs[-1] = (runs[-1][0], runs[-1][1] + c)
            else:
                runs.append((self._source(c), c))
        return runs[::-1] if self.is_right_to_left else runs

    def _length(self, source: Source, run: str) -> float:
        face = font(source, self.size)
        return face.getlength(run, direction=self._direction(face))

    def _direction(self, face: ImageFont.FreeTypeFont) -> str | None:
        if face.layout_engine != ImageFont.Layout.RAQM:
            return None
        return "rtl" if self.is_right_to_left else "ltr"

    def _spelled(self, c: str) -> str:
        """The character, or a plainer one (`e` for an accented one), or nothing."""
        if c.isspace():
            return " "
        if any(ord(c) in block for block in _PICTOGRAPHS):
            return ""
        plain = unicodedata.normalize("NFKD", c.translate(_PLAIN))
        candidates = (c, plain, "".join(part for part in plain if not unicodedata.combining(part)))
        return next((one for one in candidates if one and all(self._is_drawn(part) for part in one)), "")

    def _is_drawn(self, c: str) -> bool:
        return any(draws(source, c) for source in self.sources)

    def _source(self, c: str) -> Source:
        return next((source for source in self.sources if draws(source, c)), self.sources[0])


def _kept_together(run: str) -> str:
    """A mention's @ goes with its name: amid Arabic it would jump to the other side."""
    return _MENTION.sub(_LEFT_TO_RIGHT_MARK + "@", run) if any(map(is_right_to_left, run)) else run


def _is_wide(c: str) -> bool:
    return unicodedata.east_asian_width(c) in _WIDE
