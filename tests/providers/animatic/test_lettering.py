from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bot.providers.animatic.captions import Scale
from bot.providers.animatic.fonts import font, sources_for
from bot.providers.animatic.lettering import NOT_DRAWABLE, Face
from bot.providers.animatic.order import RASTERS

SENTENCE = "the harbour in the morning, before anyone is awake, "
CHINESE = "下雨了，街上没有人。"  # noqa: RUF001 (as typed)
ARABIC = "قطة تستيقظ على حافة النافذة"
HAS_CHINESE = NOT_DRAWABLE not in Face(24, CHINESE).clean(CHINESE)
PHONE_WIDTH = 390


def ink(text: str, *, size: int = 40, clean: bool = True) -> list[int]:
    """The columns that a text has blackened."""
    face = Face(size, text)
    image = Image.new("L", (900, 2 * size))
    face.draw(ImageDraw.Draw(image), (10, 1.4 * size), face.clean(text) if clean else text, (255,))
    return [int(at) for at in np.flatnonzero(np.asarray(image).max(axis=0) > 90)]


def stretches(columns: list[int], gap: int) -> list[int]:
    """How wide each stretch of ink is, where gaps of that many columns part them."""
    edges = [0, *(at + 1 for at, (a, b) in enumerate(pairwise(columns)) if b - a > gap), len(columns)]
    return [columns[end - 1] - columns[start] for start, end in pairwise(edges)]


@pytest.mark.parametrize("text", [SENTENCE * 40, "W" * 2000, CHINESE * 200, "x " * 1000, f"{ARABIC} " * 40])
def test_lines_keep_their_width_and_number_and_the_cut_is_shown(text: str) -> None:
    face = Face(24, text)
    lines = face.lines(text, 600, 3)
    assert len(lines) == 3
    assert all(0 < face.width(line) <= 600 for line in lines)
    assert lines[-1].endswith("…")


def test_short_text_is_neither_broken_nor_cut() -> None:
    assert Face(24).lines("a cat wakes", 600, 3) == ["a cat wakes"]


@pytest.mark.parametrize("text", [SENTENCE.strip(), f"{ARABIC}، {ARABIC}"])
def test_lines_break_between_words(text: str) -> None:
    lines = Face(24, text).lines(text, 200, 9)
    assert len(lines) > 1
    assert " ".join(lines) == text


def test_no_line_begins_with_a_closing_mark() -> None:
    text = CHINESE * 6
    assert not any(line[0] in "，。" for line in Face(24).lines(text, 300, 99))  # noqa: RUF001 (as typed)


@pytest.mark.skipif(not HAS_CHINESE, reason="no font here has Chinese")
def test_chinese_is_broken_between_characters_and_drawn_whole() -> None:
    text = CHINESE * 3
    face = Face(24, text)
    lines = face.lines(face.clean(text), 200, 99)
    assert "".join(lines) == text
    assert all(face.width(line) > 200 - 3 * 24 for line in lines[:-1])


# -- what is drawn


@pytest.mark.parametrize("text", ["\U00013000", "\ufdd0x\U00013000", "\U00013000, \U00013001."])
def test_what_no_font_draws_is_left_out_and_said(text: str) -> None:
    said = Face(24, text).clean(f"cat {text}")
    assert said.startswith("cat")
    assert said.endswith(NOT_DRAWABLE)
    assert "\U00013000" not in said


def test_where_nothing_is_drawable_only_that_is_said() -> None:
    assert Face(24, "\U00013000, \U00013001.").clean("\U00013000, \U00013001.") == NOT_DRAWABLE


@pytest.mark.parametrize("text", [ARABIC, "שלום עולם", "Привет", "γειά", "Übergröße"])
def test_these_scripts_are_drawn_on_every_machine(text: str) -> None:
    face = Face(24, text)
    assert face.clean(text) == text
    box = bytes(font(sources_for(text)[0], 24).getmask("\uffff"))
    assert all(bytes(font(face.sources[0], 24).getmask(c)) != box for c in text if c.isalpha())


def test_arabic_letters_are_joined() -> None:
    """Five letters that join are one stretch of ink; drawn each for itself they would be five."""
    assert len(stretches(ink("تتتتت"), gap=1)) == 1


def test_arabic_words_run_from_the_right_also_in_an_english_line() -> None:
    long, short = "تنتنتنتن", "قط"
    alone = [max(ink(word)) - min(ink(word)) for word in (long, short)]
    for text in (f"{long} {short}", f"on the wall it says {long} {short}"):
        left, right = stretches(ink(text), gap=5)[-2:]
        assert abs(left - alone[1]) <= 4, text
        assert abs(right - alone[0]) <= 4, text


@pytest.mark.skipif(not HAS_CHINESE, reason="no font here has Chinese")
def test_the_order_holds_where_two_fonts_share_a_line() -> None:
    long, short = "تنتنتنتن", "قط"
    longer, shorter = (max(ink(word)) - min(ink(word)) for word in (long, short))
    from_the_right = stretches(ink(f"{short} 中 {long}"), gap=6)
    assert abs(from_the_right[0] - longer) <= 4
    assert abs(from_the_right[-1] - shorter) <= 4
    from_the_left = stretches(ink(f"on the wall it says {long} {short} 中"), gap=6)
    assert abs(from_the_left[-3] - shorter) <= 4
    assert abs(from_the_left[-2] - longer) <= 4


def test_a_mention_in_an_arabic_line_keeps_its_sign_in_front() -> None:
    """The dot of the sentence is at the left; the stretch beside it begins with the @."""
    at_alone, name_alone = (Face(40, ARABIC).width(text) for text in ("@", "Image1"))
    image = Image.new("L", (900, 80))
    face = Face(40, f"{ARABIC} @Image1")
    face.draw(ImageDraw.Draw(image), (0, 56), "تتت @Image1", (255,))
    pixels = np.asarray(image) > 90
    sign = pixels[:, : round(at_alone)]
    other = pixels[:, round(name_alone) : round(name_alone + at_alone)]
    # Of all these signs only @ reaches far below the baseline.
    assert sign[60:].any()
    assert not other[60:].any()


def test_a_line_from_the_right_ends_at_the_right_of_its_column() -> None:
    for text, (first, last) in ((ARABIC, (250, 600)), ("cat", (0, 60))):
        face, image = Face(24, text), Image.new("L", (640, 48))
        face.draw_line(ImageDraw.Draw(image), (0, 34), 600, text, (255,))
        columns = np.flatnonzero(np.asarray(image).max(axis=0) > 90)
        assert first <= columns[0] <= columns[-1] <= last


def test_pictographs_go_without_a_word() -> None:
    assert Face(24).clean("a \U0001f98a\u200d\U0001f680 cat ☀️⭐😀") == "a cat"


def test_accents_are_drawn_or_spelled_plainly() -> None:
    assert Face(24).clean("café") in {"café", "cafe"}


def test_a_font_of_matplotlib_is_found_without_importing_it() -> None:
    files = [source for source in sources_for(ARABIC) if source]
    assert any(Path(source).name == "DejaVuSans.ttf" for source in files)


# -- sizes


@pytest.mark.parametrize("raster", [raster for rasters in RASTERS.values() for raster in rasters.values()])
def test_the_words_never_cover_half_of_the_picture_and_can_be_read_on_a_phone(raster: tuple[int, int]) -> None:
    scale = Scale(raster)
    words, small = scale.words("").size, scale.small.size
    assert words * 1.3 * scale.lines_max < 0.33 * raster[1]
    assert scale.margin + scale.width <= raster[0]
    assert words * PHONE_WIDTH / raster[0] >= 12
    assert small * PHONE_WIDTH / raster[0] >= 9.5
