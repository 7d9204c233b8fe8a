from dataclasses import replace

import pytest

from bot.delivery.quota_cards import MESSAGE_CHARS_MAX, fitted, rule_change, rule_words
from bot.delivery.quota_pages import HistoryButton, history, turning
from bot.domain.quota import AMOUNTS_MAX, Period, Unit
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Bounds, Rule
from bot.ports.books import HistoryLine
from bot.ports.quota import Page, RuleChange

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


def test_the_longest_page_of_a_ledger_fits_a_message() -> None:
    page = Page(owner=str(2**63 - 1), lines=(LINE,) * 10, number=100, newer=0, older=10**12)
    assert history(page).count("charged -$999999.999999") == 10
    assert len(history(page)) <= MESSAGE_CHARS_MAX


async def test_buttons_turn_to_the_pages_that_there_are() -> None:
    first = Page(owner=None, lines=(LINE,), number=1, newer=None, older=5)
    last = Page(owner="100000000000000007", lines=(LINE,), number=3, newer=77, older=None)
    ids = [[button.custom_id for button in _buttons(page)] for page in (first, last)]
    assert ids == [["dailies:history:server:5"], ["dailies:history:100000000000000007:77"]]


def _buttons(page: Page[HistoryLine]) -> list[HistoryButton]:
    return [item for item in turning(page).children if isinstance(item, HistoryButton)]
