"""When to ask about running tasks: polls planned from how long earlier tasks took. Pure arithmetic over seconds."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import inf
from typing import Self

FINE_SECONDS = 0.5
FINE_UNTIL_SECONDS = 50
GROWTH = 1.01
BINS = 461


def _edges() -> tuple[float, ...]:
    """Half a second apart at first, then 1 % further each time, to half an hour."""
    fine = [step * FINE_SECONDS for step in range(int(FINE_UNTIL_SECONDS / FINE_SECONDS) + 1)]
    coarse = [FINE_UNTIL_SECONDS * GROWTH**step for step in range(1, BINS - len(fine) + 2)]
    return (*fine, *coarse)


EDGES = _edges()
WIDTHS = tuple(after - before for before, after in pairwise(EDGES))

DECAY = 0.97
"""What one more finished task leaves of those before: about the last thirty count."""
BLUR = 0.06
"""An interval is widened by this share of its ends: the next task will not take exactly as long."""
DECIMALS = 6
PRIOR_TASKS = 2.0
"""The first guess weighs as much as so many finished tasks."""
PRIOR_FACTOR = 3.0
"""The first guess reaches from a third of the typical time to three times that."""
PRIOR_ANYWHERE = 0.03

WAIT_SECONDS_MIN = 1.0
FIRST_WAIT_SECONDS_MAX = 120.0
FIRST_WAIT_TYPICALS = 2.0
WAIT_SHARE_MAX = 0.25
WAIT_SECONDS_SURE = 10.0
SECONDS_PER_REQUEST = 0.3
"""How many seconds of lateness one request is worth."""
FALLBACK_QUANTILE = 0.8
"""Measured: at 0.9, one slow task in ten makes lost callbacks twice as late; at 0.8 a task costs 0.1 requests more."""
FALLBACK_STEP_SECONDS = 30.0
LIST_URGENCY = 1.0
LIST_PRECISION_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long tasks of one kind took: a weight per bin of EDGES, older ones fading."""

    counts: tuple[float, ...] = (0.0,) * BINS

    @classmethod
    def prior(cls, typical_seconds: float) -> Self:
        """What is believed before any task was seen: anything around the typical time, and a little of everything."""
        low, high = typical_seconds / PRIOR_FACTOR, typical_seconds * PRIOR_FACTOR
        near = _shares(low, high, tuple(1 / max(edge, FINE_SECONDS) for edge in EDGES[:-1]))
        anywhere = PRIOR_ANYWHERE / BINS
        return cls(counts=tuple(PRIOR_TASKS * (share * (1 - PRIOR_ANYWHERE) + anywhere) for share in near))

    def learned(self, low: float, high: float) -> Self:
        """One more task ended, well or badly: it still ran at `low` and had ended at `high`. A callback: both alike."""
        shares = _shares(low * (1 - BLUR), high * (1 + BLUR), (1.0,) * BINS)
        pairs = zip(self.counts, shares, strict=True)
        return type(self)(counts=tuple(round(count * DECAY + share, DECIMALS) for count, share in pairs))

    def to_json(self) -> str:
        return json.dumps(self.counts, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """ValueError when it was written over other bins."""
        counts = tuple(float(count) for count in json.loads(text))
        if len(counts) != BINS:
            raise ValueError(f"a timing has {BINS} bins, not {len(counts)}")
        return cls(counts=counts)


def _shares(low: float, high: float, density: Sequence[float]) -> list[float]:
    """One whole, spread by `density` over the bins between; what lies past the last bin counts there."""
    last = EDGES[-2]
    low, high = min(low, last), max(min(high, EDGES[-1]), min(low, last) + FINE_SECONDS)
    inside = (max(0.0, min(after, high) - max(before, low)) for before, after in pairwise(EDGES))
    masses = [length * weight for length, weight in zip(inside, density, strict=True)]
    whole = sum(masses)
    return [mass / whole for mass in masses]


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPlan:
    """When to ask about a task of one kind.

    `running` is the share of tasks that still run at each edge, `areas` its integral up to there; `following` names
    the edge of the next poll after a "not yet" at an edge. All times are seconds since the submission.
    """

    typical_seconds: float
    running: tuple[float, ...]
    areas: tuple[float, ...]
    following: tuple[int, ...]

    def wait_seconds(self, elapsed: float) -> float:
        """How long to leave alone a task that just now still ran."""
        longest = self.longest_wait_seconds(elapsed)
        if elapsed >= EDGES[-1]:
            return longest
        planned = EDGES[self.following[_bin(elapsed)]] - elapsed
        return min(max(planned, WAIT_SECONDS_MIN), longest)

    def longest_wait_seconds(self, elapsed: float) -> float:
        return longest_wait_seconds(elapsed, typical_seconds=self.typical_seconds)

    def fallback_wait_seconds(self, elapsed: float) -> float:
        """The same where the provider calls back: only a callback that got lost needs a poll."""
        first = self.quantile(FALLBACK_QUANTILE)
        return max(first - elapsed, WAIT_SECONDS_MIN) if elapsed < first else FALLBACK_STEP_SECONDS

    def quantile(self, q: float, *, given: float = 0.0) -> float:
        """By when so large a share of the tasks that still run at `given` has ended."""
        left = self._running_at(given) * (1 - q)
        if left <= 0:
            return given + self.longest_wait_seconds(given)
        at = next(at for at in range(_bin(given), BINS) if self.running[at + 1] <= left)
        before, after = self.running[at], self.running[at + 1]
        return EDGES[at] + WIDTHS[at] * (before - left) / (before - after)

    def urgency(self, seen: float, now: float) -> float:
        """What asking now gains, in seconds of lateness, about a task last seen running at `seen`.

        Against asking at the moment when it is surest to pay: (now - seen) * P(ended by now) less the lateness that
        has gathered already. A task that was left alone too long counts as ended.
        """
        at_seen = self._running_at(seen)
        if now - seen >= self.longest_wait_seconds(seen):
            return max(now - seen, 0.0)
        if at_seen <= 0:  # longer than anything that was seen: only the bound asks again
            return 0.0
        gained = self._area_at(now) - self._area_at(seen) - (now - seen) * self._running_at(now)
        return max(gained / at_seen, 0.0)

    def _running_at(self, elapsed: float) -> float:
        if elapsed >= EDGES[-1]:
            return 0.0
        at = _bin(elapsed)
        return self.running[at] - (self.running[at] - self.running[at + 1]) * (elapsed - EDGES[at]) / WIDTHS[at]

    def _area_at(self, elapsed: float) -> float:
        at = _bin(elapsed)
        inside = min(elapsed, EDGES[-1]) - EDGES[at]
        return self.areas[at] + inside * (self.running[at] + self._running_at(elapsed)) / 2


def plan_polls(timing: Timing, typical_seconds: float, *, seconds_per_request: float = SECONDS_PER_REQUEST) -> PollPlan:
    """The polls that cost least, requests and lateness together. Takes milliseconds: once per finished task."""
    if not 0 < seconds_per_request <= WAIT_SECONDS_SURE:
        raise ValueError(f"seconds_per_request lies above 0 and up to {WAIT_SECONDS_SURE}, not {seconds_per_request}")
    masses = [count + guess for count, guess in zip(timing.counts, _prior_counts(typical_seconds), strict=True)]
    left = [*accumulate(reversed(masses), initial=0.0)][::-1]
    running = tuple(mass / left[0] for mass in left)
    slices = (width * (before + after) / 2 for width, (before, after) in zip(WIDTHS, pairwise(running), strict=True))
    return PollPlan(
        typical_seconds=typical_seconds,
        running=running,
        areas=tuple(accumulate(slices, initial=0.0)),
        following=_following(running, seconds_per_request),
    )


@lru_cache(maxsize=64)
def _prior_counts(typical_seconds: float) -> tuple[float, ...]:
    return Timing.prior(typical_seconds).counts


def _following(running: Sequence[float], seconds_per_request: float) -> tuple[int, ...]:
    """From the last edge back: the next poll for which its own price, lateness until it, and all after it are least."""
    costs = [0.0] * len(EDGES)
    following = [BINS] * len(EDGES)
    for at in range(BINS - 1, -1, -1):
        here = running[at]
        spent, least = seconds_per_request * here, float("inf")
        for then in range(at + 1, BINS + 1):
            spent += (here - (running[then - 1] + running[then]) / 2) * WIDTHS[then - 1]
            if spent > least:
                break
            if spent + costs[then] < least:
                least = spent + costs[then]
                following[at] = then
        costs[at] = least
    return tuple(following)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running task among those that one list call tells of: last seen running at `seen`, now `elapsed` old."""

    plan: PollPlan
    seen: float
    elapsed: float

    def longest_wait_seconds(self) -> float:
        return self.seen + self.plan.longest_wait_seconds(self.seen) - self.elapsed


def list_wait_seconds(tasks: Sequence[Running]) -> float:
    """How long until one call about all these tasks pays. ValueError without a task."""
    low, high = WAIT_SECONDS_MIN, min(task.longest_wait_seconds() for task in tasks)
    if high <= low or _urgency_of_all(tasks, low) >= LIST_URGENCY:
        return low
    while high - low > LIST_PRECISION_SECONDS:
        middle = (low + high) / 2
        if _urgency_of_all(tasks, middle) >= LIST_URGENCY:
            high = middle
        else:
            low = middle
    return high


def _urgency_of_all(tasks: Sequence[Running], wait_seconds: float) -> float:
    return sum(task.plan.urgency(task.seen, task.elapsed + wait_seconds) for task in tasks)


def longest_wait_seconds(elapsed: float, *, typical_seconds: float = inf) -> float:
    """However little is known of a task's time, it is not noticed later than this; sooner where it should be quick."""
    first = min(FIRST_WAIT_SECONDS_MAX, FIRST_WAIT_TYPICALS * typical_seconds)
    return max(first - elapsed, elapsed * WAIT_SHARE_MAX, min(WAIT_SECONDS_SURE, typical_seconds))


def _bin(elapsed: float) -> int:
    return min(bisect_right(EDGES, elapsed), BINS) - 1
