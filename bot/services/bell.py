"""Wakes the runner before its next appointment."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Tasks and jobs worth asking about."""

    task_ids: frozenset[str]
    job_ids: frozenset[int]


class Bell:
    """Rung by whoever wrote something down, or heard that a task has ended; one listener."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._tasks: set[str] = set()
        self._jobs: set[int] = set()

    def ring(self, *, task_id: str | None = None, job_id: int | None = None) -> None:
        """A task, by its own id or its job's, is worth asking about now; the word is not believed, only heard."""
        if task_id is not None:
            self._tasks.add(task_id)
        if job_id is not None:
            self._jobs.add(job_id)
        self._rung.set()

    def heard(self) -> Heard:
        """What was named since the last time."""
        heard = Heard(task_ids=frozenset(self._tasks), job_ids=frozenset(self._jobs))
        self._tasks, self._jobs = set(), set()
        return heard

    async def wait(self, seconds: float | None) -> None:
        """Return when rung, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()
