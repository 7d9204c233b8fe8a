import asyncio
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bot.domain.errors import DatabaseError
from bot.storage.backup import backup
from bot.storage.books import SqliteBooks, open_books
from bot.storage.sqlite import DATABASE_NAME, database_path, open_for_reading
from bot.storage.verify import verify
from tests.storage.making import queue, usual_legs


async def test_a_copy_taken_amid_writes_is_one_moment_of_them(books: SqliteBooks, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    writes = [
        asyncio.create_task(books.write(partial(queue, job_id=job_id, legs=usual_legs(micros=1))))
        for job_id in range(1, 301)
    ]
    for number in range(5):
        folder = copies / str(number)
        folder.mkdir()
        await asyncio.to_thread(backup, tmp_path, folder / DATABASE_NAME)
    await asyncio.gather(*writes)
    sizes = []
    for folder in sorted(copies.iterdir()):
        assert [one.name for one in folder.iterdir()] == [DATABASE_NAME]
        verdict = verify(folder)
        assert verdict.problems == ()
        sizes.append(verdict.open_holds)
    assert sizes == sorted(sizes)
    await asyncio.to_thread(backup, tmp_path, copies / "last.db")
    with closing(open_for_reading(copies / "last.db")) as copy:
        assert copy.execute("SELECT COUNT(*) FROM job").fetchone()[0] == 300


async def test_a_copy_can_be_started_from(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    restored = tmp_path / "restored"
    restored.mkdir()
    backup(tmp_path, restored / DATABASE_NAME)
    async with open_books(restored) as again:
        assert await again.write(lambda tx: tx.jobs.get(1)) is not None


async def test_the_database_itself_is_no_place_for_its_copy(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    with pytest.raises(DatabaseError, match="the database itself"):
        backup(tmp_path, tmp_path / "." / DATABASE_NAME)
    assert verify(tmp_path).open_holds == 5


async def test_a_copy_that_fails_leaves_the_older_one_and_no_rubbish(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    folder = tmp_path / "folder"
    (folder / "in the way").mkdir(parents=True)
    with pytest.raises(DatabaseError, match="cannot be used"):
        backup(tmp_path, folder)
    assert not list(tmp_path.glob(".*partial*"))
    with pytest.raises(DatabaseError, match="cannot be used"):
        backup(tmp_path, tmp_path / "nowhere" / "copy.db")


def test_nothing_is_copied_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist yet"):
        backup(tmp_path, tmp_path / "copy.db")
    assert not database_path(tmp_path).exists()
