"""What the polling bench measures against: how long tasks may take, fixed loops, and the optimum that knows the law."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Seconds]
NINETY_PERCENT = 1.6449
"""Nine in ten of a normal law lie within so many deviations."""
GRID_SECONDS = 0.25
GRID_POINTS = 6_000
AHEAD_POINTS = 1_200
SAMPLES = 400_000
FIXED_UNTIL_SECONDS = 4_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """How long tasks of one kind take, and the typical time that their provider's row says."""

    draw: Draw
    typical_seconds: float


def band(low: float, high: float) -> Draw:
    """Nine in ten between the two, as a provider's page would say it."""
    mean, deviation = np.log(low * high) / 2, np.log(high / low) / 2 / NINETY_PERCENT
    return lambda random, size: random.lognormal(mean, deviation, size)


def either(share: float, seldom: Draw, mostly: Draw) -> Draw:
    return lambda random, size: np.where(random.random(size) < share, seldom(random, size), mostly(random, size))


def queued(random: np.random.Generator, size: int) -> Seconds:
    """Two in five wait at the provider first, for 90 s on average."""
    return band(60, 90)(random, size) + np.where(random.random(size) < 0.4, random.exponential(90, size), 0)


STANDARD = Law(draw=band(60, 90), typical_seconds=75)
LAWS = {
    "fast": Law(draw=band(30, 60), typical_seconds=45),
    "standard": STANDARD,
    "pro": Law(draw=band(90, 150), typical_seconds=120),
    "wide": Law(draw=band(60, 120), typical_seconds=90),
    "gamma 120": Law(draw=lambda random, size: random.gamma(8, 15, size), typical_seconds=120),
    "slow lane": Law(
        draw=either(0.1, lambda random, size: random.lognormal(np.log(240), 0.6, size), band(60, 90)),
        typical_seconds=75,
    ),
    "queued": Law(draw=queued, typical_seconds=75),
    "rejecting": Law(
        draw=either(0.08, lambda random, size: random.uniform(2, 15, size), band(90, 150)), typical_seconds=120
    ),
}
"""Ranges as providers' pages word them; nobody publishes more. A tenth of `slow lane` takes 240 s in the median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a way of asking comes to: D, its 95th percentile, R, and the share of tasks whose end it never noticed."""

    late: float
    late_p95: float
    requests: float
    lost: float = 0.0

    def price(self, seconds_per_request: float) -> float:
        return self.late + seconds_per_request * self.requests


def asked_at(schedules: Sequence[Sequence[float]], tasks: Sequence[Seconds]) -> Asked:
    """Tasks by their ends, each lot asked about by a schedule of its own until they have ended."""
    late, requests, lost = [], [], 0
    for schedule, ends in zip(schedules, tasks, strict=True):
        times = np.asarray(schedule)
        place = np.searchsorted(times, ends)
        seen = place < len(times)
        late.append(times[place[seen]] - ends[seen])
        requests.append(np.minimum(place + 1.0, len(times)))
        lost += int((~seen).sum())
    return asked(np.concatenate(late), np.concatenate(requests), lost)


def asked(late: Seconds, requests: Seconds, lost: int = 0) -> Asked:
    return Asked(
        late=float(late.mean()),
        late_p95=float(np.quantile(late, 0.95)),
        requests=float(requests.mean()),
        lost=lost / len(requests),
    )


def steps(first: float, factor: float = 1.0, most: float = 1e9, until: float = FIXED_UNTIL_SECONDS) -> list[float]:
    schedule, step = [first], first
    while True:
        step = min(step * factor, most)
        if schedule[-1] + step > until:
            return schedule
        schedule.append(schedule[-1] + step)


FIXED = {
    "2 s fixed": steps(2),
    "3 s fixed": steps(3),
    "5 s fixed": steps(5),
    "10 s fixed": steps(10),
    "3 s × 1.5^n to 15 s, 300 s limit": steps(3, 1.5, 15, until=300),
}


def optimum(law: Law, seconds_per_request: float) -> list[float]:
    """The best polls there are when the law is known: a backward programme on a fine grid."""
    grid = np.arange(GRID_POINTS + 1) * GRID_SECONDS
    ends = law.draw(np.random.default_rng(7), SAMPLES)
    counted, _ = np.histogram(np.minimum(ends, grid[-1] - GRID_SECONDS / 2), bins=grid)
    running = np.append(counted[::-1].cumsum()[::-1], 0) / SAMPLES
    areas = np.append(0.0, np.cumsum((running[:-1] + running[1:]) / 2 * GRID_SECONDS))
    costs, following = np.zeros(len(grid)), np.full(len(grid), GRID_POINTS)
    for at in range(GRID_POINTS - 1, -1, -1):
        then = slice(at + 1, at + 1 + AHEAD_POINTS)
        wasted = running[at] * (grid[then] - grid[at]) - (areas[then] - areas[at])
        tried = seconds_per_request * running[at] + wasted + costs[then]
        best = int(tried.argmin())
        costs[at], following[at] = tried[best], at + 1 + best
    schedule, at = [], 0
    while at < GRID_POINTS:
        at = int(following[at])
        schedule.append(float(grid[at]))
    return [*schedule, *(schedule[-1] + more for more in steps(60))]


def at_same(level: float, levels: Sequence[float], values: Sequence[float]) -> float:
    """Read off a curve between its points, both in logarithms; not a number beyond its ends."""
    points = sorted(zip(levels, values, strict=True))
    for (low, at_low), (high, at_high) in pairwise(points):
        if low <= level <= high:
            share = np.log(level / low) / np.log(high / low)
            return float(np.exp(np.log(at_low) * (1 - share) + np.log(at_high) * share))
    return float("nan")
