from dataclasses import replace

import pytest

from bot.delivery.quota_cards import MESSAGE_CHARS_MAX, fitted, rule_change, rule_words
from bot.delivery.quota_pages import CUSTOM_ID_CHARS_MAX, HistoryButton, decisions, history, turning
from bot.domain.quota import AMOUNTS_MAX, Period, Unit
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Bounds, Rule
from bot.ports.quota import Page, RuleChange
from bot.ports.views import Decision, HistoryLine
from bot.services.paging import PAGE_LINES

RULE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=2)
LINE = HistoryLine(
    seq=10**12,
    at_ms=1_795_000_000_000,
    kind="charge",
    unit=Unit.USD,
    period=Period.TOTAL,
    window="2026-11",
    change=-AMOUNTS_MAX[Unit.USD] + 1,
    job_id=2**63 - 1,
    reason=None,
    actor="9",
    is_bonus=False,
)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(), "2 clips a day each"),
        (Bounds(tiers=frozenset()), "2 clips a day each, only no tier"),
        (Bounds(tiers=frozenset({Tier.PRO, Tier.FAST})), "2 clips a day each, only fast, pro"),
        (
            Bounds(tiers=frozenset(Tier), resolution_max="720p", seconds_max=15),
            "2 clips a day each, any tier, up to 720p, up to 15 s a clip",
        ),
    ],
)
def test_a_rule_says_its_amount_and_its_bounds(bounds: Bounds, words: str) -> None:
    assert rule_words(replace(RULE, bounds=bounds)) == words


def test_a_rule_set_as_it_was_changes_nothing() -> None:
    change = RuleChange(key=RULE, before=RULE, after=RULE, account=None, default_micros=None, is_default_now=False)
    assert "Nothing changed." in rule_change(change)


@pytest.mark.parametrize("lines", [["x" * 5000, "end"], ["x" * 100] * 40 + ["end"], ["a", "end"], ["end"]])
def test_what_a_message_cannot_hold_is_left_out_before_the_verdict(lines: list[str]) -> None:
    text = fitted(lines, keep_last=True)
    assert len(text) <= MESSAGE_CHARS_MAX
    assert text.endswith("end")


def test_what_was_left_out_is_counted() -> None:
    assert fitted(["x" * 500] * 5).endswith("\n-# … and 2 more")


def test_the_longest_page_of_a_ledger_fits_a_message() -> None:
    lines = tuple(replace(LINE, at_ms=LINE.at_ms + number) for number in range(PAGE_LINES))
    page = Page(owner=str(2**63 - 1), lines=lines, number=100, trail=(0,), has_older=True)
    assert history(page).count("$999999.999999") == PAGE_LINES
    assert len(history(page)) <= MESSAGE_CHARS_MAX


def test_the_longest_page_of_decisions_loses_no_line() -> None:
    line = Decision(
        seq=1,
        guild_id=1,
        at_ms=LINE.at_ms,
        actor=str(2**63 - 1),
        what=f"rule for <@&{2**63 - 1}>: seconds per month",
        subject_id=str(2**63 - 1),
        before="<#1433000000000000001> " * 20,
        after="x" * 500,
    )
    page = Page(owner=None, lines=(line,) * PAGE_LINES, number=10_000, trail=(0,), has_older=False)
    text = decisions(page)
    assert text.count("rule for") == PAGE_LINES
    assert "<#1433000000000000001> <#1433000000000000001>… → xxx" in text
    assert "more" not in text


def test_what_was_booked_together_stands_together_and_no_kind_misleads() -> None:
    clip = replace(LINE, change=-400_000, job_id=7, period=Period.MONTH)
    day = replace(clip, unit=Unit.CLIPS, change=-1, period=Period.DAY, window="2026-11-20")
    caught_up = replace(LINE, at_ms=1, kind="adjust", reason="used before", change=-200_000, job_id=None)
    raised = replace(caught_up, at_ms=0, reason="limit", change=300_000)
    page = Page(owner="9", lines=(clip, day, caught_up, raised), number=1, trail=(0,), has_older=False)
    assert history(page).splitlines()[1:] == [
        "<t:1795000000:f> **charged**",
        "-# job 7",
        "-# $0.40 · month 2026-11",
        "-# 1 clip · day 2026-11-20",
        "<t:0:f> **used before the limit came**",
        "-# $0.20 · in total",
        "<t:0:f> **limit changed**",
        "-# +$0.30 · in total",
        "A clip counts once in every limit and meter it touches; it is paid once.",
    ]


async def test_buttons_turn_to_the_pages_that_there_are() -> None:
    first = Page(owner=None, lines=(LINE,), number=1, trail=(0,), has_older=True)
    last = Page(owner="100000000000000007", lines=(LINE,), number=3, trail=(0, 80, 77), has_older=False)
    ids = [[button.custom_id for button in _buttons(page)] for page in (first, last)]
    assert ids == [["dailies:history:server:2:0.1000000000000"], ["dailies:history:100000000000000007:2:0.80"]]


async def test_a_way_back_that_no_id_can_hold_leads_to_the_newest_page() -> None:
    trail = tuple(10**12 - number for number in range(500))
    page = Page(owner=str(2**63 - 1), lines=(LINE,), number=501, trail=(0, *trail), has_older=True)
    back, on = _buttons(page)
    assert back.trail == (0, *trail[:-1])
    assert max(len(back.custom_id), len(on.custom_id)) <= CUSTOM_ID_CHARS_MAX
    assert on.custom_id.endswith(f".{LINE.seq}")
    [newest] = _buttons(replace(page, trail=(77,), has_older=False))
    assert (newest.item.label, newest.number, newest.trail) == ("Newest", 1, (0,))


def _buttons(page: Page[HistoryLine]) -> list[HistoryButton]:
    return [item for item in turning(page).children if isinstance(item, HistoryButton)]
