"""Time that a test can move, the ids made from it, and waiting for a change without sleeping."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

# The first second of 2015, where Discord's ids begin: https://docs.discord.com/developers/reference#snowflakes
DISCORD_EPOCH_MS = 1_420_070_400_000

T = TypeVar("T")


class Clock(Protocol):
    """Tells what time it is in the sandbox."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's own time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A time that stands still until a test moves it."""

    def __init__(self, *, now_ms: int = 1_793_534_400_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, *, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)


class SnowflakeMint:
    """Makes ids that carry their time and always grow."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def mint(self) -> int:
        self._last = max(self._last + 1, (self._clock.now_ms() - DISCORD_EPOCH_MS) << 22)
        return self._last


class Changes:
    """Wakes whoever waits for something in the world to become true."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, probe: Callable[[], T | None], *, seconds: float) -> T:
        """Return the probe's first answer that is not None; TimeoutError after so many real seconds."""
        async with asyncio.timeout(seconds):
            while (found := probe()) is None:
                await self._changed.wait()
        return found


def snowflake_ms(snowflake: int) -> int:
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def timestamp(ms: int) -> str:
    """Write a time as Discord does: https://docs.discord.com/developers/reference#iso8601-date-time."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="microseconds")
