import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.delivery.bars import HELD, LEFT, SPENT, bar, standing_line
from bot.domain.quota import MICROS, Period, Unit, Window

NOVEMBER = Window(period=Period.MONTH, name="2026-11", starts_ms=1_793_491_200_000, ends_ms=1_796_083_200_000)
FOR_EVER = Window(period=Period.TOTAL, name="total", starts_ms=0, ends_ms=None)

amounts = st.one_of(st.integers(0, 30), st.integers(0, 10**12))
widths = st.integers(3, 30)


@given(spent=amounts, held=amounts, limit=amounts, width=widths)
@example(spent=1, held=1, limit=10**12, width=3)
@example(spent=10**12 - 2, held=1, limit=10**12, width=3)
@example(spent=0, held=0, limit=0, width=3)
def test_bar_tells_the_truth_at_its_ends(spent: int, held: int, limit: int, width: int) -> None:
    cells = bar(spent, held, limit, width)
    assert len(cells) == width
    assert cells == SPENT * cells.count(SPENT) + HELD * cells.count(HELD) + LEFT * cells.count(LEFT)
    assert (SPENT in cells) == (spent > 0)
    assert (HELD in cells) == (held > 0)
    assert (LEFT in cells) == (spent + held < limit or spent + held == 0)


@given(spent=amounts, more=amounts, held=amounts, limit=amounts, width=widths)
def test_spending_more_never_empties_the_bar(spent: int, more: int, held: int, limit: int, width: int) -> None:
    before, after = bar(spent, held, limit, width), bar(spent + more, held, limit, width)
    assert after.count(LEFT) <= before.count(LEFT) or spent + held == 0
    assert after.count(SPENT) >= before.count(SPENT)


@given(limit=st.integers(1, 10**12), width=widths, data=st.data())
def test_bar_is_within_a_cell_of_the_amount(limit: int, width: int, data: st.DataObject) -> None:
    spent = data.draw(st.integers(0, limit))
    assert abs(bar(spent, 0, limit, width).count(SPENT) - spent * width / limit) <= 1


@pytest.mark.parametrize(
    ("spent", "held", "limit", "cells"),
    [
        (0, 0, 12, "▱▱▱▱▱▱▱▱▱▱▱▱"),
        (5, 0, 12, "▰▰▰▰▰▱▱▱▱▱▱▱"),
        (5, 2, 12, "▰▰▰▰▰▨▨▱▱▱▱▱"),
        (12, 0, 12, "▰▰▰▰▰▰▰▰▰▰▰▰"),
        (18, 6, 12, "▰▰▰▰▰▰▰▰▰▨▨▨"),
        (-3, 0, 12, "▱▱▱▱▱▱▱▱▱▱▱▱"),
        (1, 0, 0, "▰▰▰▰▰▰▰▰▰▰▰▰"),
    ],
)
def test_known_bars(spent: int, held: int, limit: int, cells: str) -> None:
    assert bar(spent, held, limit) == cells


def test_bar_too_short_for_its_three_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="3 cells"):
        bar(1, 1, 5, width=2)


def test_standing_names_every_amount_and_the_reset() -> None:
    line = standing_line(unit=Unit.USD, limit=5 * MICROS, spent=1_200_000, held=400_000, window=NOVEMBER)
    assert line == "$3.40 left of $5.00 · $1.20 spent · $0.40 held · resets <t:1796083200:R>"


def test_standing_without_hold_limit_or_end_leaves_them_out() -> None:
    assert (
        standing_line(unit=Unit.SECONDS, limit=60, spent=35, held=0, window=FOR_EVER)
        == "25 s left of 60 s · 35 s spent"
    )
    assert standing_line(unit=Unit.CLIPS, limit=None, spent=1, held=0, window=FOR_EVER) == "no limit · 1 clip spent"


def test_standing_over_a_lowered_limit_says_by_how_much() -> None:
    line = standing_line(unit=Unit.USD, limit=MICROS, spent=1_400_000, held=0, window=FOR_EVER)
    assert line == "$0.40 over the limit of $1.00 · $1.40 spent"
