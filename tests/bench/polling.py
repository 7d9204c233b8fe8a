"""How soon ends are noticed and for how many requests, as tables: `python tests/bench/polling.py [PICTURE]`.

P1 to P9: the shipped plan, bucket and order under a virtual clock with a fixed seed, beside fixed loops and the optimum
that knows the law. D is the mean lateness in seconds, R the requests of a task, J = D + R × price of a request.
PICTURE is where a chart of three laws goes, as PNG.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from bot.domain.polling import SECONDS_PER_REQUEST, PollPlan, Timing, plan_polls
from tests.bench.account import POLICIES, RUNNING, Pace, paces
from tests.bench.chart import draw_chart
from tests.bench.quota import Figure, say, show
from tests.bench.tables import at_least, at_most, table
from tests.bench.waits import FIXED, LAWS, Asked, Law, Seconds, asked, asked_at, at_same, optimum

SEED = 2026
SHOWN = (0.1, SECONDS_PER_REQUEST, 1.0, 3.0)
PRICES = (0.03, *SHOWN, 10.0)
"""What a request is worth, in seconds of lateness: the curve of each law."""
TASKS = 400
WARM = 200
"""So many tasks are learned from before anything is counted."""
EVERY = 5
TRIED = 4_000
"""Each plan that is counted is tried on so many fresh tasks."""
FRESH_KEYS = 12
FRESH_TASKS = 5
SLOWER = 1.6
DRIFTS = 3
FAR_SECONDS = 6_000.0
CALLBACK_SECONDS = 0.4
CALLBACKS_LOST = 0.02


# -- one key


class Learner:
    """A key whose tasks come one after another; it sees only between which polls each of them ended."""

    def __init__(self, law: Law, price: float) -> None:
        self._law = law
        self._price = price
        self._timing = Timing()
        self.plan = self._planned()
        self.polls = polls_of(self.plan)

    def learn(self, end: float) -> None:
        place = int(np.searchsorted(self.polls, end))
        self.learn_between(self.polls[place - 1] if place else 0.0, self.polls[place])

    def learn_between(self, low: float, high: float) -> None:
        self._timing = self._timing.learned(low, high)
        self.plan = self._planned()
        self.polls = polls_of(self.plan)

    def _planned(self) -> PollPlan:
        return plan_polls(self._timing, self._law.typical_seconds, seconds_per_request=self._price)


def polls_of(plan: PollPlan) -> list[float]:
    """Every poll of a task that never ends: a schedule that can be held against any number of tasks."""
    polls = [plan.wait_seconds(0.0)]
    while polls[-1] < FAR_SECONDS:
        polls.append(polls[-1] + plan.wait_seconds(polls[-1]))
    return polls


def steady(law: Law, price: float) -> Asked:
    random = np.random.default_rng(SEED)
    learner, schedules = Learner(law, price), []
    for at, end in enumerate(law.draw(random, TASKS)):
        if at >= WARM and at % EVERY == 0:
            schedules.append(learner.polls)
        learner.learn(float(end))
    return asked_at(schedules, [law.draw(random, TRIED) for _ in schedules])


def best(law: Law, price: float) -> Asked:
    return asked_at([optimum(law, price)], [law.draw(np.random.default_rng(SEED + 1), 60_000)])


def cold(law: Law) -> Asked:
    """The first five tasks of keys that nobody used before."""
    random, schedules = np.random.default_rng(SEED + 2), []
    for _ in range(FRESH_KEYS):
        learner = Learner(law, 1.0)
        for end in law.draw(random, FRESH_TASKS):
            schedules.append(learner.polls)
            learner.learn(float(end))
    return asked_at(schedules, [law.draw(random, TRIED) for _ in schedules])


def drifted(law: Law) -> tuple[Asked, Asked]:
    """All tasks take 1.6 times as long from one moment on: the first twenty after it, then those up to a hundred."""
    random, slow = np.random.default_rng(SEED + 3), slower(law)
    soon: list[list[float]] = []
    later: list[list[float]] = []
    for _ in range(DRIFTS):
        learner = Learner(law, 1.0)
        for end in law.draw(random, WARM // 2):
            learner.learn(float(end))
        for at, end in enumerate(slow.draw(random, 100)):
            (soon if at < 20 else later).append(learner.polls)
            learner.learn(float(end))
    first, then = (asked_at(lot, [slow.draw(random, TRIED) for _ in lot]) for lot in (soon, later))
    return first, then


def slower(law: Law) -> Law:
    def draw(random: np.random.Generator, size: int) -> Seconds:
        return law.draw(random, size) * SLOWER

    return replace(law, draw=draw)


# -- callbacks


def rung(law: Law) -> Asked:
    """The provider calls back a moment after the end, one callback in fifty gets lost; polls of the fallback count."""
    random = np.random.default_rng(SEED + 4)
    learner = Learner(law, SECONDS_PER_REQUEST)
    for end in law.draw(random, WARM):
        learner.learn_between(float(end), float(end))
    ends = law.draw(random, TRIED * 10)
    calls = ends + random.exponential(CALLBACK_SECONDS, len(ends))
    calls[random.random(len(ends)) < CALLBACKS_LOST] = np.inf
    polls = np.asarray(fallbacks_of(learner.plan))
    polled = polls[np.searchsorted(polls, ends)]
    noticed = np.minimum(calls, polled)
    return asked(noticed - ends, np.searchsorted(polls, noticed, side="right").astype(float))


def fallbacks_of(plan: PollPlan) -> list[float]:
    polls = [plan.fallback_wait_seconds(0.0)]
    while polls[-1] < FAR_SECONDS:
        polls.append(polls[-1] + plan.fallback_wait_seconds(polls[-1]))
    return polls


# -- all laws


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One law: every way of asking, and J over the optimum's while nothing is known and after a drift."""

    fixed: Mapping[str, Asked]
    ours: Mapping[float, Asked]
    best: Mapping[float, Asked]
    rung: Asked
    cold: float
    drift: tuple[float, float]

    def ratio(self, price: float) -> float:
        return self.ours[price].price(price) / self.best[price].price(price)


def measured(name: str) -> Measured:
    law = LAWS[name]
    ends = law.draw(np.random.default_rng(SEED + 5), 60_000)
    optimal = {price: best(law, price) for price in PRICES}
    after = best(slower(law), 1.0).price(1.0)
    soon, later = drifted(law)
    return Measured(
        fixed={loop: asked_at([schedule], [ends]) for loop, schedule in FIXED.items()},
        ours={price: steady(law, price) for price in PRICES},
        best=optimal,
        rung=rung(law),
        cold=cold(law).price(1.0) / optimal[1.0].price(1.0),
        drift=(soon.price(1.0) / after, later.price(1.0) / after),
    )


Laws = Mapping[str, Measured]


def loop_table(laws: Laws) -> None:
    ways = {loop: [law.fixed[loop] for law in laws.values()] for loop in FIXED}
    for price in (SECONDS_PER_REQUEST, 1.0):
        ways[f"Dailies, a request worth {price:g} s"] = [law.ours[price] for law in laws.values()]
        ways[f"  optimum, law known, {price:g} s"] = [law.best[price] for law in laws.values()]
    header = ("medians of eight laws", "D", "D p95", "R", "lost at worst", "D at equal R", "R at equal D", "(optimum)")
    table("One task at a time", header, [loop_row(name, found, laws) for name, found in ways.items()])


def loop_row(name: str, found: Sequence[Asked], laws: Laws) -> list[str]:
    row = [name, f"{median(one.late for one in found):.2f}", f"{median(one.late_p95 for one in found):.2f}"]
    least, most = min(one.requests for one in found), max(one.requests for one in found)
    row += [f"{least:.1f}–{most:.1f}", f"{max(one.lost for one in found):.1%}"]
    if name not in FIXED:
        return [*row, "", "", ""]
    pairs = list(zip(found, laws.values(), strict=True))
    ratios = [
        [loop.late / at_equal_requests(loop.requests, law.ours) for loop, law in pairs],
        [loop.requests / at_equal_lateness(loop.late, law.ours) for loop, law in pairs],
        [loop.requests / at_equal_lateness(loop.late, law.best) for loop, law in pairs],
    ]
    return [*row, *(times(ratio) for ratio in ratios)]


def times(ratios: Sequence[float]) -> str:
    """Median of the laws on whose curve the loop lies, none when those are fewer than half."""
    there = [ratio for ratio in ratios if ratio == ratio]  # noqa: PLR0124 -- not a number is unlike itself
    return f"{median(there):.1f}×" if 2 * len(there) >= len(ratios) else "–"


def at_equal_requests(requests: float, curve: Mapping[float, Asked]) -> float:
    return at_same(requests, [one.requests for one in curve.values()], [one.late for one in curve.values()])


def at_equal_lateness(late: float, curve: Mapping[float, Asked]) -> float:
    return at_same(late, [one.late for one in curve.values()], [one.requests for one in curve.values()])


def law_table(laws: Laws) -> None:
    header = ("law", *(f"D / R at {price:g}" for price in SHOWN), "optimum at 1", "J ratio .1", ".3", "1", "3")
    rows = [
        [
            name,
            *(f"{law.ours[price].late:.2f} / {law.ours[price].requests:.1f}" for price in SHOWN),
            f"{law.best[1.0].late:.2f} / {law.best[1.0].requests:.1f}",
            *(f"{law.ratio(price):.2f}" for price in SHOWN),
        ]
        for name, law in laws.items()
    ]
    table("Learned plan beside the optimum (J ratio: its J over the optimum's)", header, rows)
    header = ("law", "first 5 tasks", "1–20 after a drift", "21–100", "callbacks: D", "D p95", "R")
    rows = [
        [
            name,
            f"{law.cold:.2f}",
            *(f"{ratio:.2f}" for ratio in law.drift),
            *(f"{figure:.2f}" for figure in (law.rung.late, law.rung.late_p95, law.rung.requests)),
        ]
        for name, law in laws.items()
    ]
    table("J ratio of a new key and after tasks became 1.6 × as long; callbacks of which 2 % are lost", header, rows)


def account_table(found: Mapping[str, Sequence[Pace]]) -> None:
    header = ("D / R (429s of a task)", *(f"{running} running" for running in RUNNING))
    rows = [
        [name, *(f"{pace.late:.1f} / {pace.requests:.1f} ({pace.refusals:.2f})" for pace in row)]
        for name, row in found.items()
    ]
    table("Many tasks on one account, the server refuses more than two requests a second", header, rows)


def figures(laws: Laws, found: Mapping[str, Sequence[Pace]]) -> list[Figure]:
    return [*plan_figures(laws), *account_figures(found), *callback_figures(laws)]


def plan_figures(laws: Laws) -> list[Figure]:
    loop, curve = laws["standard"].fixed["3 s fixed"], laws["standard"].ours
    gain = loop.requests / at_equal_lateness(loop.late, curve)
    steadily, first, drifted_since = (
        median(ratios)
        for ratios in zip(*((law.ratio(1.0), law.cold, law.drift[1]) for law in laws.values()), strict=True)
    )
    lost = laws["slow lane"].ours[SECONDS_PER_REQUEST].lost
    return [
        at_least("P1 R of 3 s fixed / R of the plan at equal D, standard", gain, must=2.5, good=3.5),
        at_most("P2 J of the plan / J of the optimum, median of laws", steadily, must=1.25, good=1.12),
        at_most("P3   first 5 tasks of a new key", first, must=1.7, good=1.45),
        at_most("P4   tasks 21–100 after a drift", drifted_since, must=1.5, good=1.3),
        at_most("P5 share of ends never noticed, slow lane", lost, must=0, good=0),
    ]


def account_figures(found: Mapping[str, Sequence[Pace]]) -> list[Figure]:
    thirty = {name: row[RUNNING.index(30)] for name, row in found.items()}
    ours, listed = thirty["Dailies, task by task"], thirty["Dailies, one list call"]
    gain = thirty["round robin at 2 a second"].late / ours.late
    return [
        at_most("P6 429s of a task, 30 running", max(ours.refusals, listed.refusals), must=0.05, good=0),
        at_least("P7 D of round robin / D of ours, 30 running", gain, must=2.0, good=2.7),
        at_most("P8 list calls of a task, 30 running", listed.requests, must=1.2, good=0.98),
        at_most("     D of that", listed.late, must=1.5, good=1.2, unit=" s"),
    ]


def callback_figures(laws: Laws) -> list[Figure]:
    rings = [laws[name].rung for name in ("standard", "pro", "slow lane")]
    late, polls = max(one.late for one in rings), max(one.requests for one in rings)
    return [
        at_most("P9 callbacks, 2 % lost: D, worst of standard, pro, slow lane", late, must=1.0, good=0.7, unit=" s"),
        at_most("     polls of a task, beside the read that a callback asks for", polls, must=1.0, good=0.5),
    ]


def picture(path: Path, laws: Laws) -> None:
    drawn = {name: laws[name] for name in ("standard", "slow lane", "rejecting")}
    draw_chart(path, {name: (law.fixed, [*law.ours.values()], [*law.best.values()]) for name, law in drawn.items()})


def main(chart: Path | None) -> int:
    began = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        pacing = {name: pool.submit(paces, name) for name in POLICIES}
        laws = dict(zip(LAWS, pool.map(measured, LAWS), strict=True))
        found = {name: row.result() for name, row in pacing.items()}
    loop_table(laws)
    law_table(laws)
    account_table(found)
    if chart is not None:
        picture(chart, laws)
    say("")
    shown = figures(laws, found)
    show([*shown, Figure(name="all of this", found=f"{time.perf_counter() - began:.0f} s")])
    return int(any(figure.is_met is False for figure in shown))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
