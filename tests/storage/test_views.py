import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bot.domain.jobs import JobState
from bot.storage.books import SqliteBooks, open_books
from bot.storage.views import SqliteViews, open_views
from tests.storage.making import NOON_MS, finish, new_job, queue, usual_legs


async def test_a_view_shows_what_was_written_before(books: SqliteBooks, views: SqliteViews) -> None:
    assert await views.job(1) is None
    job = await books.write(lambda tx: tx.jobs.add(new_job(1)))
    assert await views.job(1) == job


async def test_jobs_come_newest_first_and_only_the_members_own(books: SqliteBooks, views: SqliteViews) -> None:
    written = [new_job(1), new_job(2), new_job(3, member_id="8"), new_job(4, guild_id=None), new_job(5)]
    await books.write(lambda tx: [tx.jobs.add(job) for job in written])
    assert [job.id for job in await views.jobs_of(guild_id=1, member_id="7", limit=2)] == [5, 2]
    assert [job.id for job in await views.jobs_of(guild_id=None, member_id="7", limit=9)] == [4]
    assert [line["id"] for line in await views.listing(limit=3)] == [5, 4, 3]


async def test_only_older_jobs_of_the_same_provider_are_ahead(books: SqliteBooks, views: SqliteViews) -> None:
    begin = partial(queue, legs=usual_legs())
    await books.write(lambda tx: begin(tx, 1, provider="other"))
    await books.write(lambda tx: begin(tx, 2))
    await books.write(lambda tx: begin(tx, 3, now_ms=NOON_MS + 5))
    later = await books.write(lambda tx: begin(tx, 4, now_ms=NOON_MS + 3))
    last = await books.write(lambda tx: begin(tx, 5, now_ms=NOON_MS + 3))
    assert (await views.ahead_of(later), await views.ahead_of(last)) == (2, 3)
    going = await books.write(lambda tx: tx.jobs.save(later.to(JobState.SUBMITTING, now_ms=NOON_MS)))
    assert (await views.ahead_of(going), await views.ahead_of(last)) == (0, 2)


async def test_the_listing_has_what_the_command_line_shows(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    (line,) = await views.listing(limit=9)
    assert (line["id"], line["state"], line["provider"], line["quote_micros"]) == (1, "QUEUED", "x", None)


async def test_the_journal_names_owner_unit_period_and_job(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: finish(tx, 1))
    lines = [line async for line in views.journal()]
    assert [line["seq"] for line in lines] == list(range(1, 13))
    assert [line["kind"] for line in lines].count("charge") == 5
    charge = next(line for line in lines if line["kind"] == "charge" and line["owner"] == "guild")
    assert charge == {
        "seq": charge["seq"],
        "at_ms": NOON_MS,
        "owner": "guild",
        "guild_id": 1,
        "member_id": None,
        "unit": "usd",
        "period": "month",
        "name": "2026-11",
        "kind": "charge",
        "direction": "out",
        "amount": 400_000,
        "job_id": 1,
        "reason": None,
        "actor": "runner",
    }


async def test_a_view_cannot_write(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: tx.jobs.add(new_job(1)))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await views._connection.execute("DELETE FROM job")  # noqa: SLF001  no method of it would even try


async def test_looking_needs_no_running_bot_and_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    async with open_books(tmp_path) as books:
        await books.write(lambda tx: tx.jobs.add(new_job(1)))
    async with open_views(tmp_path) as views:
        assert await views.job(1) == new_job(1)
    async with open_books(tmp_path) as books:
        assert await books.write(lambda tx: tx.jobs.get(1)) is not None


LOOK = """
import asyncio, sys
from pathlib import Path
from bot.storage.views import open_views

async def main(data_dir):
    async with open_views(data_dir) as views:
        print([line["id"] for line in await views.listing(limit=9)])
        raise SystemExit(7)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_another_process_looks_beside_the_bot_and_can_end(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: tx.jobs.add(new_job(1)))
    looked = subprocess.run(  # noqa: ASYNC221, S603  nothing else runs here; our own interpreter and our own text
        [sys.executable, "-c", LOOK, str(tmp_path)], check=False, capture_output=True, text=True, timeout=30
    )
    assert (looked.stdout.strip(), looked.returncode) == ("[1]", 7)
