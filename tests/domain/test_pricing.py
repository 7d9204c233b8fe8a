"""Price rules, one by one, and the minimum table of `v3_async` cell by cell."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bot.domain.capabilities import Capabilities, TierRow, quote_micros
from bot.domain.pricing import (
    PerSecond,
    PerSecondByResolution,
    PerToken,
    PriceRule,
    VideoInputFactor,
    WithMinimum,
    billed_seconds,
    tokens,
)
from bot.domain.references import StoredReference
from bot.domain.request_errors import OptionUnsupportedError
from bot.domain.requests import Aspect, Plan, Tier
from bot.providers.animatic.row import CAPABILITIES as ANIMATIC
from bot.providers.v3_async import CAPABILITIES as V3_ASYNC
from bot.wiring.accounts import ROWS
from tests.providers.planning import plan_for, stored

STATED: dict[str, Any] = {"source": "a page", "dated": date(2026, 11, 20)}

# Specification of `v3_async` (2026), minimum charge with video input, in dollars:
# seconds of output, then 2.0 at 480p, 720p, 1080p and fast at 480p, 720p.
MINIMUM = """
 4  0.30 0.65 1.64  0.23 0.50
 5  0.39 0.84 2.06  0.30 0.64
 6  0.43 0.93 2.47  0.33 0.71
 7  0.52 1.11 2.88  0.40 0.85
 8  0.61 1.30 3.29  0.46 1.00
 9  0.65 1.39 3.70  0.50 1.07
10  0.73 1.58 4.11  0.56 1.21
11  0.82 1.76 4.52  0.63 1.35
12  0.86 1.86 4.93  0.66 1.43
13  0.95 2.04 5.35  0.73 1.57
14  1.04 2.23 5.76  0.79 1.71
15  1.08 2.32 6.17  0.83 1.78
"""
COLUMNS = [(Tier.STANDARD, one) for one in ("480p", "720p", "1080p")] + [(Tier.FAST, one) for one in ("480p", "720p")]
CELLS = [
    (tier, resolution, int(seconds), round(float(dollars) * 100) * 10_000)
    for seconds, *row in (line.split() for line in MINIMUM.split("\n") if line)
    for (tier, resolution), dollars in zip(COLUMNS, row, strict=True)
]


def video(place: str = "@Video1", *, milliseconds: int = 2000) -> StoredReference:
    one = stored(place)
    return replace(one, info=replace(one.info, duration_ms=milliseconds))


def priced(rule: PriceRule, row: Capabilities = ANIMATIC) -> Capabilities:
    """The row with this price in every tier."""
    tiers = {tier: replace(one, price=rule) for tier, one in row.tiers.items()}
    return replace(row, tiers=tiers)


def plan_of(*references: StoredReference, row: Capabilities = ANIMATIC, **options: Any) -> Plan:
    return plan_for(row, "A fox", *references, **options)


def quote(rule: PriceRule, *references: StoredReference, **options: Any) -> int:
    row = priced(rule)
    return quote_micros(plan_of(*references, row=row, **options), row)


def test_flat_per_second() -> None:
    assert quote(PerSecond(micros=80_000, **STATED), duration_seconds=15) == 1_200_000


def test_of_a_range_the_upper_end_is_quoted() -> None:
    assert quote(PerSecond(least_micros=10_000, micros=20_000, **STATED)) == 100_000
    with pytest.raises(ValueError, match="no range"):
        PerSecond(least_micros=3, micros=2, **STATED)


@pytest.mark.parametrize(("resolution", "micros"), [("480p", 500_000), ("720p", 1_000_000), ("1080p", 2_500_000)])
def test_per_second_by_resolution(resolution: str, micros: int) -> None:
    rule = PerSecondByResolution(micros={"480p": 100_000, "720p": 200_000, "1080p": 500_000}, **STATED)
    assert quote(rule, resolution=resolution) == micros


# docs.byteplus.com/en/docs/ModelArk/1520757: what the API billed.
@pytest.mark.parametrize(
    ("resolution", "seconds", "count"),
    [("720p", 4, 87_300), ("720p", 5, 108_900), ("720p", 10, 216_900), ("1080p", 5, 245_025)],
)
def test_tokens_of_a_picture(resolution: str, seconds: int, count: int) -> None:
    assert tokens(plan_of(resolution=resolution), seconds=seconds) == count


def test_tokens_round_up_and_an_open_aspect_counts_as_the_largest() -> None:
    assert tokens(plan_of(aspect=Aspect.ULTRAWIDE), seconds=4) == -(-1470 * 630 * 97 // 1024)
    assert tokens(plan_of(aspect=Aspect.AUTO), seconds=4) == -(-1112 * 834 * 97 // 1024)


def test_price_per_token_adds_the_reference_videos_and_rounds_up() -> None:
    rule = PerToken(micros_per_million={"720p": 14_000_001}, **STATED)
    assert quote(rule) == 1_524_601  # 108,900 tokens: 1,524,600.1
    assert quote(rule, video(milliseconds=4001)) == -(-216_900 * 14_000_001 // 1_000_000)


def test_a_factor_counts_only_with_reference_video() -> None:
    rule = VideoInputFactor(rule=PerSecond(micros=33_333, **STATED), percent=60, **STATED)
    assert quote(rule) == quote(rule, stored("@Image1")) == 166_665
    assert quote(rule, video()) == 99_999


@pytest.mark.parametrize(("milliseconds", "seconds"), [(2000, 7), (2001, 8), (5000, 10)])
def test_reference_seconds_are_rounded_up_together(milliseconds: int, seconds: int) -> None:
    assert billed_seconds(plan_of(video(milliseconds=milliseconds))) == seconds
    assert billed_seconds(plan_of(video(milliseconds=2400), video("@Video2", milliseconds=2400))) == 10


def test_reference_seconds_are_those_after_the_agreed_cut() -> None:
    plan = plan_of(video(milliseconds=20_000))
    assert [change.duration_ms for change in plan.changes] == [15_000]
    assert billed_seconds(plan) == 20


def test_sounds_are_no_reference_video() -> None:
    assert billed_seconds(plan_of(stored("@Image1"), stored("@Audio1"))) == 5


# -- the minimum table


def test_the_table_has_sixty_cells() -> None:
    assert len(CELLS) == 60


@pytest.mark.parametrize(("tier", "resolution", "seconds", "micros"), CELLS)
def test_minimum_with_reference_video(tier: Tier, resolution: str, seconds: int, micros: int) -> None:
    options: dict[str, Any] = {"tier": tier, "resolution": resolution, "duration_seconds": seconds}
    row = replace(V3_ASYNC, tiers={tier: nearly_free(V3_ASYNC.tiers[tier])})
    with_video, without = plan_of(video(), row=row, **options), plan_of(row=row, **options)
    assert quote_micros(with_video, row) == micros
    assert quote_micros(without, row) == seconds


def nearly_free(tier: TierRow) -> TierRow:
    """One micro-dollar a second, so that the minimum shows."""
    assert isinstance(tier.price, WithMinimum)
    return replace(tier, price=replace(tier.price, micros=dict.fromkeys(tier.resolutions, 1)))


def test_the_column_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionUnsupportedError, match="1080p in standard"):
        plan_of(video(), row=V3_ASYNC, tier=Tier.FAST, resolution="1080p")


def test_seconds_together_cost_more_than_the_minimum_where_they_do() -> None:
    rule = WithMinimum(micros={"720p": 10}, minimum_micros={"720p": {5: 75}}, **STATED)
    assert quote(rule, video(milliseconds=2000)) == 75
    assert quote(rule, video(milliseconds=2001)) == 80


# -- the rows


@pytest.mark.parametrize("name", ROWS)
def test_every_row_says_where_its_prices_stand_and_quotes_every_size(name: str) -> None:
    row = ROWS[name]
    for tier, one in row.tiers.items():
        assert one.price.source
        assert one.price.dated <= date(2026, 11, 20)
        for resolution in one.resolutions:
            plan = plan_of(row=row, tier=tier, resolution=resolution, duration_seconds=max(row.durations))
            assert (quote_micros(plan, row) > 0) == (name != "animatic")
