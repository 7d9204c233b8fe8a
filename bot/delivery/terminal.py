"""Telling the command line: a line per stage, and the clip as a file."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bot.domain.errors import UndeliverableError
from bot.domain.jobs import FileTarget, Job, TargetKind
from bot.ports.outside import Posted


class FileDelivery:
    """Hands clips over as files; `say` gets every job whose stage changed."""

    serves = frozenset({TargetKind.FILE})

    def __init__(self, *, say: Callable[[Job], None]) -> None:
        self._say = say

    async def show(self, *, job: Job) -> int | None:
        self._say(job)
        return None

    async def notify(self, *, job: Job) -> None:
        self._say(job)

    async def room(self, *, job: Job) -> int | None:
        del job  # a file may be as large as it is
        return None

    async def post(self, *, job: Job, clip: Path) -> Posted:
        """Copy beside the place and rename over it: whoever looks sees the whole clip or none."""
        if not isinstance(job.target, FileTarget):
            raise TypeError(f"job {job.id} goes to Discord, not to a file")
        path = Path(job.target.path)
        try:
            await asyncio.to_thread(_copy, clip, path)
        except OSError as fault:
            raise UndeliverableError(reason=f"{path}: {fault.strerror}", job=str(job.id)) from fault
        return Posted(path=str(path))


def _copy(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with source.open("rb") as reader, part.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1024 * 1024)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(path)
