"""The child process's own half: limits itself, runs one function of ours, answers in JSON.

Started by `child.py` as `python -I -m bot.media.inside`. One line of JSON comes in; standard input then stays open,
and its end means that the bot is gone.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from bot.domain.errors import BotError
from bot.media.limits import is_disk_full, is_file_full
from bot.media.reading import UnreadableError

_KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG: https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html"""
_OUT_OF_MEMORY_SCORE = "800"
_POLITE = 5


def main() -> None:
    answer_to = os.dup(1)
    os.dup2(2, 1)  # whatever prints goes to the log, never into the answer
    _die_with_parent()
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()
    answer = _answer(request["target"], request["arguments"], request["limits"])
    with open(answer_to, "w", encoding="utf-8") as out:  # noqa: PTH123 (a descriptor, not a path)
        json.dump(answer, out)


def _answer(target: str, arguments: dict[str, object], limits: dict[str, int]) -> dict[str, object]:
    try:
        function = _function(target)
        _limit(limits)
        return {"result": function(**arguments)}
    except (UnreadableError, BotError) as refusal:
        return {"refused": str(refusal)}
    except MemoryError:
        return {"memory": True}
    except Exception as error:  # noqa: BLE001 (the parent must hear of every end)
        if is_disk_full(error):
            return {"full": True}
        if is_file_full(error):
            return {"refused": f"would come to more than {limits['file_bytes'] // 1_000_000} MB"}
        traceback.print_exc()
        return {"crashed": f"{type(error).__name__}: {error}"[:500]}


def _function(target: str) -> Callable[..., object]:
    """Found, with FFmpeg's libraries, before the limits: loading them maps far more memory than work needs."""
    module, _, name = target.partition(":")
    function = cast("Callable[..., object]", getattr(importlib.import_module(module), name))
    importlib.import_module("av").logging.set_level(None)
    return function


def _limit(limits: dict[str, int]) -> None:
    _lower(resource.RLIMIT_AS, limits["memory_bytes"])
    _lower(resource.RLIMIT_CPU, limits["cpu_seconds"])
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _lower(resource.RLIMIT_NOFILE, limits["files_open"])
    _lower(resource.RLIMIT_CORE, 0)
    os.nice(_POLITE)
    with contextlib.suppress(OSError):  # Linux only: when memory runs out, this process goes and the bot stays
        Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_SCORE)


def _lower(which: int, amount: int) -> None:
    _, hard = resource.getrlimit(which)
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows some limits by name only
        resource.setrlimit(which, (amount, amount if which != resource.RLIMIT_CPU else hard))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        prctl: Any = ctypes.CDLL(None).prctl  # Any: ctypes has no types for what it loads
        prctl(_KILL_WITH_PARENT, signal.SIGKILL)


def _watch_parent() -> None:
    """Where there is no prctl: the parent holds the other end of standard input until it wants no more."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
