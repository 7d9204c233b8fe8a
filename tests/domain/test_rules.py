"""Which rules bind, what they bound, and what a job books."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import BoundError
from bot.domain.quota import OPERATOR, Leg, Owner, OwnerKind, Period, Unit, window_at
from bot.domain.requests import RESOLUTIONS, Aspect, Plan, Tier
from bot.domain.rules import Audience, Bounds, Caps, Pool, Rule, binding_of, drained, legs_of, narrowest

NOON_MS = round(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp() * 1000)
EVERYONE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=2)
ARTISTS = replace(EVERYONE, audience=Audience.ROLE, subject_id=4, amount=5)
EDITORS = replace(ARTISTS, subject_id=5, amount=3)
SEVEN = replace(EVERYONE, audience=Audience.MEMBER, subject_id=7, amount=1)
SERVER = replace(EVERYONE, audience=Audience.SERVER, unit=Unit.USD, period=Period.MONTH, amount=50)
CAPS = Caps(guild_month_micros=1000, operator_day_micros=2000)
AMOUNTS = {Unit.USD: 100, Unit.SECONDS: 5, Unit.CLIPS: 1}
GUILD = Owner(kind=OwnerKind.GUILD, guild_id=1)
MEMBER = Owner(kind=OwnerKind.MEMBER, guild_id=1, member_id="7")
POOL = Pool(id=1, guild_id=1, audience=Audience.MEMBER, subject_id=7, unit=Unit.USD, amount=60, ends_ms=None)

a_bound = st.builds(
    Bounds,
    tiers=st.none() | st.frozensets(st.sampled_from(Tier)),
    resolution_max=st.none() | st.sampled_from(RESOLUTIONS),
    seconds_max=st.none() | st.integers(1, 20),
)


def a_plan(tier: Tier = Tier.FAST, resolution: str = "720p", seconds: int = 5) -> Plan:
    return Plan(
        provider="x",
        model="m",
        tier=tier,
        prompt="a cat",
        duration_seconds=seconds,
        aspect=Aspect.WIDE,
        resolution=resolution,
        sound=True,
        seed=None,
    )


plans = st.builds(
    a_plan, tier=st.sampled_from(Tier), resolution=st.sampled_from(RESOLUTIONS), seconds=st.integers(1, 20)
)


# -- which rules bind


def test_the_most_specific_audience_replaces_the_broader_and_the_server_stays() -> None:
    rules = [EVERYONE, ARTISTS, SEVEN, SERVER]
    for member_id, role_ids, own in (("7", [4], SEVEN), ("8", [4], ARTISTS), ("8", [6], EVERYONE)):
        found = binding_of(rules, member_id, role_ids)
        assert (found.own, found.server, found.audience) == ((own,), (SERVER,), own.audience)


def test_a_narrower_rule_in_another_unit_replaces_the_broader_too() -> None:
    found = binding_of([EVERYONE, replace(SEVEN, unit=Unit.USD)], "7", [])
    assert found.rules == (replace(SEVEN, unit=Unit.USD),)


def test_without_rules_nothing_binds() -> None:
    assert binding_of([], "7", [4]).rules == ()
    assert binding_of([replace(SEVEN, subject_id=8), ARTISTS], "7", [6]).audience is None


def test_among_roles_the_largest_amount_counts_and_every_period_binds() -> None:
    weekly = replace(EDITORS, period=Period.WEEK, amount=9)
    found = binding_of([EDITORS, ARTISTS, weekly, replace(weekly, subject_id=4, amount=8)], "7", [5, 4])
    assert set(found.own) == {ARTISTS, weekly}


# -- bounds


@pytest.mark.parametrize(
    ("bounds", "plan", "said"),
    [
        (Bounds(tiers=frozenset({Tier.FAST, Tier.STANDARD})), a_plan(tier=Tier.PRO), "fast, standard"),
        (Bounds(tiers=frozenset()), a_plan(), "none"),
        (Bounds(resolution_max="720p"), a_plan(resolution="1080p"), "up to 720p"),
        (Bounds(seconds_max=4), a_plan(seconds=5), "up to 4 s"),
    ],
)
def test_what_is_out_of_bounds_is_told_what_is_allowed(bounds: Bounds, plan: Plan, said: str) -> None:
    with pytest.raises(BoundError, match=said):
        bounds.check(plan)


@given(plan=plans)
def test_no_bounds_allow_all(plan: Plan) -> None:
    assert Bounds().allows(plan)


@given(one=a_bound, other=a_bound, plan=plans)
def test_wider_bounds_allow_what_either_allows(one: Bounds, other: Bounds, plan: Plan) -> None:
    wide = one.wider(other)
    assert wide == other.wider(one)
    if one.allows(plan) or other.allows(plan):
        assert wide.allows(plan)


@given(one=a_bound, other=a_bound, plan=plans)
def test_all_rules_of_one_subject_bound_together(one: Bounds, other: Bounds, plan: Plan) -> None:
    rules = [replace(ARTISTS, bounds=one), replace(ARTISTS, period=Period.WEEK, bounds=other)]
    found = binding_of(rules, "7", [4])
    assert all(bounds.allows(plan) for bounds in found.own_bounds) == (one.allows(plan) and other.allows(plan))


@given(one=a_bound, other=a_bound, plan=plans)
def test_of_several_roles_the_widest_bounds_count(one: Bounds, other: Bounds, plan: Plan) -> None:
    found = binding_of([replace(ARTISTS, bounds=one), replace(EDITORS, bounds=other)], "7", [4, 5])
    if one.allows(plan) or other.allows(plan):
        assert all(bounds.allows(plan) for bounds in found.bounds)
    assert found.own_bounds == (one.wider(other),)


def test_the_servers_bounds_bind_whoever_asks() -> None:
    rules = [replace(SERVER, bounds=Bounds(seconds_max=4)), replace(SEVEN, bounds=Bounds(seconds_max=15))]
    with pytest.raises(BoundError):
        narrowest(binding_of(rules, "7", []).bounds).check(a_plan(seconds=5))


def test_bounds_of_a_replaced_rule_do_not_bind() -> None:
    rules = [replace(EVERYONE, bounds=Bounds(seconds_max=4)), SEVEN]
    narrowest(binding_of(rules, "7", []).bounds).check(a_plan(seconds=15))


# -- what a job books


def legs(
    *rules: Rule, guild_id: int | None = 1, now_ms: int = NOON_MS, zone: ZoneInfo | None = None
) -> dict[tuple[OwnerKind, Unit, Period], Leg]:
    found = legs_of(
        guild_id=guild_id, member_id="7", rules=rules, caps=CAPS, amounts=AMOUNTS, now_ms=now_ms, zone=zone or UTC
    )
    assert len({(leg.owner, leg.unit, leg.window) for leg in found}) == len(found)
    return {(leg.owner.kind, leg.unit, leg.window.period): leg for leg in found}


def test_member_and_server_are_metered_per_month_in_every_unit() -> None:
    found = legs()
    limits = {key: leg.limit for key, leg in found.items()}
    meters = {(kind, unit, Period.MONTH): None for kind in (OwnerKind.MEMBER, OwnerKind.GUILD) for unit in Unit}
    assert limits == meters | {
        (OwnerKind.GUILD, Unit.USD, Period.MONTH): 1000,
        (OwnerKind.OPERATOR, Unit.USD, Period.DAY): 2000,
    }
    assert all(leg.amount == AMOUNTS[leg.unit] for leg in found.values())


def test_a_rule_limits_its_own_leg() -> None:
    found = legs(EVERYONE, replace(SEVEN, unit=Unit.USD, period=Period.MONTH, amount=70))
    assert found[OwnerKind.MEMBER, Unit.CLIPS, Period.DAY].limit == 2
    assert found[OwnerKind.MEMBER, Unit.USD, Period.MONTH].limit == 70
    assert found[OwnerKind.GUILD, Unit.USD, Period.MONTH].limit == 1000


@pytest.mark.parametrize("period", Period)
def test_the_servers_own_money_rule_replaces_the_default_budget(period: Period) -> None:
    found = legs(replace(SERVER, period=period))
    assert found[OwnerKind.GUILD, Unit.USD, period].limit == 50
    if period is not Period.MONTH:
        assert found[OwnerKind.GUILD, Unit.USD, Period.MONTH].limit is None


def test_a_server_rule_in_another_unit_leaves_the_default_budget() -> None:
    assert legs(replace(SERVER, unit=Unit.CLIPS))[OwnerKind.GUILD, Unit.USD, Period.MONTH].limit == 1000


def test_on_the_command_line_there_is_no_server() -> None:
    assert {kind for kind, _, _ in legs(guild_id=None)} == {OwnerKind.MEMBER, OwnerKind.OPERATOR}


def test_periods_begin_where_the_server_lives_and_the_operators_day_is_utc() -> None:
    evening = NOON_MS + 4 * 60 * 60 * 1000
    found = legs(EVERYONE, now_ms=evening, zone=ZoneInfo("Asia/Tokyo"))
    assert found[OwnerKind.MEMBER, Unit.CLIPS, Period.DAY].window.name == "2026-11-19"
    assert found[OwnerKind.OPERATOR, Unit.USD, Period.DAY].window.name == "2026-11-18"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-18", 24)])
def test_a_day_is_as_long_as_its_clocks_make_it(day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zone)
    window = window_at(Period.DAY, round(noon.timestamp() * 1000), zone)
    assert window.ends_ms is not None
    assert (window.name, window.ends_ms - window.starts_ms) == (day, hours * 60 * 60 * 1000)


# -- bonuses


def week_and_meter(amount: int = 100) -> list[Leg]:
    week, month, day = (window_at(period, NOON_MS, UTC) for period in (Period.WEEK, Period.MONTH, Period.DAY))
    return [
        Leg(owner=MEMBER, unit=Unit.USD, window=week, amount=amount, limit=500),
        Leg(owner=MEMBER, unit=Unit.USD, window=month, amount=amount, limit=None),
        Leg(owner=MEMBER, unit=Unit.CLIPS, window=day, amount=1, limit=2),
        Leg(owner=GUILD, unit=Unit.USD, window=month, amount=amount, limit=900),
        Leg(owner=OPERATOR, unit=Unit.USD, window=day, amount=amount, limit=2000),
    ]


def test_without_pools_every_leg_stays() -> None:
    assert drained(week_and_meter(), [], NOON_MS) == week_and_meter()


def test_a_bonus_relieves_the_allowance_and_nothing_else() -> None:
    taken, *rest = drained(week_and_meter(), [(POOL, 60)], NOON_MS)
    assert (taken.owner, taken.unit, taken.amount, taken.limit) == (POOL.owner, Unit.USD, 60, 60)
    assert [leg.amount for leg in rest] == [40, 100, 1, 100, 100]


def test_a_bonus_that_no_allowance_needs_is_not_touched() -> None:
    unlimited = [leg for leg in week_and_meter() if leg.owner != MEMBER or leg.limit is None]
    assert drained(unlimited, [(POOL, 60)], NOON_MS) == unlimited
    assert drained(week_and_meter(), [(replace(POOL, unit=Unit.SECONDS), 60)], NOON_MS) == week_and_meter()


@pytest.mark.parametrize("left", [0, -5])
def test_an_empty_bonus_books_nothing(left: int) -> None:
    assert drained(week_and_meter(), [(POOL, left)], NOON_MS) == week_and_meter()


def test_bonuses_are_drained_by_their_end_then_by_age() -> None:
    pools = [
        (replace(POOL, id=1), 10),
        (replace(POOL, id=2), 10),
        (replace(POOL, id=3, ends_ms=NOON_MS + 9), 10),
        (replace(POOL, id=4, ends_ms=NOON_MS + 5), 10),
        (replace(POOL, id=5, ends_ms=NOON_MS + 5), 10),
    ]
    taken = [leg.owner.member_id for leg in drained(week_and_meter(45), pools, NOON_MS) if leg.owner.kind == "pool"]
    assert taken == ["4", "5", "3", "1", "2"]


@given(lefts=st.lists(st.integers(-3, 60), max_size=4), amount=st.integers(0, 100))
def test_pools_and_allowance_add_up_to_the_price(lefts: list[int], amount: int) -> None:
    pools = [(replace(POOL, id=number), left) for number, left in enumerate(lefts, start=1)]
    found = drained(week_and_meter(amount), pools, NOON_MS)
    taken = [leg for leg in found if leg.owner.kind is OwnerKind.POOL]
    assert sum(leg.amount for leg in taken) == min(amount, sum(max(left, 0) for left in lefts))
    assert all(0 < leg.amount <= {pool.owner: left for pool, left in pools}[leg.owner] for leg in taken)
    (week,) = [leg for leg in found if leg.window.period is Period.WEEK]
    assert week.amount == amount - sum(leg.amount for leg in taken)


@pytest.mark.parametrize(
    ("pool", "member_id", "role_ids", "serves"),
    [
        (POOL, "7", [], True),
        (POOL, "8", [7], False),
        (replace(POOL, audience=Audience.ROLE, subject_id=4), "8", [4], True),
        (replace(POOL, audience=Audience.ROLE, subject_id=4), "4", [5], False),
        (replace(POOL, ends_ms=NOON_MS), "7", [], False),
        (replace(POOL, ends_ms=NOON_MS + 1), "7", [], True),
    ],
)
def test_whom_a_bonus_serves(pool: Pool, member_id: str, role_ids: list[int], *, serves: bool) -> None:
    assert pool.serves(member_id, role_ids, NOON_MS) is serves
