"""A kill at any moment leaves books that sum, and every answer that was given stands."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.storage.books import open_books
from bot.storage.verify import verify

WRITE = """
import asyncio, sys
from functools import partial
from pathlib import Path
from bot.storage.books import open_books
from tests.storage.making import finish, give_up, queue, usual_legs

END = {0: finish, 1: give_up, 2: lambda tx, job_id: None}

async def one(books, job_id):
    await books.write(partial(queue, job_id=job_id, legs=usual_legs(micros=1)))
    await books.write(partial(END[job_id % 3], job_id=job_id))
    print(job_id, flush=True)

async def main(data_dir, first):
    async with open_books(data_dir) as books:
        while True:
            await asyncio.gather(*(one(books, job_id) for job_id in range(first, first + 8)))
            first += 8

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kill", range(4))
async def test_a_kill_in_mid_write_leaves_sound_books(tmp_path: Path, kill: int) -> None:
    chance = random.Random(kill)  # noqa: S311  when to kill, not a secret
    answered: list[int] = []
    for start in (1, 100_001):
        answered += await written_until_killed(tmp_path, start, chance.uniform(0.0, 0.2))
        verdict = verify(tmp_path)
        assert verdict.problems == ()
    async with open_books(tmp_path) as books:
        found = await books.write(lambda tx: {job_id: tx.jobs.get(job_id) for job_id in answered})
    ends = {job_id: None if job is None else job.state.value for job_id, job in found.items()}
    assert ends == {job_id: ("DELIVERED", "FAILED", "QUEUED")[job_id % 3] for job_id in answered}
    assert answered


async def written_until_killed(data_dir: Path, first: int, seconds: float) -> list[int]:
    """The jobs whose answers came before the kill, which falls so long after the first of them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITE, str(data_dir), str(first)), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    begun = await asyncio.wait_for(process.stdout.readline(), 30)
    await asyncio.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    lines = [begun, *(await process.stdout.read()).splitlines(keepends=True)]
    assert await process.wait() == -signal.SIGKILL
    return [int(line) for line in lines if line.endswith(b"\n")]
