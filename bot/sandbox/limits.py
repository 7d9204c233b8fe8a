"""Rate-limit buckets as Discord announces them: https://docs.discord.com/developers/topics/rate-limits."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """What is left of one window."""

    opened: float
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the headers say, and whether this call was one too many."""

    bucket: str
    limit: int
    remaining: int
    reset_after_seconds: float
    exceeded: bool

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Bucket": self.bucket,
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": f"{time.time() + self.reset_after_seconds:.3f}",
            "X-RateLimit-Reset-After": f"{self.reset_after_seconds:.3f}",
        }


class RateLimits:
    """One bucket per route and major id; its time is the wire's, not the world's."""

    def __init__(self, *, limit: int, window_seconds: float, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._now_seconds = now_seconds
        self._buckets: dict[str, Bucket] = {}

    def take(self, route: str, major: str) -> Allowance:
        now = self._now_seconds()
        bucket = self._buckets.setdefault(f"{route} {major}", Bucket(now))
        if now - bucket.opened >= self._window_seconds:
            bucket.opened, bucket.used = now, 0
        exceeded = bucket.used >= self._limit
        bucket.used += 0 if exceeded else 1
        return Allowance(
            bucket=hashlib.sha256(route.encode()).hexdigest()[:32],
            limit=self._limit,
            remaining=self._limit - bucket.used,
            reset_after_seconds=bucket.opened + self._window_seconds - now,
            exceeded=exceeded,
        )
