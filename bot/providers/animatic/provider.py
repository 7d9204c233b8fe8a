"""The `Provider` port over a folder: one file per order, one child process at a time."""

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import structlog

from bot.domain.capabilities import Capabilities
from bot.domain.requests import Plan
from bot.media.child import ChildFailedError, Ending
from bot.media.limits import Limits
from bot.ports.outside import Failed, NotSentError, Pending, Succeeded, TaskGoneError, TaskStatus, WireRequest
from bot.providers.animatic.order import Order, order_from, order_of
from bot.providers.animatic.row import CAPABILITIES

TARGET = "bot.providers.animatic.render:render"
LIMITS = Limits(
    seconds=180, cpu_seconds=240, memory_bytes=1536 * 1024 * 1024, file_bytes=128 * 1024 * 1024, files_open=64
)
KEPT_SECONDS = 24 * 3600
"""A task is read within its deadline of minutes; what is a day old in the spool has been fetched or given up."""

_TASK_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_BROKE_DOWN = "the renderer broke down"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Run(Protocol):
    """`bot.media.child.run_limited`, or a stand-in for it."""

    async def __call__(
        self, target: str, arguments: dict[str, object], *, limits: Limits | None = None
    ) -> dict[str, object]: ...


class Animatic:
    """Renders between `async with`. What was handed over stays in the folder: reading it after a restart goes on."""

    def __init__(
        self, *, folder: Path, stored_path: Callable[[str], Path], run: Run, ring: Callable[[str], None]
    ) -> None:
        """`stored_path` finds a reference by its content hash; `ring` is called with a task's id when it ended."""
        self._folder = folder
        self._stored_path = stored_path
        self._run = run
        self._ring = ring
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        for task in self._tasks.values():
            task.cancel()
        if group is not None:
            # The group only waits here: told of the error it would wrap it.
            await group.__aexit__(None, None, None)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @property
    def account(self) -> str:
        return "local"

    @property
    def trusted_host(self) -> str | None:
        return None

    def describe(self, *, plan: Plan, links: dict[str, str], callback: str | None = None) -> WireRequest:
        del links, callback  # references are found by their content hash, and the end rings by itself
        return WireRequest(method="LOCAL", url="animatic://render", headers={}, body=order_of(plan).as_json())

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str], callback: str | None = None) -> str:
        """The attempt's id is the task's: handing the same attempt over twice is one task."""
        del links, callback
        if not _TASK_ID.fullmatch(attempt_id):
            raise NotSentError("the attempt's id cannot name a file")
        try:
            await asyncio.to_thread(self._keep, attempt_id, order_of(plan))
        except OSError as error:
            raise NotSentError(f"the spool cannot be written: {error.strerror}") from error
        self._start(attempt_id)
        return attempt_id

    async def read(self, *, task_id: str) -> TaskStatus:
        status = self._status(task_id)
        if isinstance(status, Pending):
            self._start(task_id)
        return status

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        return {task_id: await self.read(task_id=task_id) for task_id in task_ids}

    async def cancel(self, *, task_id: str) -> bool:
        if self._ended(task_id):
            return False
        # The order goes first: a read in between must not begin it anew.
        self._order_path(task_id).unlink(missing_ok=True)
        task = self._tasks.get(task_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return not self._ended(task_id)

    async def is_genuine(self, *, headers: Mapping[str, str], body: bytes) -> bool:  # noqa: ARG002 (nothing is signed)
        return True

    def called_task(self, *, plan: Plan, body: bytes) -> str | None:  # noqa: ARG002 (it rings the bell itself)
        return None

    def _start(self, task_id: str) -> None:
        if self._group is not None and task_id not in self._tasks and not self._ended(task_id):
            task = self._group.create_task(self._render(task_id), name=f"animatic {task_id}")
            self._tasks[task_id] = task
            # Not in the task itself: one that is cancelled before its first step never gets to its own end.
            task.add_done_callback(lambda _: self._left(task_id))

    def _left(self, task_id: str) -> None:
        """The bell is for an end only: rung for a child that could not be started, it would ring without a pause."""
        del self._tasks[task_id]
        if self._ended(task_id):
            self._ring(task_id)

    async def _render(self, task_id: str) -> None:
        try:
            async with self._turn:
                await self._rendered(task_id)
        finally:
            self._part_path(task_id).unlink(missing_ok=True)

    async def _rendered(self, task_id: str) -> None:
        try:
            result = await self._run(TARGET, self._arguments(task_id), limits=LIMITS)
            log.info("animatic rendered", task_id=task_id, **result)
        except ChildFailedError as failure:
            log.warning("animatic failed", task_id=task_id, reason=failure.reason)
            reason = failure.reason if failure.ending is Ending.REFUSED else f"{_BROKE_DOWN}: it {failure.reason}"
            self._fail(task_id, reason)
        except OSError as error:
            # No child could be started: nothing is decided, and the next read tries again.
            log.warning("animatic not started", task_id=task_id, error=str(error))
        except Exception:  # a bug of ours ends this render, not every other one in the group
            log.exception("animatic broke", task_id=task_id)
            self._fail(task_id, _BROKE_DOWN)

    # -- the spool

    def _order_path(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.json"

    def _clip_path(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.mp4"

    def _part_path(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.mp4.part"

    def _failure_path(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.failed"

    def _ended(self, task_id: str) -> bool:
        return self._clip_path(task_id).exists() or self._failure_path(task_id).exists()

    def _status(self, task_id: str) -> TaskStatus:
        """Raises TaskGoneError for what was never handed over, or was cancelled."""
        if not _TASK_ID.fullmatch(task_id):
            raise TaskGoneError
        if self._clip_path(task_id).exists():
            return Succeeded(video=str(self._clip_path(task_id).absolute()))
        if self._failure_path(task_id).exists():
            return Failed(reason=self._failure_path(task_id).read_text(encoding="utf-8"))
        if self._order_path(task_id).exists():
            return Pending()
        raise TaskGoneError

    def _keep(self, task_id: str, order: Order) -> None:
        self._sweep(time.time() - KEPT_SECONDS)
        if not self._order_path(task_id).exists():
            _write_durably(self._order_path(task_id), json.dumps(order.as_json()))

    def _sweep(self, before: float) -> None:
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it went by itself
                if path.stat().st_mtime < before:
                    path.unlink()

    def _fail(self, task_id: str, reason: str) -> None:
        try:
            _write_durably(self._failure_path(task_id), reason)
        except OSError as error:
            # An error that left the task would end every other one; unwritten, the next read renders again.
            log.warning("animatic failure not written", task_id=task_id, error=str(error))

    def _arguments(self, task_id: str) -> dict[str, object]:
        order = order_from(json.loads(self._order_path(task_id).read_text(encoding="utf-8")))
        paths = {one.place: str(self._stored_path(one.sha256).absolute()) for one in order.materials}
        return {"order": order.as_json(), "paths": paths, "output": str(self._clip_path(task_id).absolute())}


def _write_durably(path: Path, text: str) -> None:
    """There as a whole or not at all, also after a power cut."""
    part = path.with_suffix(path.suffix + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
