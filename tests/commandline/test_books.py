"""`dailies jobs`, `ledger` and `backup`: on books with something in them, and before there are any."""

import asyncio
import csv
import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.storage.books import open_books
from tests.commandline.rig import SMALL, dailies, several
from tests.storage.making import new_job

COLUMNS = (
    "seq",
    "at_ms",
    "owner",
    "guild_id",
    "member_id",
    "period",
    "kind",
    "direction",
    "unit",
    "amount",
    "job_id",
    "actor",
    "reason",
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books of one delivered and one refused clip, in a database that has a place of its own."""
    folder = tmp_path_factory.mktemp("books")
    (folder / ".env").write_text("DAILIES_DATABASE_URL=sqlite:///elsewhere/books.db\n")
    (folder / "elsewhere").mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    asked = [("generate", "a fox", *SMALL), ("generate", "a fox", "--image", "broken.png")]
    assert [ran.status for ran in several(folder, *asked)] == [0, 2]
    return folder


def test_the_database_lies_where_its_address_says(kept: Path) -> None:
    assert (kept / "elsewhere" / "books.db").exists()
    assert not (kept / "data" / "dailies.db").exists()


def test_jobs_for_people_and_programs(kept: Path) -> None:
    listed, shown = several(kept, ("jobs", "--json"), ("jobs",))
    jobs = listed.value
    assert [(job["state"], job["error_code"]) for job in jobs] == [
        ("REFUSED", "reference_unreadable"),
        ("DELIVERED", None),
    ]
    lines = shown.out.splitlines()
    assert [line.split()[:2] for line in lines] == [[job["id"], job["state"]] for job in jobs]


async def test_a_parents_id_is_text_like_every_other(tmp_path: Path) -> None:
    async with open_books(tmp_path / "data") as books:
        clip = new_job(1433000000000000001)
        await books.write(lambda tx: [tx.jobs.add(clip), tx.jobs.add(replace(clip, id=clip.id + 1, parent_id=clip.id))])
    listed = await asyncio.to_thread(dailies, tmp_path, "jobs", "--json")
    assert [job["parent_id"] for job in listed.value] == ["1433000000000000001", None]


def test_the_ledger_verifies_and_says_how_much_it_looked_at(kept: Path) -> None:
    ran, exported = several(kept, ("ledger", "verify", "--json"), ("ledger", "export", "--json"))
    assert (ran.status, set(ran.value)) == (0, {"ok", "entries", "balances", "open_holds", "problems"})
    assert (ran.value["ok"], ran.value["open_holds"], ran.value["problems"]) == (True, 0, [])
    assert len(exported.value) == ran.value["entries"] > 0


def test_the_journals_sums_are_the_balances(kept: Path) -> None:
    looks = (("ledger", "export"), ("ledger", "show", "--json"), ("ledger", "show"))
    exported, balances, lines = several(kept, *looks)
    rows = list(csv.DictReader(io.StringIO(exported.out)))
    assert tuple(rows[0]) == COLUMNS
    spent = {
        unit: sum(Decimal(row["amount"]) for row in rows if (row["owner"], row["kind"], row["unit"]) == wanted)
        for unit in ("usd", "seconds", "clips")
        for wanted in [("member", "charge", unit)]
    }
    assert spent == {"usd": Decimal(0), "seconds": Decimal(4), "clips": Decimal(1)}
    shown, costs = balances.value["balances"], balances.value["costs"]
    member = {one["unit"]: (one["spent"], one["held"], one["left"]) for one in shown if one["owner"] == "member"}
    assert member["clips"] == ("1 clip", "0 clips", None)
    assert member["seconds"][:2] == ("4 s", "0 s")
    assert [(one["provider"], one["charged_usd"], one["cost_usd"]) for one in costs] == [("animatic", "0.00", "0.00")]
    assert len(lines.out.splitlines()) == len(shown) + len(costs)


def test_a_changed_journal_fails_the_check(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert dailies(kept, "backup", str(tmp_path / "data" / "dailies.db")).status == 0
    with closing(sqlite3.connect(tmp_path / "data" / "dailies.db")) as books, books:
        books.execute("UPDATE balance SET spent = spent + 1 WHERE unit = 'clips'")
    ran, told = several(tmp_path, ("ledger", "verify", "--json"), ("ledger", "verify"))
    assert (ran.status, ran.value["ok"], len(ran.value["problems"])) == (1, False, 1)
    assert (told.status, told.out.splitlines()[-1]) == (1, "NOT OK")


def test_a_backup_opens_and_verifies(kept: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a copy.db"
    ran = dailies(kept, "backup", str(copy))
    assert (ran.status, ran.out, ran.err) == (0, f"{copy}\n", "")
    url = f"sqlite:///{copy}"
    looks = (("ledger", "verify", "--json"), ("jobs", "--json"), ("ledger", "export"))
    copied = several(tmp_path, *looks, DAILIES_DATABASE_URL=url)
    assert copied[0].value["ok"] is True
    assert copied == several(kept, *looks)


def test_a_backup_that_cannot_be_made_says_so(kept: Path) -> None:
    places = {".": 2, "/": 2, "/dev/null": 2, "none/copy.db": 1, "elsewhere/books.db": 1}
    for status, ran in zip(places.values(), several(kept, *(("backup", place) for place in places)), strict=True):
        assert (ran.status, ran.out, len(ran.sentences)) == (status, "", 1)


def test_before_the_first_start_there_is_nothing_and_nothing_is_wrong(tmp_path: Path) -> None:
    looks = (("jobs",), ("jobs", "--json"), ("ledger", "show"), ("ledger", "show", "--json"))
    more = (("ledger", "verify", "--json"), ("ledger", "export"), ("ledger", "export", "--json"))
    ran = several(tmp_path, *looks, *more)
    assert [one.status for one in ran] == [0] * 7
    assert [ran[n].value for n in (1, 3, 6)] == [[], {"balances": [], "costs": []}, []]
    assert ran[4].value == {"ok": True, "entries": 0, "balances": 0, "open_holds": 0, "problems": []}
    assert ran[5].out == f"{','.join(COLUMNS)}\n"
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_backup_of_nothing(tmp_path: Path) -> None:
    """Whoever runs it every night must hear that the folder is the wrong one."""
    ran = dailies(tmp_path, "backup", "copy.db")
    assert (ran.status, len(ran.sentences)) == (1, 1)
    assert "does not exist yet" in ran.err
    assert list(tmp_path.iterdir()) == []
