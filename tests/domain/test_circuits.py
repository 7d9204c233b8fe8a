"""When an account rests, for how long, and what outlasts what."""

from itertools import pairwise

from bot.domain.circuits import REFUSED_REST_SECONDS, REST_SECONDS_MAX, STORM_REST_SECONDS, Circuit, Trouble, struck

NOW_MS = 1_795_000_000_000


def hit(before: Circuit | None, trouble: Trouble, now_ms: int) -> Circuit:
    return struck(before, account="a#1", provider="a", trouble=trouble, reason="it said no.", now_ms=now_ms)


def rests_seconds(trouble: Trouble, count: int) -> list[float]:
    """Each strike at the moment when the rest before is over."""
    circuit, rests, now_ms = None, list[float](), NOW_MS
    for _ in range(count):
        circuit = hit(circuit, trouble, now_ms)
        rests.append((circuit.until_ms - now_ms) / 1000)
        now_ms = max(circuit.until_ms, now_ms + 1)
    return rests


def test_a_refused_key_rests_at_once_and_longer_each_time_up_to_an_hour() -> None:
    rests = rests_seconds(Trouble.KEY, 10)
    assert rests[:3] == [REFUSED_REST_SECONDS, 2 * REFUSED_REST_SECONDS, 4 * REFUSED_REST_SECONDS]
    assert rests[-1] == REST_SECONDS_MAX
    assert all(earlier <= later for earlier, later in pairwise(rests))


def test_two_troubles_of_a_server_are_bad_luck_and_three_a_storm() -> None:
    assert rests_seconds(Trouble.STORM, 4) == [0, 0, STORM_REST_SECONDS, 2 * STORM_REST_SECONDS]


def test_what_rests_goes_on_resting_whatever_else_happens() -> None:
    resting = hit(None, Trouble.KEY, NOW_MS)
    assert hit(resting, Trouble.STORM, NOW_MS + 1_000) == resting
    assert hit(resting, Trouble.KEY, NOW_MS + 1_000) == resting


def test_another_trouble_after_a_rest_counts_from_one() -> None:
    resting = hit(None, Trouble.KEY, NOW_MS)
    after = hit(resting, Trouble.STORM, resting.until_ms)
    assert (after.trouble, after.strikes, after.is_resting(resting.until_ms)) == (Trouble.STORM, 1, False)
