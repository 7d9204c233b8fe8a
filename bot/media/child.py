"""Work on bytes nobody vouches for, in a child process with limits that is killed when it does not end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from enum import StrEnum

import structlog

from bot.media.limits import Limits

log = structlog.get_logger(__name__)

ANSWER_BYTES_MAX = 1024 * 1024
STDERR_BYTES_MAX = 8 * 1024
_PIPE_BYTES = 64 * 1024
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    # Each thread would otherwise reserve an arena of 64 MiB, which counts against the limit of memory.
    "MALLOC_ARENA_MAX": "2",
    "PATH": "/usr/bin:/bin",
}


class Ending(StrEnum):
    """How a child failed."""

    REFUSED = "refused"
    """Our function said no; the reason is its own clause."""
    TIME = "time"
    MEMORY = "memory"
    DISK = "disk"
    CRASH = "crash"


class ChildFailedError(Exception):
    """A child came to no result; `reason` is a clause such as `is empty` or `took longer than 60 s`."""

    def __init__(self, reason: str, *, ending: Ending) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ending = ending


async def run_limited(target: str, arguments: dict[str, object], *, limits: Limits | None = None) -> dict[str, object]:
    """Call `package.module:function` with keyword arguments in a child; both ways JSON. Raises ChildFailedError.

    A relative path means the child's own empty folder, which goes when the child does: name files absolutely.
    """
    limits = limits or Limits()
    request = json.dumps({"target": target, "arguments": arguments, "limits": asdict(limits)}).encode() + b"\n"
    with tempfile.TemporaryDirectory(prefix="dailies-child-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "bot.media.inside"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(limits.seconds):
                answer, stderr = await _talk(process, request)
        except TimeoutError:
            log.warning("child killed", target=target, seconds=limits.seconds)
            raise ChildFailedError(f"took longer than {limits.seconds:g} s", ending=Ending.TIME) from None
        finally:
            await _end(process)
    return _result(target, answer, stderr, process.returncode)


async def _talk(process: asyncio.subprocess.Process, request: bytes) -> tuple[bytes, bytes]:
    """Standard input stays open: its end tells the child that nobody waits any more."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("the child has no pipes")
    process.stdin.write(request)
    with contextlib.suppress(ConnectionError):  # it died before it listened: its status says how
        await process.stdin.drain()
    answer, stderr = await asyncio.gather(
        _last(process.stdout, ANSWER_BYTES_MAX), _last(process.stderr, STDERR_BYTES_MAX)
    )
    await process.wait()
    return answer, stderr


async def _last(stream: asyncio.StreamReader, bytes_max: int) -> bytes:
    kept = b""
    while chunk := await stream.read(_PIPE_BYTES):
        kept = (kept + chunk)[-bytes_max:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the whole group has gone already
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _result(target: str, answer: bytes, stderr: bytes, status: int | None) -> dict[str, object]:
    try:
        said = json.loads(answer)
    except ValueError:
        said = {}
    result = said.get("result") if isinstance(said, dict) else None
    if isinstance(result, dict):
        return result
    failed = _failure(said, status)
    if failed.ending is not Ending.REFUSED:
        log.warning(
            "child failed", target=target, status=status, reason=failed.reason, stderr=stderr.decode(errors="replace")
        )
    raise failed


def _failure(said: dict[str, object], status: int | None) -> ChildFailedError:
    if "refused" in said:
        return ChildFailedError(str(said["refused"]), ending=Ending.REFUSED)
    if "memory" in said:
        return ChildFailedError("needs more memory than allowed", ending=Ending.MEMORY)
    if "full" in said:
        return ChildFailedError("has no room: the disk is full", ending=Ending.DISK)
    if status == -signal.SIGXCPU:
        return ChildFailedError("needs more computing time than allowed", ending=Ending.TIME)
    return ChildFailedError("could not be worked on: the program for it broke down", ending=Ending.CRASH)
