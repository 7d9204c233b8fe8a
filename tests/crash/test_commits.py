"""After every single commit of a job's way the books on disk are in order: a kill can fall between any two."""

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from bot.domain.jobs import JobState
from bot.storage.migrations import newest, version_of
from bot.storage.sqlite import read_only_uri
from bot.storage.verify import verify
from tests.crash.rig import AT_ONCE, House, stage
from tests.standins.unifically import moderated

WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
COMMITS_MIN = 12
"""Collecting, holding, intent, submit, a poll, fetching, posting, charging, and what is told between."""


async def test_every_commit_leaves_a_state_and_its_money_together(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        here.provider.fates.extend([AT_ONCE, moderated()])
        bot = await here.run()
        delivered = here.ask("a fox")
        await here.in_state(delivered.id, JobState.DELIVERED)
        failed = here.ask("an owl")
        await here.in_state(failed.id, JobState.FAILED)
        await bot.kill()
        seen = [await looked_at(one, delivered.id) for one in moments(here.data_dir, tmp_path / "moments")]
        assert len(seen) >= COMMITS_MIN
        states = [state for state, _ in seen if state]
        assert set(states) >= {"COLLECTING", "QUEUED", "SUBMITTING", "RUNNING", "FETCHING", "POSTING", "DELIVERED"}
        assert [charged for (_, before), (_, charged) in pairwise(seen) if charged != before] == [True]


async def looked_at(then: House, job_id: int) -> tuple[str | None, bool]:
    """The job's state and whether it was charged, with the ledger's every rule checked against it."""
    assert verify(then.data_dir).problems == ()
    job = await then.job(job_id)
    charged = bool(await then.charges(job_id))
    assert charged == (job is not None and job.state is JobState.DELIVERED)
    return (None if job is None else job.state.value), charged


def moments(data_dir: Path, scratch: Path) -> Iterator[House]:
    """The data directory as it was after each commit that the write-ahead log still holds, the oldest first.

    The log's form: https://www.sqlite.org/fileformat2.html#walformat.
    """
    log = (data_dir / "dailies.db-wal").read_bytes()
    for end in commits(log):
        then = House(folder=scratch / str(end))
        then.data_dir.mkdir(parents=True)
        shutil.copyfile(data_dir / "dailies.db", then.data_dir / "dailies.db")
        (then.data_dir / "dailies.db-wal").write_bytes(log[:end])
        if is_set_up(then.data_dir / "dailies.db"):
            yield then


def is_set_up(database: Path) -> bool:
    """Each step of the schema is a commit of its own, and no job is older than the last of them."""
    with closing(sqlite3.connect(read_only_uri(database), uri=True)) as connection:
        return version_of(connection) == newest()


def commits(log: bytes) -> Iterator[int]:
    """Where each commit ends: a frame that names the size of the database closes one."""
    page_bytes, salts = struct.unpack_from(">8xI4x8s", log)
    frame_bytes = FRAME_HEADER_BYTES + page_bytes
    for start in range(WAL_HEADER_BYTES, len(log) - frame_bytes + 1, frame_bytes):
        pages, frame_salts = struct.unpack_from(">4xI8s", log, start)
        if frame_salts != salts:
            return
        if pages:
            yield start + frame_bytes
