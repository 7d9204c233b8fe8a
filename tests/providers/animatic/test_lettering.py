import pytest

from bot.providers.animatic.captions import Scale
from bot.providers.animatic.lettering import NOT_DRAWABLE, Face
from bot.providers.animatic.order import RASTERS

SENTENCE = "the harbour in the morning, before anyone is awake, "


@pytest.mark.parametrize("text", [SENTENCE * 40, "W" * 2000, "下雨了，街上没有人。" * 200, "x " * 1000])  # noqa: RUF001
def test_lines_keep_their_width_and_number_and_the_cut_is_shown(text: str) -> None:
    face = Face(24, text)
    lines = face.lines(text, 600, 3)
    assert len(lines) == 3
    assert all(0 < face.width(line) <= 600 for line in lines)
    assert lines[-1].endswith("…")


def test_short_text_is_neither_broken_nor_cut() -> None:
    assert Face(24).lines("a cat wakes", 600, 3) == ["a cat wakes"]


def test_lines_break_between_words() -> None:
    assert " ".join(Face(24).lines(SENTENCE.strip(), 300, 9)) == SENTENCE.strip()


def test_no_line_begins_with_a_closing_mark() -> None:
    text = "下雨了，街上没有人。" * 6  # noqa: RUF001 (as typed)
    assert not any(line[0] in "，。" for line in Face(24).lines(text, 300, 99))  # noqa: RUF001 (as typed)


@pytest.mark.parametrize("text", ["مرحبا", "שלום", "\ufdd0x\U00013000"])
def test_what_no_font_draws_is_left_out_and_said(text: str) -> None:
    said = Face(24).clean(f"cat {text}")
    assert said.startswith("cat")
    assert said.endswith(NOT_DRAWABLE)


def test_pictographs_go_without_a_word() -> None:
    assert Face(24).clean("a \U0001f98a\u200d\U0001f680 cat") == "a cat"


def test_accents_are_drawn_or_spelled_plainly() -> None:
    assert Face(24).clean("café") in {"café", "cafe"}


@pytest.mark.parametrize("raster", [raster for rasters in RASTERS.values() for raster in rasters.values()])
def test_the_words_never_cover_half_of_the_picture(raster: tuple[int, int]) -> None:
    scale = Scale(raster)
    assert scale.words("").size * 1.3 * scale.lines_max < 0.3 * raster[1]
    assert scale.margin + scale.width <= raster[0]
