"""One server floods a provider's three places, 49 others come and go: `python tests/bench/fairness.py`.

F1 and F2: the shipped queue under a virtual clock with a fixed seed, beside first come first served, taking turns, and
the bound, where the flooding server only gets what nobody else wants.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from statistics import median
from typing import Protocol

import numpy as np

from bot.domain.fairness import FairQueue, Waiting
from tests.bench.quota import Figure, say, show
from tests.bench.tables import at_least, at_most, table
from tests.bench.waits import LAWS, Seconds

SEEDS = (1, 2, 3)
LOADS = (0.5, 0.8)
HOURS = 12
ENDS = HOURS * 3600.0
PLACES = 3
GUILDS = 50
FLOODER = 0
DUMPED = 200
TIERS = ("fast", "standard", "pro")
EXPECTED = {"fast": 43.4, "standard": 74.0, "pro": 117.7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A wish of one party at its time, and how long it will really hold a place."""

    id: int
    party: int
    arrives: float
    expected: float
    takes: float


class Policy(Protocol):
    """Chooses among those who wait, and hears of starts and ends."""

    def choose(self, waiting: Sequence[Job]) -> Job: ...

    def ended(self, job: Job) -> None: ...


class FirstCome:
    """The oldest job."""

    def choose(self, waiting: Sequence[Job]) -> Job:
        return min(waiting, key=lambda job: job.id)

    def ended(self, job: Job) -> None:
        """Nothing to learn."""


class FloodLast(FirstCome):
    """The bound: the flooding server waits for all others."""

    def choose(self, waiting: Sequence[Job]) -> Job:
        return min(waiting, key=lambda job: (job.party == FLOODER, job.id))


class Turns(FirstCome):
    """Round robin over those who wait."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, waiting: Sequence[Job]) -> Job:
        job = min(waiting, key=lambda job: ((job.party - self._last - 1) % GUILDS, job.id))
        self._last = job.party
        return job


class Shares:
    """The shipped queue, written to its row and read back after every change; parties are servers or members of one."""

    def __init__(self, *, of_members: bool = False) -> None:
        self._row = FairQueue().to_json()
        self._of_members = of_members

    def choose(self, waiting: Sequence[Job]) -> Job:
        queue = FairQueue.from_json(self._row)
        chosen = queue.first(self._waiting(job) for job in waiting)
        if chosen is None:
            raise LookupError("nobody waits")
        self._row = queue.started(chosen).to_json()
        return next(job for job in waiting if job.id == chosen.job_id)

    def ended(self, job: Job) -> None:
        party = self._waiting(job)
        queue = FairQueue.from_json(self._row).corrected(
            guild_id=party.guild_id,
            member_id=party.member_id,
            expected_seconds=job.expected,
            actual_seconds=job.takes,
        )
        self._row = queue.to_json()

    def _waiting(self, job: Job) -> Waiting:
        guild, member = (1, str(job.party)) if self._of_members else (job.party, "1")
        return Waiting(job_id=job.id, guild_id=guild, member_id=member, seconds=job.expected)


POLICIES: Mapping[str, Callable[[], Policy]] = {
    "first come, first served": FirstCome,
    "round robin": Turns,
    "Dailies": Shares,
    "Dailies, members of one server": partial(Shares, of_members=True),
    "bound: the flood last": FloodLast,
}


def wishes(*, load: float, seed: int) -> list[Job]:
    """Others come at random, together at `load` of what the places can do; the flood is there first and goes on."""
    random = np.random.default_rng(seed)
    kinds = random.choice(TIERS, int(2 * load * PLACES * ENDS / 78))
    others = np.cumsum(random.exponential(np.mean(list(EXPECTED.values())) / load / PLACES, len(kinds)))
    parties = random.integers(1, GUILDS, len(kinds))
    flood = np.cumsum(random.exponential(EXPECTED["pro"] / PLACES, int(2 * PLACES * ENDS / EXPECTED["pro"])))
    rows = [(0.0, FLOODER, "pro")] * DUMPED + [(float(at), FLOODER, "pro") for at in flood]
    rows += [(float(at), int(party), str(kind)) for at, party, kind in zip(others, parties, kinds, strict=True)]
    rows = sorted(row for row in rows if row[0] < ENDS)
    lasts: dict[str, Seconds] = {kind: LAWS[kind].draw(random, len(rows)) for kind in TIERS}
    return [
        Job(id=at, party=party, arrives=arrives, expected=EXPECTED[kind], takes=float(lasts[kind][at]))
        for at, (arrives, party, kind) in enumerate(rows)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """How the others waited, how evenly service was shared (Jain's index, the worst off), and how much there was."""

    wait_p50: float
    wait_p95: float
    jain: float
    worst: float
    used: float


def run(policy: Policy, jobs: Sequence[Job]) -> Shared:
    coming, waiting, running = list(jobs[::-1]), list[Job](), list[tuple[float, int, Job]]()
    started: dict[int, float] = {}
    now = 0.0
    while now < ENDS:
        while coming and coming[-1].arrives <= now:
            waiting.append(coming.pop())
        while waiting and len(running) < PLACES:
            job = policy.choose(waiting)
            waiting.remove(job)
            started[job.id] = now
            heappush(running, (now + job.takes, job.id, job))
        now = min(running[0][0] if running else ENDS, coming[-1].arrives if coming else ENDS)
        while running and running[0][0] <= now:
            policy.ended(heappop(running)[2])
    return shared(jobs, started)


def shared(jobs: Sequence[Job], started: Mapping[int, float]) -> Shared:
    waits = [started.get(job.id, ENDS) - job.arrives for job in jobs if job.party != FLOODER]
    asked, got = np.zeros(GUILDS), np.zeros(GUILDS)
    for job in jobs:
        asked[job.party] += job.takes
        got[job.party] += min(job.takes, ENDS - started.get(job.id, ENDS))
    shares = got / fair_shares(asked, PLACES * ENDS)
    return Shared(
        wait_p50=float(np.quantile(waits, 0.5)),
        wait_p95=float(np.quantile(waits, 0.95)),
        jain=float(shares.sum() ** 2 / (GUILDS * (shares**2).sum())),
        worst=float(shares.min()),
        used=float(got.sum() / (PLACES * ENDS)),
    )


def fair_shares(asked: Seconds, there: float) -> Seconds:
    """Max-min: whoever asks for less than an equal part gets it whole, the others share the rest alike."""
    fair, left = np.zeros(len(asked)), there
    for place, party in enumerate(np.argsort(asked)):
        fair[party] = min(asked[party], left / (len(asked) - place))
        left -= fair[party]
    return fair


def medians(name: str, load: float) -> Shared:
    found = [run(POLICIES[name](), wishes(load=load, seed=seed)) for seed in SEEDS]
    fields = ("wait_p50", "wait_p95", "jain", "worst", "used")
    return Shared(**{field: median(getattr(one, field) for one in found) for field in fields})


def show_table(load: float, found: Mapping[str, Shared]) -> None:
    header = ("policy", "others wait p50 s", "p95 s", "Jain", "worst off", "places used")
    rows = [
        [name, f"{row.wait_p50:,.0f}", f"{row.wait_p95:,.0f}", f"{row.jain:.3f}", f"{row.worst:.2f}", f"{row.used:.3f}"]
        for name, row in found.items()
    ]
    table(
        f"Three places for {HOURS} h, 49 servers at {load:.0%} of them, one floods; medians of {len(SEEDS)}",
        header,
        rows,
    )


def figures(found: Mapping[str, Shared]) -> list[Figure]:
    ours, bound, fifo = found["Dailies"], found["bound: the flood last"], found["first come, first served"]
    inside = found["Dailies, members of one server"]
    return [
        at_most("F1 others' p95 wait / that of the bound", ours.wait_p95 / bound.wait_p95, must=1.3, good=1.05),
        at_most("     the same among members", inside.wait_p95 / bound.wait_p95, must=1.3, good=1.05),
        at_least("F2 Jain's index of service over fair share", ours.jain, must=0.99, good=0.999),
        at_least("     places used / first come, first served", ours.used / fifo.used, must=0.99, good=0.999),
    ]


def main() -> int:
    began = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        runs = {(name, load): pool.submit(medians, name, load) for load in LOADS for name in POLICIES}
        found = {load: {name: runs[name, load].result() for name in POLICIES} for load in LOADS}
    for load, rows in found.items():
        show_table(load, rows)
    say("")
    shown = figures(found[0.5])
    show([*shown, Figure(name="all of this", found=f"{time.perf_counter() - began:.0f} s")])
    return int(any(figure.is_met is False for figure in shown))


if __name__ == "__main__":
    raise SystemExit(main())
