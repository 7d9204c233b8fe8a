from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.quota import (
    MICROS,
    OPERATOR,
    Leg,
    Owner,
    OwnerKind,
    Period,
    Unit,
    amount_words,
    decimal_dollars,
    dollars,
    window_at,
)
from bot.domain.rules import Audience, Caps, Rule, binding_of, legs_of

HOUR_MS = 60 * 60 * 1000
CAPS = Caps(guild_month_micros=30 * MICROS, operator_day_micros=100 * MICROS)
AMOUNTS = {Unit.USD: 400_000, Unit.SECONDS: 5, Unit.CLIPS: 1}
NOW_MS = round(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
MEMBER = Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id="7")
GUILD = Owner(kind=OwnerKind.GUILD, guild_id=1)

zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",  # the clock goes back at one in the morning, to midnight
        "America/Sao_Paulo",  # until 2019 a day in October had no midnight
        "Australia/Lord_Howe",  # half an hour of summer time
        "Asia/Kathmandu",
        "Pacific/Apia",  # 30 December 2011 did not happen
    ]
).map(ZoneInfo)
moments = st.integers(
    round(datetime(1990, 1, 2, tzinfo=UTC).timestamp() * 1000),
    round(datetime(2037, 1, 1, tzinfo=UTC).timestamp() * 1000),
)


def ms(zone: tzinfo, *when: int) -> int:
    return round(datetime(*when, tzinfo=zone).timestamp() * 1000)  # type: ignore[misc,arg-type]  # a date and a time


# -- windows


@given(st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH]), moments, zones)
@example(Period.DAY, ms(UTC, 2026, 11, 1, 5, 30), ZoneInfo("America/Havana"))
@example(Period.DAY, ms(UTC, 2026, 11, 1, 4, 30), ZoneInfo("America/Havana"))
@example(Period.DAY, ms(UTC, 2018, 11, 4, 3, 0), ZoneInfo("America/Sao_Paulo"))
@example(Period.DAY, ms(UTC, 2011, 12, 30, 10, 0), ZoneInfo("Pacific/Apia"))
def test_windows_hold_their_moment_and_meet_without_gap(period: Period, now_ms: int, zone: ZoneInfo) -> None:
    window = window_at(period, now_ms, zone)
    assert window.ends_ms is not None
    assert window.starts_ms <= now_ms < window.ends_ms
    for moment in (window.starts_ms, window.ends_ms - 1):
        assert window_at(period, moment, zone) == window
    after = window_at(period, window.ends_ms, zone)
    assert after.starts_ms == window.ends_ms
    assert after.name > window.name


@given(moments, zones)
def test_days_weeks_and_months_have_their_length_but_for_the_clock(now_ms: int, zone: ZoneInfo) -> None:
    for period, least_days, most_days in ((Period.DAY, 1, 1), (Period.WEEK, 7, 7), (Period.MONTH, 28, 31)):
        window = window_at(period, now_ms, zone)
        assert window.ends_ms is not None
        hours = (window.ends_ms - window.starts_ms) / HOUR_MS
        slack = 24 if "Apia" in zone.key else 1
        assert least_days * 24 - slack <= hours <= most_days * 24 + slack


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29, 12), 23),
        ("Europe/Berlin", (2026, 10, 25, 12), 25),
        ("America/New_York", (2026, 3, 8, 12), 23),
        ("America/New_York", (2026, 11, 1, 12), 25),
        ("America/Havana", (2026, 11, 1, 12), 25),
        ("America/Sao_Paulo", (2018, 11, 4, 12), 23),
        ("Australia/Lord_Howe", (2026, 10, 4, 12), 23.5),
    ],
)
def test_a_day_of_the_clock_change_is_as_long_as_it_is(zone: str, noon: tuple[int, ...], hours: float) -> None:
    window = window_at(Period.DAY, ms(ZoneInfo(zone), *noon), ZoneInfo(zone))
    assert window.ends_ms is not None
    assert (window.ends_ms - window.starts_ms) / HOUR_MS == hours


@pytest.mark.parametrize(
    ("period", "name", "start", "end"),
    [
        (Period.DAY, "2027-01-01", (2027, 1, 1), (2027, 1, 2)),
        (Period.WEEK, "2026-W53", (2026, 12, 28), (2027, 1, 4)),
        (Period.MONTH, "2027-01", (2027, 1, 1), (2027, 2, 1)),
    ],
)
def test_names_are_those_of_the_zone(
    period: Period, name: str, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    window = window_at(period, ms(UTC, 2026, 12, 31, 20), tokyo)
    assert (window.name, window.starts_ms, window.ends_ms) == (name, ms(tokyo, *start), ms(tokyo, *end))


def test_the_total_never_ends() -> None:
    window = window_at(Period.TOTAL, NOW_MS, UTC)
    assert (window.name, window.starts_ms, window.ends_ms) == ("total", 0, None)


# -- which rules bind


rule_lists = st.lists(
    st.builds(
        Rule,
        guild_id=st.just(1),
        audience=st.sampled_from(Audience),
        subject_id=st.integers(1, 3),
        unit=st.sampled_from(Unit),
        period=st.sampled_from(Period),
        amount=st.integers(0, 5),
    ).map(lambda rule: rule if rule.audience in {Audience.ROLE, Audience.MEMBER} else without_subject(rule)),
    max_size=12,
    unique_by=lambda rule: rule.key,
)
roles = st.lists(st.integers(1, 3), max_size=3, unique=True)


def without_subject(rule: Rule) -> Rule:
    return Rule(guild_id=1, audience=rule.audience, unit=rule.unit, period=rule.period, amount=rule.amount)


def of(rules: Sequence[Rule], audience: Audience) -> list[Rule]:
    return [rule for rule in rules if rule.audience is audience]


@given(rule_lists, st.integers(1, 3), roles)
def test_the_most_specific_audience_replaces_the_broader(rules: list[Rule], member: int, role_ids: list[int]) -> None:
    bound = binding_of(rules, str(member), role_ids).rules
    own = [rule for rule in of(rules, Audience.MEMBER) if rule.subject_id == member]
    held = [rule for rule in of(rules, Audience.ROLE) if rule.subject_id in role_ids]
    assert of(bound, Audience.SERVER) == of(rules, Audience.SERVER)
    assert of(bound, Audience.MEMBER) == own
    assert bool(of(bound, Audience.ROLE)) == (bool(held) and not own)
    assert of(bound, Audience.EVERYONE) == ([] if own or held else of(rules, Audience.EVERYONE))


@given(rule_lists, roles)
def test_of_several_roles_the_largest_counts(rules: list[Rule], role_ids: list[int]) -> None:
    bound = of(binding_of(rules, "no member", role_ids).rules, Audience.ROLE)
    held = [rule for rule in of(rules, Audience.ROLE) if rule.subject_id in role_ids]
    best: dict[tuple[Unit, Period], int] = {}
    for rule in held:
        best[rule.unit, rule.period] = max(rule.amount, best.get((rule.unit, rule.period), 0))
    assert {(rule.unit, rule.period): rule.amount for rule in bound} == best
    assert len(bound) == len(best)


# -- legs


def legs(*rules: Rule, guild_id: int | None = 1, zone: tzinfo = UTC) -> list[Leg]:
    return legs_of(guild_id=guild_id, member_id="7", rules=rules, caps=CAPS, amounts=AMOUNTS, now_ms=NOW_MS, zone=zone)


def limits(found: list[Leg]) -> dict[tuple[Owner, Unit, Period], int]:
    return {(leg.owner, leg.unit, leg.window.period): leg.limit for leg in found if leg.limit is not None}


def a_rule(audience: Audience, unit: Unit, period: Period, amount: int) -> Rule:
    return Rule(guild_id=1, audience=audience, unit=unit, period=period, amount=amount)


def test_without_rules_the_servers_month_and_the_operators_day_are_bounded() -> None:
    assert limits(legs()) == {
        (GUILD, Unit.USD, Period.MONTH): CAPS.guild_month_micros,
        (OPERATOR, Unit.USD, Period.DAY): CAPS.operator_day_micros,
    }


def test_a_servers_own_dollar_rule_replaces_the_default_budget_and_no_other_does() -> None:
    daily = a_rule(Audience.SERVER, Unit.USD, Period.DAY, 5)
    assert (GUILD, Unit.USD, Period.MONTH) not in limits(legs(daily))
    assert limits(legs(daily))[GUILD, Unit.USD, Period.DAY] == 5
    clips = a_rule(Audience.SERVER, Unit.CLIPS, Period.DAY, 5)
    assert limits(legs(clips))[GUILD, Unit.USD, Period.MONTH] == CAPS.guild_month_micros


@given(rule_lists, st.booleans())
def test_month_meters_are_always_there_and_the_operator_is_last(rules: list[Rule], on_a_server: bool) -> None:  # noqa: FBT001  Hypothesis gives it by name
    bound = binding_of(rules, "1", [1, 2]).rules
    found = legs(*bound) if on_a_server else legs(guild_id=None)
    owners = {leg.owner for leg in found} - {OPERATOR}
    metered = {(leg.owner, leg.unit) for leg in found if leg.window.period is Period.MONTH}
    assert metered == {(owner, unit) for owner in owners for unit in Unit}
    assert len({(leg.owner, leg.unit, leg.window) for leg in found}) == len(found)
    assert found[-1].owner == OPERATOR
    order = [leg.owner.kind for leg in found]
    assert order == sorted(order, key=[OwnerKind.MEMBER, OwnerKind.GUILD, OwnerKind.OPERATOR].index)
    assert all(leg.amount == AMOUNTS[leg.unit] for leg in found)


def test_on_the_command_line_only_the_operators_day_binds() -> None:
    found = legs(guild_id=None)
    assert set(limits(found)) == {(OPERATOR, Unit.USD, Period.DAY)}
    assert {leg.owner.kind for leg in found} == {OwnerKind.MEMBER, OwnerKind.OPERATOR}


def test_the_operators_day_is_utc_for_all() -> None:
    found = legs(a_rule(Audience.EVERYONE, Unit.CLIPS, Period.DAY, 5), zone=ZoneInfo("Pacific/Auckland"))
    assert found[-1].window == window_at(Period.DAY, NOW_MS, UTC)
    member_day = next(leg for leg in found if leg.window.period is Period.DAY and leg.owner == MEMBER)
    assert member_day.window == window_at(Period.DAY, NOW_MS, ZoneInfo("Pacific/Auckland"))


# -- words


@pytest.mark.parametrize(
    ("unit", "amount", "words"),
    [
        (Unit.USD, 4_600_000, "$4.60"),
        (Unit.USD, 1, "$0.000001"),
        (Unit.USD, -250_000, "-$0.25"),
        (Unit.SECONDS, 35, "35 s"),
        (Unit.CLIPS, 1, "1 clip"),
        (Unit.CLIPS, 0, "0 clips"),
    ],
)
def test_amounts_read_as_people_write_them(unit: Unit, amount: int, words: str) -> None:
    assert amount_words(unit, amount) == words


@given(st.integers(-(2**53), 2**53))
def test_decimal_dollars_are_exact(micros: int) -> None:
    text = decimal_dollars(micros)
    whole, part = text.removeprefix("-").split(".")
    assert 2 <= len(part) <= 6
    value = int(whole) * MICROS + int(part.ljust(6, "0"))
    assert (-value if text.startswith("-") else value) == micros
    assert dollars(micros).replace("$", "") == text


def test_a_week_starts_on_monday() -> None:
    window = window_at(Period.WEEK, NOW_MS, UTC)
    assert datetime.fromtimestamp(window.starts_ms / 1000, tz=UTC).weekday() == 0
    assert window.ends_ms == window.starts_ms + round(timedelta(days=7).total_seconds() * 1000)
