"""When to ask again, and how often an account may ask: pure arithmetic over seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, inf

BACKOFF_SECONDS_MAX = 60.0
JITTER_SHARE_MAX = 0.5
GUARD_SECONDS = 0.05
"""Requests may reach the server this much closer together than they were sent."""


def backoff_seconds(tries: int, draw: float = 0.0) -> float:
    """2 s, doubling to a minute, and up to half as much again; `draw`, from 0 to 1, keeps many from asking at once."""
    return min(2.0 * (1 << min(tries, 10)), BACKOFF_SECONDS_MAX) * (1 + JITTER_SHARE_MAX * draw)


@dataclass(slots=True, kw_only=True)
class Bucket:
    """The requests of one account: evenly apart, so that no second at all has more of them than the limit.

    A limit of 2.5 lets two into a second: three would be more than it says. What was not used is not saved up.
    `now` comes from a clock that never goes back.
    """

    requests_per_second: float
    _last: float = field(default=-inf, init=False)

    def __post_init__(self) -> None:
        if not 0 < self.requests_per_second < inf:
            raise ValueError(f"an account's requests per second lie above 0, not {self.requests_per_second}")

    @property
    def step_seconds(self) -> float:
        if self.requests_per_second < 1:
            return 1 / self.requests_per_second + GUARD_SECONDS
        return (1 + GUARD_SECONDS) / floor(self.requests_per_second)

    def wait_seconds(self, now: float) -> float:
        return max(self._last + self.step_seconds - now, 0.0)

    def take(self, now: float) -> None:
        """ValueError while `wait_seconds` says to wait: one request too many would be a 429."""
        wait = self.wait_seconds(now)
        if wait > 0:
            raise ValueError(f"the account is free in {wait:.3f} s")
        self._last = now


def most_urgent(*, submits: Sequence[int], urgencies: Mapping[int, float]) -> int | None:
    """The job that gets the free request: a submit, in the given order, before the poll that gains most.

    `urgencies` are those of the polls that are due by their plans. To ask whoever is urgent enough, due or not, was
    measured too: it sends more requests for the same lateness.
    """
    if submits:
        return submits[0]
    return min(urgencies, key=lambda job_id: (-urgencies[job_id], job_id), default=None)
