"""Many tasks on one account whose server takes two requests a second: who waits for whom, and how many 429s there are.

Only status requests count; a task that is noticed is followed by the next at once, so that many always run.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from heapq import heapify, heapreplace
from itertools import count

import numpy as np

from bot.domain.pacing import Bucket, most_urgent
from bot.domain.polling import PollPlan, Running, Timing, list_wait_seconds, plan_polls
from tests.bench.waits import LAWS, Law

PER_SECOND = 2
JITTER_SECONDS = 0.04
"""Every request takes up to so long to arrive."""
ROUND_TRIP_SECONDS = 0.3
"""A loop sleeps between its requests, so that answers come on top; without them loops would stay in step for ever."""
LOOK_SECONDS = 0.25
"""How often our side looks whether somebody became urgent."""
COUNTED = 600
WARM = 120
"""So many tasks of each policy are not counted, nor the first two of each place."""


@dataclass(slots=True, kw_only=True)
class Task:
    """One task under way, by the account's clock."""

    id: int
    began: float
    ends: float
    seen: float
    requests: int = 0
    refusals: int = 0
    refused_in_a_row: int = 0


@dataclass(slots=True, kw_only=True)
class Account:
    """The tasks in flight, what became of those before, and what was learned of them."""

    law: Law
    running: int
    jitter: float = JITTER_SECONDS
    tasks: dict[int, Task] = field(default_factory=dict)
    ended: list[Task] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    accepted: deque[float] = field(default_factory=deque)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))
    ids: Iterator[int] = field(default_factory=count)
    timing: Timing = field(default_factory=Timing)
    current: PollPlan | None = None
    planned_for: int = 0

    def __post_init__(self) -> None:
        for share in self.random.random(self.running):
            self.begin(-float(share) * self.law.typical_seconds)

    def begin(self, now: float) -> None:
        took = float(self.law.draw(self.random, 1)[0])
        task = Task(id=next(self.ids), began=now, ends=max(now + took, 0.0), seen=now)
        self.tasks[task.id] = task

    def plan(self) -> PollPlan:
        """Made anew after each task that ended, no sooner."""
        if self.planned_for != len(self.ended) or self.current is None:
            self.current = plan_polls(self.timing, self.law.typical_seconds)
            self.planned_for = len(self.ended)
        return self.current

    @property
    def wanted(self) -> int:
        return max(WARM, 2 * self.running) + COUNTED

    @property
    def is_over(self) -> bool:
        return len(self.ended) >= self.wanted

    def arrives(self, now: float) -> float:
        return now + float(self.random.random()) * self.jitter

    def admits(self, arrival: float) -> bool:
        """Never more than two in any second; a refused one does not count."""
        while self.accepted and self.accepted[0] <= arrival - 1:
            self.accepted.popleft()
        if len(self.accepted) >= PER_SECOND:
            return False
        self.accepted.append(arrival)
        return True

    def ask(self, task: Task, arrival: float) -> bool:
        """False: refused with 429. A task that has ended makes room for the next."""
        task.requests += 1
        if not self.admits(arrival):
            task.refusals += 1
            task.refused_in_a_row += 1
            return False
        task.refused_in_a_row = 0
        self.answer(task, arrival)
        return True

    def answer(self, task: Task, now: float) -> None:
        if task.ends > now:
            task.seen = now
            return
        self.timing = self.timing.learned(task.seen - task.began, now - task.began)
        self.ended.append(self.tasks.pop(task.id))
        self.late.append(now - task.ends)
        self.begin(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a policy comes to on one account."""

    late: float
    requests: float
    refusals: float

    @classmethod
    def of(cls, account: Account, *, calls: int | None = None) -> "Pace":
        """`calls`: what was asked about all tasks together while the counted ones ended."""
        ended, late = account.ended[-COUNTED:], account.late[-COUNTED:]
        return cls(
            late=float(np.mean(late)),
            requests=float(np.mean([task.requests for task in ended])) if calls is None else calls / COUNTED,
            refusals=float(np.mean([task.refusals for task in ended])),
        )


# -- every task for itself


def own_loops(law: Law, running: int, step: Callable[[Task], float]) -> Pace:
    account = Account(law=law, running=running)
    places = [(account.arrives(float(account.random.random()) * 3), task.id) for task in account.tasks.values()]
    heapify(places)
    while not account.is_over:
        now, task_id = places[0]
        task = account.tasks[task_id]
        account.ask(task, now)
        following = task if task_id in account.tasks else next(reversed(account.tasks.values()))
        pause = step(following) + float(account.random.exponential(ROUND_TRIP_SECONDS))
        heapreplace(places, (account.arrives(now + pause), following.id))
    return Pace.of(account)


def three_seconds(_: Task) -> float:
    return 3.0


def ten_seconds(_: Task) -> float:
    return 10.0


def backing_off(task: Task) -> float:
    return 3.0 if not task.refused_in_a_row else 2.0 * 2 ** min(task.refused_in_a_row, 5)


# -- one after another


def round_robin(law: Law, running: int) -> Pace:
    """Two a second to the dot on a network without jitter: the task seen longest ago, none more often than in 3 s."""
    account, now = Account(law=law, running=running, jitter=0.0), 0.0
    while not account.is_over:
        oldest = min(account.tasks.values(), key=lambda task: (task.seen, task.id))
        if oldest.seen + 3 <= now:
            account.ask(oldest, now)
        now += 1 / PER_SECOND
    return Pace.of(account)


# -- ours


def by_urgency(law: Law, running: int) -> Pace:
    """The bucket lets one go at a time: of the tasks whose polls are due, that about which asking gains most."""
    account, bucket, now = Account(law=law, running=running), Bucket(requests_per_second=PER_SECOND), 0.0
    while not account.is_over:
        now += bucket.wait_seconds(now)
        urgencies = due_at(now, account)
        chosen = most_urgent(submits=(), urgencies=urgencies)
        if chosen is None:
            now += LOOK_SECONDS
        else:
            bucket.take(now)
            account.ask(account.tasks[chosen], account.arrives(now))
    return Pace.of(account)


def due_at(now: float, account: Account) -> dict[int, float]:
    plan = account.plan()
    seen = ((task, task.seen - task.began) for task in account.tasks.values())
    due = ((task, at) for task, at in seen if task.seen + plan.wait_seconds(at) <= now)
    return {task.id: plan.urgency(at, now - task.began) for task, at in due}


def by_list(law: Law, running: int) -> Pace:
    """One call tells of all tasks; the bucket holds for it too."""
    account, bucket, now = Account(law=law, running=running), Bucket(requests_per_second=PER_SECOND), 0.0
    calls = 0
    while not account.is_over:
        plan = account.plan()
        running_tasks = [
            Running(plan=plan, seen=task.seen - task.began, elapsed=now - task.began) for task in account.tasks.values()
        ]
        now += list_wait_seconds(running_tasks)
        now += bucket.wait_seconds(now)
        bucket.take(now)
        arrival, counts = account.arrives(now), len(account.ended) >= account.wanted - COUNTED
        calls += counts
        if account.admits(arrival):
            for task in list(account.tasks.values()):
                account.answer(task, arrival)
    return Pace.of(account, calls=calls)


RUNNING = (3, 10, 30, 100)
POLICIES: Mapping[str, Callable[[Law, int], Pace]] = {
    "every task its own 3 s loop": partial(own_loops, step=three_seconds),
    "every task its own 10 s loop": partial(own_loops, step=ten_seconds),
    "3 s loops, 2 s × 2^n after a 429": partial(own_loops, step=backing_off),
    "round robin at 2 a second": round_robin,
    "Dailies, task by task": by_urgency,
    "Dailies, one list call": by_list,
}


def paces(name: str) -> list[Pace]:
    return [POLICIES[name](LAWS["standard"], running) for running in RUNNING]
