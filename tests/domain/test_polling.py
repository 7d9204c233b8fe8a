"""Polls planned from what was learned: cheap, never late without bound, whatever was believed."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.polling import (
    BINS,
    EDGES,
    SECONDS_PER_REQUEST,
    PollPlan,
    Running,
    Timing,
    list_wait_seconds,
    longest_wait_seconds,
    plan_polls,
)

TYPICAL_SECONDS = 75.0
times = st.floats(0, 5_000)
some_tasks = st.lists(st.tuples(times, st.floats(0, 100)), max_size=12)


def timing_of(tasks: Sequence[tuple[float, float]]) -> Timing:
    timing = Timing()
    for low, length in tasks:
        timing = timing.learned(low, low + length)
    return timing


def standard_plan(*, seconds_per_request: float = SECONDS_PER_REQUEST) -> PollPlan:
    """Of tasks that take 74 s on average, nine in ten between 60 and 90."""
    draws = random.Random(1)  # noqa: S311 -- tasks, not secrets
    ends = [draws.lognormvariate(4.297, 0.123) for _ in range(200)]
    timing = timing_of([(max(end - 2.0, 0.0), 2.5) for end in ends])
    return plan_polls(timing, TYPICAL_SECONDS, seconds_per_request=seconds_per_request)


def rejecting_plan() -> PollPlan:
    """A tenth is refused within seconds, the rest takes two minutes."""
    return plan_polls(timing_of([(5, 2) if task % 10 == 0 else (115, 8) for task in range(100)]), TYPICAL_SECONDS)


def polls_of(plan: PollPlan, *, until: float) -> list[float]:
    """A task's whole row of polls, as long as it runs."""
    polls = [plan.wait_seconds(0)]
    while polls[-1] < until:
        polls.append(polls[-1] + plan.wait_seconds(polls[-1]))
    return polls


def price_of(plan: PollPlan, schedule: Sequence[int]) -> float:
    """Expected lateness and requests of polls at these edges, summed over the bins one by one."""
    price = 0.0
    for before, after in pairwise((0, *schedule)):
        price += SECONDS_PER_REQUEST * plan.running[before]
        for at in range(before, after):
            ended = plan.running[before] - (plan.running[at] + plan.running[at + 1]) / 2
            price += ended * (EDGES[at + 1] - EDGES[at])
    return price


def schedule_of(plan: PollPlan) -> list[int]:
    schedule = [plan.following[0]]
    while schedule[-1] < BINS:
        schedule.append(plan.following[schedule[-1]])
    return schedule


# -- what is learned


def test_bins_widen_from_half_a_second_to_half_an_hour() -> None:
    assert len(EDGES) == BINS + 1 == 462
    assert EDGES[:3] == (0, 0.5, 1.0)
    assert EDGES[100] == 50
    assert EDGES[101] == pytest.approx(50.5)
    assert 1800 <= EDGES[-1] < 1820


@given(some_tasks)
def test_each_task_weighs_one_and_fades(tasks: list[tuple[float, float]]) -> None:
    weight = sum(timing_of(tasks).counts)
    assert weight == pytest.approx(sum(0.97**age for age in range(len(tasks))), abs=1e-3)


@given(some_tasks)
def test_a_restart_changes_nothing_of_what_was_learned(tasks: list[tuple[float, float]]) -> None:
    timing = timing_of(tasks)
    assert Timing.from_json(timing.to_json()) == timing


def test_a_timing_over_other_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="461 bins, not 3"):
        Timing.from_json("[0.5,0,1]")


def test_learning_leaves_the_timing_before_as_it_was() -> None:
    before = Timing()
    before.learned(70, 72)
    assert before == Timing()


def test_a_new_key_believes_the_typical_time_within_a_factor_of_three() -> None:
    plan = plan_polls(Timing(), 90)
    assert 30 < plan.quantile(0.05) < 36
    assert plan.quantile(0.5) == pytest.approx(90, abs=3)
    assert 225 < plan.quantile(0.95) < 270


@given(st.floats(1, 86_400))
def test_any_typical_time_of_the_settings_can_be_planned(typical_seconds: float) -> None:
    plan = plan_polls(Timing(), typical_seconds)
    assert plan.running[0] == 1
    assert sum(Timing.prior(typical_seconds).counts) == pytest.approx(2)


# -- the plan


def test_no_poll_moved_dropped_or_added_would_be_cheaper() -> None:
    for plan in (standard_plan(), rejecting_plan()):
        schedule = schedule_of(plan)
        best = price_of(plan, schedule)
        for place, at in enumerate(schedule[:-1]):
            others = schedule[:place] + schedule[place + 1 :]
            for tried in (at - 1, at + 1):
                assert price_of(plan, sorted({*others, max(tried, 1)})) >= best - 1e-12
            assert price_of(plan, others) >= best - 1e-12
        for at in range(1, BINS):
            assert price_of(plan, sorted({*schedule, at})) >= best - 1e-12


def test_nothing_is_asked_while_nothing_can_be_finished() -> None:
    polls = polls_of(standard_plan(), until=90)
    assert polls[0] > 50
    assert len(polls) < 15


def test_a_dearer_request_means_fewer_polls() -> None:
    counts = [len(polls_of(standard_plan(seconds_per_request=price), until=90)) for price in (0.1, 0.3, 1, 3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[-1]


def test_early_rejections_are_looked_for_then_nothing_until_the_rest_is_due() -> None:
    polls = polls_of(rejecting_plan(), until=130)
    assert sum(4 < poll < 10 for poll in polls) >= 1
    assert sum(15 < poll < 90 for poll in polls) <= 2
    assert sum(105 < poll < 130 for poll in polls) >= 3


def test_a_slow_task_among_fast_ones_is_asked_about_less_and_less_often_but_always() -> None:
    polls = polls_of(standard_plan(), until=5_000)
    late = [after - before for before, after in pairwise(polls) if before > 600]
    assert max(late) < 1_250
    assert late[-1] > 400


@given(some_tasks, times)
def test_a_wait_is_a_second_at_least_and_never_past_the_bound(tasks: list[tuple[float, float]], elapsed: float) -> None:
    wait = plan_polls(timing_of(tasks), TYPICAL_SECONDS).wait_seconds(elapsed)
    assert 1 <= wait <= max(120 - elapsed, elapsed / 4, 10)


def test_a_kind_that_always_took_a_quarter_of_an_hour_is_asked_about_sooner_all_the_same() -> None:
    plan = plan_polls(timing_of([(890, 20)] * 100), 900)
    assert [plan.wait_seconds(elapsed) for elapsed in (0, 40, 120)] == [120, 80, 30]


def test_a_request_that_costs_nothing_cannot_be_planned() -> None:
    for price in (0, -1, 11):
        with pytest.raises(ValueError, match="seconds_per_request"):
            plan_polls(Timing(), TYPICAL_SECONDS, seconds_per_request=price)


# -- how long it will take


def test_a_quantile_is_the_share_that_has_ended() -> None:
    plan = standard_plan()
    assert plan.quantile(0.1) == pytest.approx(63, abs=4)
    assert plan.quantile(0.5) == pytest.approx(74, abs=3)
    assert plan.quantile(0.5, given=80) > 80


@given(some_tasks, times, st.floats(0.01, 0.98))
def test_a_quantile_never_lies_in_the_past_and_grows(
    tasks: list[tuple[float, float]], elapsed: float, q: float
) -> None:
    plan = plan_polls(timing_of(tasks), TYPICAL_SECONDS)
    assert elapsed <= plan.quantile(q, given=elapsed) <= plan.quantile(q + 0.01, given=elapsed)


def test_with_callbacks_the_first_poll_comes_when_most_have_ended_then_every_half_minute() -> None:
    plan = standard_plan()
    first = plan.fallback_wait_seconds(0)
    assert first == plan.quantile(0.8)
    assert 78 < first < 90
    assert plan.fallback_wait_seconds(first - 0.2) == 1
    assert [plan.fallback_wait_seconds(first + later) for later in (0, 30, 3_000)] == [30, 30, 30]


# -- who is asked about first


@given(some_tasks, st.floats(0, 1_500), st.floats(0, 9))
def test_urgency_is_the_gain_less_what_has_gathered(tasks: list[tuple[float, float]], seen: float, age: float) -> None:
    plan = plan_polls(timing_of(tasks), TYPICAL_SECONDS)

    def ended(at: float) -> float:
        """Found by bisection of the quantile, which is another way to the same curve."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if plan.quantile(middle, given=seen) < at else (low, middle)
        return low

    steps = 60
    gathered = sum(ended(seen + age * (step + 0.5) / steps) for step in range(steps)) * age / steps
    assert plan.urgency(seen, seen + age) == pytest.approx(age * ended(seen + age) - gathered, abs=0.05)


@given(some_tasks, times, st.floats(0, 500), st.floats(0, 500))
def test_urgency_only_grows_while_nobody_asks(
    tasks: list[tuple[float, float]], seen: float, sooner: float, more: float
) -> None:
    plan = plan_polls(timing_of(tasks), TYPICAL_SECONDS)
    assert 0 <= plan.urgency(seen, seen + sooner) <= plan.urgency(seen, seen + sooner + more) + 1e-9


def test_a_task_left_alone_too_long_is_more_urgent_than_any_price() -> None:
    plan = standard_plan()
    for seen in (0.0, 20.0, 70.0, 400.0, 4_000.0):
        assert plan.urgency(seen, seen + longest_wait_seconds(seen)) >= 10


def test_the_task_in_the_middle_of_its_hump_is_the_urgent_one() -> None:
    plan = standard_plan()
    assert plan.urgency(70, 75) > plan.urgency(0, 40)
    assert plan.urgency(70, 75) > plan.urgency(5, 10)


# -- one call for all


def test_a_list_call_comes_sooner_the_more_it_tells() -> None:
    plan = standard_plan()
    tasks = [Running(plan=plan, seen=6.0 * task, elapsed=6.0 * task) for task in range(12)]
    waits = [list_wait_seconds(tasks[:count]) for count in (1, 4, 8, 12)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] > 30
    assert waits[-1] < min(list_wait_seconds([task]) for task in tasks) - 1


def test_a_list_call_waits_until_the_summed_urgency_is_one() -> None:
    plan = standard_plan()
    tasks = [Running(plan=plan, seen=60.0, elapsed=61.0), Running(plan=plan, seen=55.0, elapsed=61.0)]
    wait = list_wait_seconds(tasks)
    assert wait > 1
    assert sum(plan.urgency(task.seen, task.elapsed + wait) for task in tasks) == pytest.approx(1, abs=0.1)


def test_a_list_call_about_slow_tasks_comes_at_the_bound_all_the_same() -> None:
    plan = plan_polls(timing_of([(890, 20)] * 100), 900)
    assert list_wait_seconds([Running(plan=plan, seen=0.0, elapsed=50.0)]) == 70


@given(some_tasks, st.lists(st.tuples(times, st.floats(0, 200)), min_size=1, max_size=5))
def test_a_list_call_is_bounded_by_the_task_whose_bound_comes_first(
    tasks: list[tuple[float, float]], running: list[tuple[float, float]]
) -> None:
    plan = plan_polls(timing_of(tasks), TYPICAL_SECONDS)
    asked = [Running(plan=plan, seen=seen, elapsed=seen + age) for seen, age in running]
    bound = min(longest_wait_seconds(seen) - age for seen, age in running)
    assert 1 <= list_wait_seconds(asked) <= max(bound, 1) + 1e-6
