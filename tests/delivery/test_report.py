import asyncio
import codecs
import csv
import gc
import io
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image

from bot.delivery.page import HEIGHT, WIDTH, Page
from bot.delivery.picture import money
from bot.delivery.report import DaySpend, MemberSpend, Report, csv_bytes, csv_lines, draw
from bot.domain.quota import MICROS

FIRST = date(2026, 11, 1)
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "\uff1d1+1",
    "\t@SUM(A1)",
    'quote " and, comma\nand line',
    "田中太郎",
    "שלום עולם",
    "محمد علي",
    "🎬👩‍👩‍👧",
    "$\\frac{1}{2}$",
    "\u202egnp.exe",
    "z̶̢̛̛̗̳̝̺̲̞̜̖̅̈́̒a̶̢",
    "W" * 500,
    "",
    "\ud800",
)


def days_of(amounts: Iterable[int], first: date = FIRST) -> tuple[DaySpend, ...]:
    return tuple(
        DaySpend(day=first + timedelta(days=at), spent_micros=micros, failed=at % 3, released=at % 4, delivered=at)
        for at, micros in enumerate(amounts)
    )


def members_of(names: Iterable[str]) -> tuple[MemberSpend, ...]:
    return tuple(
        MemberSpend(
            name=name, spent_micros=(at + 1) * 210_001, seconds=5 * at, clips=at + 1, member_id=str(10**17 + at)
        )
        for at, name in enumerate(names)
    )


NORMAL = Report(
    title="Spending",
    period="November 2026",
    starts=FIRST,
    ends=date(2026, 12, 1),
    today=date(2026, 11, 20),
    days=days_of([500_000] * 20),
    members=members_of(["Anna", "Zoë"]),
    budget_micros=30 * MICROS,
    held_micros=2 * MICROS,
)

counts = st.integers(0, 10_000)
spendings = st.one_of(st.just(0), st.integers(-5 * MICROS, 5 * MICROS), st.integers(1, 10**12))


@st.composite
def reports(draws: st.DrawFn) -> Report:
    length = draws(st.integers(1, 92))
    offsets = draws(st.sets(st.integers(0, length - 1)))
    letters = st.text(st.characters(exclude_categories=()), max_size=30)
    return Report(
        title=draws(letters),
        period=draws(letters),
        starts=FIRST,
        ends=FIRST + timedelta(days=length),
        today=FIRST + timedelta(days=draws(st.integers(-3, length + 40))),
        days=tuple(
            DaySpend(
                day=FIRST + timedelta(days=offset),
                spent_micros=draws(spendings),
                failed=draws(counts),
                released=draws(counts),
                delivered=draws(counts),
            )
            for offset in sorted(offsets)
        ),
        members=tuple(
            MemberSpend(name=name, spent_micros=draws(spendings), seconds=draws(counts), clips=draws(counts))
            for name in draws(st.lists(st.one_of(letters, st.sampled_from(HOSTILE)), max_size=12))
        ),
        budget_micros=draws(st.none() | st.integers(0, 10**12)),
        held_micros=draws(st.integers(0, 10**12)),
        spent_before_micros=draws(st.integers(0, 10**12)),
    )


def table(lines: Iterable[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=reports())
def test_any_report_becomes_a_picture_of_the_stated_size(report: Report) -> None:
    with Image.open(io.BytesIO(draw(report))) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))


@pytest.mark.parametrize(
    "report",
    [
        replace(NORMAL, days=(), members=()),
        replace(NORMAL, days=(), members=(), budget_micros=None),
        replace(NORMAL, days=days_of([1_500_000] * 28), members=members_of([f"member {at}" for at in range(60)])),
        replace(NORMAL, starts=FIRST, ends=date(2026, 11, 2), today=FIRST, days=days_of([1])),
        replace(NORMAL, days=days_of([1, 10**12] * 15), budget_micros=10**12, members=members_of(HOSTILE)),
    ],
    ids=["empty", "empty, no budget", "over, 60 members", "one day, one micro", "a million, hostile names"],
)
def test_two_drawings_of_the_same_report_are_the_same_bytes(report: Report) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(draw, [report, report])
    assert first == second == draw(report)


def test_every_letter_of_the_font_can_stand_in_a_name() -> None:
    font = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")))
    letters = "".join(map(chr, font.get_charmap()))
    names = [letters[at : at + 60] for at in range(0, len(letters), 60)]
    for at in range(0, len(names), 9):
        draw(replace(NORMAL, title=names[at], members=members_of(names[at : at + 9])))


def test_different_amounts_are_different_pictures() -> None:
    assert draw(NORMAL) == draw(NORMAL)
    assert draw(NORMAL) != draw(replace(NORMAL, held_micros=0))


def test_drawing_leaves_shared_settings_alone_and_keeps_no_figure() -> None:
    before = dict(mpl.rcParams)
    draw(NORMAL)
    gc.collect()
    assert dict(mpl.rcParams) == before
    assert not [one for one in gc.get_objects() if type(one) is Figure]


def test_matplotlib_is_imported_by_the_first_drawing_and_pyplot_never() -> None:
    code = (
        "import sys\n"
        "from datetime import date\n"
        "from bot.delivery.report import Report, draw\n"
        "assert 'matplotlib' not in sys.modules\n"
        "draw(Report(title='', period='', starts=date(2026, 1, 1), ends=date(2026, 1, 2), today=date(2026, 1, 1),"
        " days=(), members=()))\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)  # noqa: S603 - our own code


async def test_the_loop_goes_on_while_a_thread_draws() -> None:
    loop = asyncio.get_running_loop()
    beats = [time.perf_counter()]
    drawing = True

    def beat() -> None:
        beats.append(time.perf_counter())
        if drawing:
            loop.call_later(0.002, beat)

    beat()
    await asyncio.to_thread(lambda: [draw(NORMAL) for _ in range(10)])
    drawing = False
    beats.append(time.perf_counter())
    longest = max(later - earlier for earlier, later in pairwise(beats))
    assert longest < (beats[-1] - beats[0]) / 3


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("Anna", "Anna"),
        ("🎬 Clip Queen 🎬", "Clip Queen"),
        ("\U0001d4d0\U0001d4f7\U0001d4f7\U0001d4ea", "Anna"),
        ("שלום", "שלום"),
        ("^_^", "^_^"),
        ("evil\u202ename", "evilname"),
        ("two\nlines", "two lines"),
        ("a\u0338\u0316\u0317\u0318\u0319", "a\u0316\u0317"),
        ("田中太郎", None),
        ("J田中太郎", None),
        ("ꔀꔁ", None),
        ("🎬", None),
        ("", None),
        ("\ud800", None),
    ],
)
def test_names_keep_the_letters_that_the_font_has(name: str, drawn: str | None) -> None:
    assert Page().drawable(name) == drawn


@given(name=st.text(st.characters(exclude_categories=()), max_size=40))
@settings(deadline=None)
def test_drawable_names_stay_as_they_are(name: str) -> None:
    page = Page()
    drawn = page.drawable(name)
    assert drawn is None or (drawn.isprintable() and page.drawable(drawn) == drawn)


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (9_999, "$0.009999"),
        (4_600_000, "$4.60"),
        (4_605_000, "$4.61"),
        (1_234_560_000, "$1,234.56"),
        (10**12, "$1,000,000"),
        (-400_000, "-$0.40"),
    ],
)
def test_money_is_short_but_never_nothing(micros: int, words: str) -> None:
    assert money(micros) == words


@given(report=reports())
@example(report=replace(NORMAL, members=members_of(["\r", "\n", "a\r\nb", *HOSTILE])))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_table_parses_back_to_the_same_sums(report: Report) -> None:
    rows = table(csv_lines(report))
    for kind, amounts in (("day", report.days), ("member", report.members)):
        parsed = [int(Decimal(row["spent_usd"]) * MICROS) for row in rows if row["row"] == kind]
        assert parsed == [one.spent_micros for one in amounts]
    assert [date.fromisoformat(row["date"]) for row in rows if row["date"]] == [one.day for one in report.days]
    assert sum(int(row["failed"] or 0) for row in rows) == sum(one.failed for one in report.days)
    assert sum(int(row["clips"] or 0) for row in rows) == sum(one.clips for one in report.members)


def test_no_name_is_a_formula_and_none_is_lost() -> None:
    report = replace(NORMAL, members=members_of(HOSTILE))
    assert csv_bytes(report).startswith(codecs.BOM_UTF8)
    rows = table([csv_bytes(report).decode("utf-8-sig")])
    names = [row["member"] for row in rows if row["row"] == "member"]
    assert not [name for name in names if name.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))]
    assert names[:4] == [f"'{HOSTILE[0]}", f"'{HOSTILE[1]}", f"'{HOSTILE[2]}", HOSTILE[3]]
    assert names[4:-1] == list(HOSTILE[4:-1])


def test_header_names_the_currency() -> None:
    assert csv_lines(NORMAL)[0] == "row,date,member,member_id,spent_usd,seconds,clips,delivered,failed,released\r\n"
    assert csv_lines(NORMAL)[1] == "day,2026-11-01,,,0.50,,,0,0,0\r\n"
    assert csv_lines(NORMAL)[-1] == "member,,Zoë,100000000000000001,0.420002,5,2,,,\r\n"


def test_pace_is_projected_to_the_end_of_the_period() -> None:
    assert (NORMAL.elapsed, NORMAL.length, NORMAL.used_micros) == (20, 30, 10 * MICROS)
    assert NORMAL.projected_micros == 15 * MICROS
    assert NORMAL.budget_reached is None


def test_first_days_of_a_month_make_no_forecast() -> None:
    early = replace(NORMAL, today=FIRST, days=days_of([2 * MICROS]), held_micros=MICROS)
    assert early.projected_micros == 3 * MICROS
    assert early.budget_reached is None
    assert not replace(early, today=FIRST + timedelta(days=4)).is_early


@pytest.mark.parametrize(
    ("change", "day"),
    [
        ({"budget_micros": 10 * MICROS}, date(2026, 11, 20)),
        ({"budget_micros": 5 * MICROS}, date(2026, 11, 10)),
        ({"budget_micros": 12_100_000}, date(2026, 11, 25)),
        ({"spent_before_micros": 18 * MICROS, "budget_micros": 31 * MICROS}, date(2026, 11, 26)),
        ({"budget_micros": 20 * MICROS, "held_micros": 11 * MICROS}, date(2026, 11, 20)),
        ({"budget_micros": 0}, FIRST),
        ({"budget_micros": None}, None),
    ],
)
def test_the_day_the_budget_is_used_up(change: dict[str, int], day: date | None) -> None:
    assert replace(NORMAL, **change).budget_reached == day  # type: ignore[arg-type] # each is one of its amounts


@pytest.mark.parametrize(
    "change",
    [
        {"ends": FIRST},
        {"ends": FIRST + timedelta(days=93)},
        {"days": NORMAL.days[::-1]},
        {"days": days_of([1], FIRST - timedelta(days=1))},
        {"currency": "=1"},
    ],
)
def test_report_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a report|a currency"):
        replace(NORMAL, **change)  # type: ignore[arg-type] # each is one of its fields, with a wrong value
