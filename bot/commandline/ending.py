"""Exit statuses, and running a coroutine so that a signal ends it in order."""

import asyncio
import signal
from collections.abc import Coroutine
from enum import IntEnum
from typing import Any, TypeVar

from bot.domain.errors import AlreadyRunningError, BotError, RequestError, SettingsError

T = TypeVar("T")


class Status(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    BAD_REQUEST = 2
    BAD_SETTINGS = 3
    ALREADY_RUNNING = 4
    INTERRUPTED = 130


def status_of(error: BotError) -> Status:
    match error:
        case RequestError():
            return Status.BAD_REQUEST
        case SettingsError():
            return Status.BAD_SETTINGS
        case AlreadyRunningError():
            return Status.ALREADY_RUNNING
        case _:
            return Status.FAILED


def run_until_signal(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; SIGTERM is treated as Ctrl-C. Raises KeyboardInterrupt when a signal ended it.

    A single fault inside task groups is raised as itself.
    """
    try:
        return asyncio.run(_guarded(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except BaseExceptionGroup as group:
        raise _only(group) from None


async def _guarded(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one fault that matters: of ours if there is one, else the first."""
    mine, _ = group.split(BotError)
    inner = (mine or group).exceptions[0]
    return _only(inner) if isinstance(inner, BaseExceptionGroup) else inner
