"""The child process: its limits hold, and it never outlives whoever waits for it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.limits import Limits

HANG = "out = open({fifo!r}, 'w'); out.write('ready\\n'); out.flush(); import time; time.sleep(600)"
SPAWN = (
    "import subprocess; out = open({fifo!r}, 'w');"
    "subprocess.run(['sh', '-c', 'echo ready; exec sleep 600'], stdout=out)"
)


async def run_code(code: str, *, limits: Limits | None = None) -> dict[str, object]:
    """The standard library has a function that runs what it is given: these tests need no target of their own."""
    return await run_limited("timeit:timeit", {"stmt": code, "number": 1}, limits=limits)


async def failure_of(code: str, *, limits: Limits | None = None) -> ChildFailedError:
    with pytest.raises(ChildFailedError) as caught:
        await run_code(code, limits=limits)
    return caught.value


async def told_by(code: str, *, limits: Limits | None = None) -> object:
    """What an expression is inside the child, sent out as a refusal."""
    refusal = "import json, os, resource; from bot.media.reading import UnreadableError;"
    failed = await failure_of(f"{refusal} raise UnreadableError(json.dumps({code}))", limits=limits)
    assert failed.ending is Ending.REFUSED
    return json.loads(failed.reason)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Its reader sees the end of it when the last process that writes to it is dead."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


async def opened(fifo: Path) -> TextIO:
    async with asyncio.timeout(20):
        reader = await asyncio.to_thread(fifo.open)
        assert await asyncio.to_thread(reader.readline) == "ready\n"
    return reader


async def assert_writers_die(reader: TextIO) -> None:
    with reader:
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(reader.read) == ""


async def test_a_result_comes_back() -> None:
    assert await run_limited("json:loads", {"s": '{"frames": 96, "name": "Über"}'}) == {"frames": 96, "name": "Über"}


async def test_a_refusal_comes_back_as_its_own_clause() -> None:
    failed = await failure_of("from bot.media.reading import UnreadableError; raise UnreadableError('is odd')")
    assert (failed.reason, failed.ending) == ("is odd", Ending.REFUSED)


async def test_what_the_function_prints_does_not_disturb_the_answer() -> None:
    code = "print('noise'); import os; os.write(1, b'{');"
    assert (
        await failure_of(f"{code} from bot.media.reading import UnreadableError; raise UnreadableError('is odd')")
    ).reason == "is odd"


async def test_a_child_that_does_not_end_is_killed(fifo: Path) -> None:
    waiting = asyncio.create_task(failure_of(HANG.format(fifo=str(fifo)), limits=Limits(seconds=1)))
    reader = await opened(fifo)
    failed = await waiting
    assert (failed.reason, failed.ending) == ("took longer than 1 s", Ending.TIME)
    await assert_writers_die(reader)


@pytest.mark.parametrize("code", [HANG, SPAWN], ids=["child", "grandchild"])
async def test_cancelling_the_wait_kills_the_whole_group(fifo: Path, code: str) -> None:
    waiting = asyncio.create_task(run_code(code.format(fifo=str(fifo))))
    reader = await opened(fifo)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await assert_writers_die(reader)


async def test_a_child_dies_with_a_killed_parent(fifo: Path, tmp_path: Path) -> None:
    arguments = {"stmt": HANG.format(fifo=str(fifo)), "number": 1}
    work = f"run_limited('timeit:timeit', {arguments!r})"
    code = f"import asyncio; from bot.media.child import run_limited; asyncio.run({work})"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # what it leaves there goes with the test
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)  # noqa: ASYNC220, S603 (started at once, waited for below)
    reader = await opened(fifo)
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=10)
    await assert_writers_die(reader)


async def test_too_much_memory_is_named() -> None:
    failed = await failure_of("bytearray(2**31)")
    assert (failed.reason, failed.ending) == ("needs more memory than allowed", Ending.MEMORY)


async def test_too_much_computing_is_named() -> None:
    failed = await failure_of("while True: pass", limits=Limits(cpu_seconds=1))
    assert (failed.reason, failed.ending) == ("needs more computing time than allowed", Ending.TIME)


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "import os; os.abort()",
        "import os; os._exit(0)",
        "import bot.media.no_such_module",
        "[open('/dev/null') for _ in range(100)]",
    ],
)
async def test_every_breakdown_is_one_typed_failure(code: str) -> None:
    failed = await failure_of(code, limits=Limits(file_bytes=1_000_000, files_open=50))
    assert failed.ending is Ending.CRASH


async def test_a_file_over_its_limit_is_named() -> None:
    failed = await failure_of("open('large', 'wb').write(bytes(2_000_000))", limits=Limits(file_bytes=1_000_000))
    assert (failed.reason, failed.ending) == ("would come to more than 1 MB", Ending.REFUSED)


async def test_a_full_disk_is_named() -> None:
    failed = await failure_of("open('/dev/full', 'wb', buffering=0).write(b'x')")
    assert (failed.reason, failed.ending) == ("has no room: the disk is full", Ending.DISK)


async def test_a_result_that_is_no_object_is_a_breakdown() -> None:
    assert (await failure_of("pass")).ending is Ending.CRASH


async def test_the_environment_is_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    found = await told_by("dict(os.environ)")
    assert isinstance(found, dict)
    assert set(found) <= {"LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "PATH"}


async def test_the_working_folder_is_empty_private_and_gone_afterwards() -> None:
    found = await told_by("[os.getcwd(), os.listdir('.'), os.stat('.').st_mode & 0o77]")
    assert isinstance(found, list)
    assert found[1:] == [[], 0]
    assert not await asyncio.to_thread(Path(found[0]).exists)


async def test_the_limits_are_set() -> None:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
    code = f"[resource.getrlimit(getattr(resource, name))[0] for name in {names}]"
    limits = Limits(memory_bytes=2**29, cpu_seconds=7, file_bytes=1_000, files_open=40)
    assert await told_by(code, limits=limits) == [2**29, 7, 1_000, 40, 0]


async def test_when_memory_runs_out_the_child_goes_first() -> None:
    assert await told_by("int(open('/proc/self/oom_score_adj').read())") == 800
