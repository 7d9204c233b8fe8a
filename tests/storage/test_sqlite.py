import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.errors import AlreadyRunningError, DatabaseError
from bot.storage.books import open_books
from bot.storage.migrations import newest, steps
from bot.storage.sqlite import check_sqlite, database_path, open_for_reading, open_for_writing
from bot.storage.views import open_views

OPEN = """
import asyncio, sys
from pathlib import Path
from bot.domain.errors import AlreadyRunningError
from bot.storage.books import open_books

async def main(data_dir):
    try:
        async with open_books(data_dir):
            print("opened")
    except AlreadyRunningError as error:
        print(error)

asyncio.run(main(Path(sys.argv[1])))
"""


def other_process(data_dir: Path) -> str:
    return subprocess.run(  # noqa: S603  our own interpreter and our own text
        [sys.executable, "-c", OPEN, str(data_dir)], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


async def test_a_second_process_is_told_that_one_is_running(tmp_path: Path) -> None:
    async with open_books(tmp_path):
        assert other_process(tmp_path) == str(AlreadyRunningError(directory=str(tmp_path)))
    assert other_process(tmp_path) == "opened"


async def test_a_second_opening_in_the_same_process_is_refused(tmp_path: Path) -> None:
    async with open_books(tmp_path):
        with pytest.raises(AlreadyRunningError):
            async with open_books(tmp_path):
                raise AssertionError("two owners")


def test_every_transaction_reaches_the_disk_before_its_answer(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "journal_size_limit")
        }
        tables = connection.execute(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    assert (found["journal_mode"], found["synchronous"], found["foreign_keys"]) == ("wal", 2, 1)
    assert found["busy_timeout"] == 5000
    assert found["journal_size_limit"] > 0
    assert tables
    assert [name for name, strict in tables if not strict] == []


def test_a_reader_can_neither_write_nor_checkpoint(tmp_path: Path) -> None:
    open_for_writing(tmp_path / "db").close()
    with closing(open_for_reading(tmp_path / "db")) as connection:
        assert connection.execute("PRAGMA query_only").fetchone()[0] == 1
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0
        with pytest.raises(Exception, match="readonly"):
            connection.execute("DELETE FROM rule")


def test_steps_are_numbered_without_gaps() -> None:
    assert [number for number, _ in steps()] == list(range(1, newest() + 1))


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(open_for_writing(tmp_path / "db")) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == newest()


def test_a_database_of_newer_code_is_left_alone(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        connection.execute(f"PRAGMA user_version = {newest() + 1}")
    for opening in (open_for_writing, open_for_reading):
        with pytest.raises(DatabaseError, match="a newer Dailies wrote it"):
            opening(tmp_path / "db")


async def test_looking_before_the_first_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist yet"):
        async with open_views(tmp_path):
            raise AssertionError("nothing to look at")


def test_looking_at_an_older_database_is_told(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(DatabaseError, match="an older Dailies wrote it"):
        open_for_reading(tmp_path / "db")


def test_too_old_a_library_is_one_sentence(tmp_path: Path) -> None:
    check_sqlite((3, 37, 0), tmp_path)
    with pytest.raises(DatabaseError, match=r"this Python brings SQLite 3\.36\.0, and 3\.37\.0 is the oldest"):
        check_sqlite((3, 36, 0), tmp_path)


async def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    database_path(tmp_path).write_bytes(b"not a database at all " * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        async with open_books(tmp_path):
            raise AssertionError("opened rubbish")


async def test_a_damaged_database_is_not_opened(tmp_path: Path) -> None:
    path = database_path(tmp_path)
    with closing(open_for_writing(path)) as connection:
        connection.executemany("INSERT INTO pause VALUES (?, ?)", [(number, "x" * 200) for number in range(1, 2000)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\x00" * 8192
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match=r"damaged|malformed"):
        async with open_books(tmp_path):
            raise AssertionError("opened a wreck")


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatabaseError, match="cannot be used"):
        async with open_books(tmp_path / "file"):
            raise AssertionError("opened nothing")
