"""Wakes the runner before its next appointment."""

import asyncio


class Bell:
    """Rung by whoever wrote something down, or heard that a task has ended; one listener."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._tasks: set[str] = set()

    def ring(self, *, task_id: str | None = None) -> None:
        """`task_id` names a provider's task worth asking about now; its word is not believed, only heard."""
        if task_id is not None:
            self._tasks.add(task_id)
        self._rung.set()

    def heard(self) -> frozenset[str]:
        """The tasks named since the last time."""
        tasks, self._tasks = frozenset(self._tasks), set()
        return tasks

    async def wait(self, seconds: float | None) -> None:
        """Return when rung, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()
