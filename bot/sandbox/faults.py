"""Misfortunes a test can plan for the next matching REST calls."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["before", "after"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to a matching call: an answer instead of the true one, or none (the connection is cut)."""

    method: str
    path: re.Pattern[str]
    moment: Moment
    status: int | None
    retry_after_seconds: float = 0.0
    via: bool = True
    everywhere: bool = False
    left: int = 1


@dataclass(slots=True, kw_only=True)
class Hold:
    """A matching call that waits: `reached` tells that it came, `release` lets it go on."""

    method: str
    path: re.Pattern[str]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()


class Faults:
    """The planned misfortunes, in the order they were planned; `path` is a regular expression searched in the path."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._holds: list[Hold] = []

    def answer(self, method: str, path: str, status: int, *, moment: Moment = "before", times: int = 1) -> None:
        """Answer 5xx before the call takes effect, or after it did."""
        self._plan(Fault(method=method, path=re.compile(path), moment=moment, status=status, left=times))

    def limit(
        self,
        method: str,
        path: str,
        *,
        retry_after_seconds: float,
        via: bool = True,
        everywhere: bool = False,
        times: int = 1,
    ) -> None:
        """Answer 429: without Via discord.py takes it for a ban and gives up at once."""
        self._plan(
            Fault(
                method=method,
                path=re.compile(path),
                moment="before",
                status=429,
                retry_after_seconds=retry_after_seconds,
                via=via,
                everywhere=everywhere,
                left=times,
            )
        )

    def drop(self, method: str, path: str, *, moment: Moment = "before", times: int = 1) -> None:
        """Cut the connection before the call takes effect, or after it did."""
        self._plan(Fault(method=method, path=re.compile(path), moment=moment, status=None, left=times))

    def hold(self, method: str, path: str) -> Hold:
        """Keep the next matching call waiting until the test releases it."""
        hold = Hold(method=method, path=re.compile(path))
        self._holds.append(hold)
        return hold

    async def wait(self, method: str, path: str) -> None:
        for hold in self._holds:
            if hold.method == method and hold.path.search(path):
                self._holds.remove(hold)
                hold.reached.set()
                await hold.released.wait()
                return

    def strike(self, method: str, path: str) -> Fault | None:
        """Take the first planned fault for this call, if any."""
        for fault in self._planned:
            if fault.method == method and fault.path.search(path):
                fault.left -= 1
                if fault.left == 0:
                    self._planned.remove(fault)
                return fault
        return None

    def _plan(self, fault: Fault) -> None:
        self._planned.append(fault)
