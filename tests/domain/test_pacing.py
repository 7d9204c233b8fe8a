"""An account's requests: how far apart, and whose turn."""

from itertools import pairwise
from math import floor, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.pacing import GUARD_SECONDS, Bucket, backoff_seconds, most_urgent

rates = st.floats(0.01, 60) | st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 20 / 60, 3.0, 10.0])


def taken_at(rate: float, pauses: list[float]) -> list[float]:
    """Every request as early as the bucket lets it, after a pause of its sender."""
    bucket, now, taken = Bucket(requests_per_second=rate), 1_000.0, []
    for pause in pauses:
        now += pause
        while (wait := bucket.wait_seconds(now)) > 0:
            now = max(now + wait, nextafter(now, now + 1))
        bucket.take(now)
        taken.append(now)
    return taken


@given(rates, st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=60))
def test_no_second_at_all_has_more_requests_than_the_limit(rate: float, pauses: list[float]) -> None:
    taken = taken_at(rate, pauses)
    for start in taken:
        inside = sum(start <= at < start + 1 for at in taken)
        assert inside <= max(floor(rate), 1)


@given(st.floats(0.01, 0.99), st.lists(st.floats(0, 200) | st.just(0.0), min_size=2, max_size=20))
def test_below_one_a_second_requests_are_as_far_apart_as_the_limit_says(rate: float, pauses: list[float]) -> None:
    taken = taken_at(rate, pauses)
    assert min(later - sooner for sooner, later in pairwise(taken)) >= 1 / rate


@given(
    st.floats(1, 20),
    st.lists(st.floats(0, GUARD_SECONDS * 0.99), min_size=30, max_size=30),
)
def test_a_network_that_jitters_within_the_guard_brings_no_second_over_the_limit(
    rate: float, delays: list[float]
) -> None:
    arrived = sorted(at + delay for at, delay in zip(taken_at(rate, [0.0] * 30), delays, strict=True))
    for start in arrived:
        assert sum(start <= at < start + 1 for at in arrived) <= floor(rate)


def test_what_was_not_used_is_not_saved_up() -> None:
    bucket = Bucket(requests_per_second=2)
    bucket.take(0)
    assert bucket.wait_seconds(100) == 0
    bucket.take(100)
    assert bucket.wait_seconds(100) == pytest.approx(0.525)


def test_a_request_before_its_time_is_refused() -> None:
    bucket = Bucket(requests_per_second=2)
    bucket.take(0)
    with pytest.raises(ValueError, match=r"free in 0\.125 s"):
        bucket.take(0.4)


def test_full_use_comes_within_a_twentieth_of_the_limit() -> None:
    taken = taken_at(2, [0.0] * 101)
    assert 100 / (taken[-1] - taken[0]) == pytest.approx(2 / 1.05)


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="requests per second"):
        Bucket(requests_per_second=rate)


def test_backoff_doubles_from_two_seconds_to_a_minute() -> None:
    assert [backoff_seconds(tries) for tries in (0, 1, 2, 3, 4, 5, 50)] == [2, 4, 8, 16, 32, 60, 60]


@given(st.integers(0, 100), st.floats(0, 1))
def test_backoff_jitters_upwards_by_half_at_most(tries: int, draw: float) -> None:
    plain = backoff_seconds(tries)
    assert 2 <= plain <= backoff_seconds(tries, draw) <= plain * 1.5
    assert backoff_seconds(tries, 1.0) == plain * 1.5


def test_a_submit_goes_before_the_most_urgent_poll() -> None:
    assert most_urgent(submits=[9, 3], urgencies={1: 50.0}) == 9


def test_the_poll_that_gains_most_goes_first_and_among_equals_the_older_job() -> None:
    assert most_urgent(submits=[], urgencies={5: 0.7, 4: 2.0, 2: 2.0, 1: 0.2}) == 2


def test_a_poll_that_is_due_goes_although_it_gains_little() -> None:
    assert most_urgent(submits=[], urgencies={1: 0.0}) == 1


def test_nobody_goes_when_nobody_is_due() -> None:
    assert most_urgent(submits=[], urgencies={}) is None
