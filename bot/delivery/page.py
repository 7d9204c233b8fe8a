"""One dark page to draw on: pixels from the top left, text that fits, letters the font has."""

import io
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform
from PIL import Image

WIDTH, HEIGHT = 1080, 1350
DPI = 72  # a point is a pixel

# On Discord's darkest grey; blue against amber is told apart by colour-blind people too.
PAPER, BAND, RULE = "#1e1f22", "#2f3136", "#43464d"
INK, MUTED = "#f2f3f5", "#b5bac1"
BLUE, PALE, SLATE, AMBER = "#4a9ff5", "#b5dcff", "#7388a8", "#ffb02e"
MARKS_MAX = 2
STRIKES_THROUGH = 1  # the combining class of overlays
NAME_CHARS = 60


class Page:
    """A figure of its own: neither pyplot nor a shared setting is touched."""

    def __init__(self) -> None:
        self._figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=PAPER)
        self._canvas = FigureCanvasAgg(self._figure)

    def png(self) -> bytes:
        """The finished page, once: it is empty afterwards."""
        file = io.BytesIO()
        self._canvas.draw()  # type: ignore[no-untyped-call] # matplotlib gives it no types
        pixels = self._canvas.buffer_rgba()  # type: ignore[no-untyped-call] # matplotlib gives it no types
        picture = Image.frombuffer("RGBA", (WIDTH, HEIGHT), pixels)
        picture.convert("RGB").save(file, "PNG")
        self._figure.clear()
        del self._canvas.renderer  # six megabytes, which would wait for the garbage collector in a ring of references
        return file.getvalue()

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        if width > 0 and height > 0:
            self._add(Rectangle((x, HEIGHT - y - height), width, height, facecolor=colour, linewidth=0))

    def hatched(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Slanted stripes, cut off at the box's edges."""
        at = x - height
        while width > 0 and at < x + width:
            corners = [(at, y + height), (at + 7, y + height), (at + 7 + height, y), (at + height, y)]
            stripe = Polygon([(px, HEIGHT - py) for px, py in corners], facecolor=colour, linewidth=0)
            self._add(stripe)
            stripe.set_clip_path(
                Rectangle((x, HEIGHT - y - height), width, height, transform=IdentityTransform()),
            )
            at += 15

    def area(self, points: Sequence[tuple[float, float]], colour: str, alpha: float) -> None:
        self._add(Polygon([(x, HEIGHT - y) for x, y in points], facecolor=colour, alpha=alpha, linewidth=0))

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: float,
        *,
        dashes: tuple[float, float] | None = None,
    ) -> None:
        xs, ys = [x for x, _ in points], [HEIGHT - y for _, y in points]
        style: Literal["-"] | tuple[float, tuple[float, float]] = "-" if dashes is None else (0, dashes)
        self._add(
            Line2D(
                xs,
                ys,
                color=colour,
                linewidth=width,
                linestyle=style,
                solid_capstyle="butt",
                dash_capstyle="butt",
                solid_joinstyle="round",
            )
        )

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self._add(Circle((x, HEIGHT - y), radius, facecolor=colour, edgecolor=PAPER, linewidth=3))

    def ring(self, x: float, y: float, radius: float, colour: str) -> None:
        self._add(Circle((x, HEIGHT - y), radius - 1.5, facecolor="none", edgecolor=colour, linewidth=3))

    def cross(self, x: float, y: float, radius: float, colour: str) -> None:
        arm = radius * 0.8
        self.line([(x - arm, y - arm), (x + arm, y + arm)], colour, 4)
        self.line([(x - arm, y + arm), (x + arm, y - arm)], colour, 4)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int,
        colour: str = INK,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
        most: float = WIDTH,
    ) -> float:
        """Words on a baseline, cut where they get wider than `most`; says how wide they became."""
        words = self._cut(words, size, bold=bold, most=most)
        font = FontProperties(fname=_font_file(bold=bold), size=size)
        self._add(
            Text(x, HEIGHT - y, words, color=colour, fontproperties=font, ha=align, va="baseline", parse_math=False)
        )
        return self.width(words, size, bold=bold)

    def width(self, words: str, size: int, *, bold: bool = False) -> float:
        font = FontProperties(fname=_font_file(bold=bold), size=size)
        renderer = self._canvas.get_renderer()  # type: ignore[no-untyped-call] # matplotlib gives it no types
        return float(renderer.get_text_width_height_descent(words, font, ismath=False)[0])

    def drawable(self, name: str) -> str | None:
        """What the font can draw of a name; None where too little of it would be left."""
        plain = unicodedata.normalize("NFKC", name[:NAME_CHARS])
        kept = " ".join(_few_marks("".join(map(self._drawn, plain))).split())
        letters, left = sum(map(str.isalnum, plain)), sum(map(str.isalnum, kept))
        whole = kept and not letters and len(kept) == len(plain.strip())
        return kept if whole or (left and left * 2 >= letters) else None

    def _drawn(self, char: str) -> str:
        if char.isspace():
            return " "
        hidden = unicodedata.category(char).startswith("C") or unicodedata.combining(char) == STRIKES_THROUGH
        return char if ord(char) in self._charmap and not hidden else ""

    @cached_property
    def _charmap(self) -> frozenset[int]:
        """What both weights have: the bold one knows fewer letters."""
        regular, bold = (FT2Font(_font_file(bold=bold)).get_charmap() for bold in (False, True))
        return frozenset(regular.keys() & bold.keys())

    def _cut(self, words: str, size: int, *, bold: bool, most: float) -> str:
        def too_wide(kept: int) -> bool:
            return self.width(f"{words[:kept].rstrip()}…", size, bold=bold) > most

        if self.width(words, size, bold=bold) <= most:
            return words
        kept = bisect_left(range(1, len(words)), x=True, key=too_wide)
        return f"{words[:kept].rstrip()}…" if kept else ""

    def _add(self, artist: Artist) -> None:
        artist.set_transform(IdentityTransform())
        artist.set_zorder(len(self._figure.get_children()))  # what comes later lies above
        self._figure.add_artist(artist)


def _font_file(*, bold: bool) -> str:
    return str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"))


def _few_marks(text: str) -> str:
    """Without the accents that are piled up to spill over other lines."""
    kept: list[str] = []
    for is_mark, run in groupby(text, key=lambda char: unicodedata.category(char) in ("Mn", "Me")):
        kept += islice(run, MARKS_MAX if is_mark else None)
    return "".join(kept)
