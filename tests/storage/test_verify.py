"""Whatever is changed behind the ledger's back is found and named."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.domain.errors import DatabaseError
from bot.domain.quota import Period, Unit
from bot.domain.rules import Audience, Pool
from bot.ports.books import By
from bot.storage.books import SqliteTransaction
from bot.storage.journal import body_hash, chained
from bot.storage.sqlite import database_path, open_for_writing
from bot.storage.verify import verify
from tests.storage.making import NOON_MS, a_leg, finish, give_up, queue, usual_legs

LOOSE = ("transfer_is_never_changed", "transfer_is_never_deleted")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Books in which job 1 was charged, job 2 released, job 3 lost money, and job 4 holds some."""
    with closing(open_for_writing(database_path(tmp_path))) as connection:
        tx = SqliteTransaction(connection)
        for job_id in (1, 2, 3, 4):
            queue(tx, job_id, usual_legs())
        finish(tx, 1, cost_micros=100)
        give_up(tx, 2)
        finish(tx, 3, cost_micros=900_000)
        connection.execute("PRAGMA foreign_keys = OFF")
        for trigger in LOOSE:
            connection.execute(f"DROP TRIGGER {trigger}")
        yield connection


def test_sound_books_are_counted(file: sqlite3.Connection, tmp_path: Path) -> None:
    assert file.in_transaction is False
    # Two grants, four holds, charges and releases of five legs each, one loss.
    assert asdict(verify(tmp_path)) == {"ok": True, "entries": 38, "balances": 6, "open_holds": 5, "problems": ()}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE transfer SET amount = amount + 1 WHERE seq = 3", "transfer 3: it was changed"),
        ("UPDATE transfer SET at_ms = 1 WHERE seq = 4", "transfer 4: it was changed"),
        ("UPDATE transfer SET actor = 'me' WHERE seq = 4", "transfer 4: it was changed"),
        ("UPDATE transfer SET id = 'me' WHERE seq = 4", "transfer 4: it was changed"),
        ("UPDATE transfer SET body_hash = x'00' WHERE seq = 4", "transfer 4: it was changed"),
        ("UPDATE transfer SET chain = x'00' WHERE seq = 4", "transfer 4: it was changed"),
        ("DELETE FROM transfer WHERE seq = 5", "transfer 6: the row before it is missing"),
        ("UPDATE balance SET granted = granted + 1 WHERE id = 10", "balance 10: limited, granted, spent, held are"),
        ("UPDATE balance SET limited = 0 WHERE id = 10", "balance 10: limited, granted, spent, held are"),
        ("UPDATE balance SET spent = spent + 1 WHERE id = 7", "balance 7: limited, granted, spent, held are"),
        ("UPDATE balance SET held = held + 1 WHERE id = 7", "balance 7: limited, granted, spent, held are"),
        ("DELETE FROM balance WHERE id = 7", "transfer 3: it is of no kind, or about no balance"),
        ("UPDATE reservation SET amount = amount + 1 WHERE id = 3", "reservation 3: it is not what the journal says"),
        ("UPDATE reservation SET charged = 0 WHERE id = 15", "reservation 15: it is not what the journal says"),
        ("UPDATE reservation SET balance_id = 99 WHERE id = 3", "reservation 3: it is not what the journal says"),
        ("DELETE FROM reservation WHERE id = 3", "transfer 3: a hold without its reservation"),
        (
            "UPDATE reservation SET state = 'held', charged = NULL WHERE id = 3",
            "reservation 3: it is not what the journal says",
        ),
        ("UPDATE job SET state = 'FAILED' WHERE id = 4", "job 4: it is FAILED and still holds money"),
        ("UPDATE job SET state = 'RUNNING' WHERE id = 1", "job 1: it is RUNNING and holds nothing"),
        ("DELETE FROM job WHERE id = 4", "job 4: money is held for it, and there is no such job"),
    ],
)
def test_a_change_is_found_and_named(file: sqlite3.Connection, tmp_path: Path, statement: str, problem: str) -> None:
    file.execute(statement)
    verdict = verify(tmp_path)
    assert not verdict.ok
    assert any(found.startswith(problem) for found in verdict.problems), verdict.problems


def forge(file: sqlite3.Connection, change: Callable[[dict[str, object]], None]) -> None:
    """Add a row that a thief who knows the chain would add."""
    columns = [row["name"] for row in file.execute("PRAGMA table_info(transfer)")]
    last = file.execute("SELECT * FROM transfer ORDER BY seq DESC LIMIT 1").fetchone()
    row = dict(last) | {"seq": last["seq"] + 1, "id": "forged", "hold": None, "job_id": None, "reason": None}
    change(row)
    if row["body_hash"] == last["body_hash"]:
        row["body_hash"] = body_hash([row[name] for name in columns[3:10]])
    row["chain"] = chained(last["chain"], [row[name] for name in columns[:-1]])
    file.execute("INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row[name] for name in columns])


@pytest.mark.parametrize(
    ("forged", "problem"),
    [
        (
            {"kind": "charge", "debit": 7, "credit": 2, "amount": 1, "hold": 99},
            "it resolves hold 99, which is not open",
        ),
        ({"kind": "charge", "debit": 7, "credit": 2, "amount": 1, "job_id": 1}, "it resolves hold None, which is not"),
        ({"kind": "charge", "debit": 10, "credit": 2, "hold": 18, "job_id": 4}, "it resolves hold 18 of another"),
        (
            {"kind": "charge", "debit": 7, "credit": 2, "amount": 400_001, "hold": 18, "job_id": 4},
            "it is over 400001, but 400000 was held",
        ),
        (
            {"kind": "release", "debit": 2, "credit": 7, "amount": 399_999, "hold": 18, "job_id": 4},
            "it is over 399999, but 400000 was held",
        ),
        ({"kind": "grant", "debit": 4, "credit": 7}, "a grant does not go from balance 4 to balance 7"),
        ({"kind": "grant", "debit": 7, "credit": 1}, "a grant does not go from balance 7 to balance 1"),
        ({"kind": "loss", "debit": 7, "credit": 4}, "a loss does not go from balance 7 to balance 4"),
        ({"kind": "hold", "debit": 10, "credit": 2, "amount": 99_000_000}, "it held more than balance 10 had left"),
    ],
)
def test_a_forged_row_breaks_the_sums(
    file: sqlite3.Connection, tmp_path: Path, forged: dict[str, object], problem: str
) -> None:
    forge(file, lambda row: row.update(forged))
    problems = verify(tmp_path).problems
    assert any(problem in found for found in problems), problems


def test_an_id_that_stands_for_another_movement_is_found(file: sqlite3.Connection, tmp_path: Path) -> None:
    forge(file, lambda row: row.update(kind="loss", debit=7, credit=2, amount=0, body_hash=b"another"))
    assert verify(tmp_path).problems == ("transfer 39: it is not the movement that its id stands for",)


def test_a_hold_that_was_resolved_cannot_be_resolved_again(file: sqlite3.Connection, tmp_path: Path) -> None:
    file.execute("DROP INDEX one_resolution")
    (hold,) = file.execute("SELECT id, amount FROM reservation WHERE job_id = 2 AND balance_id = 7")
    forge(file, lambda row: row.update(kind="release", debit=2, credit=7, amount=hold[1], hold=hold[0], job_id=2))
    assert f"transfer 39: it resolves hold {hold[0]}, which is not open" in verify(tmp_path).problems


@pytest.fixture
def quota(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Books with a pool of ten clips, three decisions, and a job that cost 90 and was charged 100."""
    with closing(open_for_writing(database_path(tmp_path))) as connection:
        tx = SqliteTransaction(connection)
        by = By(actor="9", at_ms=NOON_MS)
        pool = Pool(id=0, guild_id=1, audience=Audience.ROLE, subject_id=4, unit=Unit.CLIPS, amount=10, ends_ms=None)
        tx.rules.add_pool(pool, by=by)
        for number in (1, 2):
            tx.rules.note(1, f"job {number}", before="waiting", after="approved", by=by)
        queue(tx, 1, usual_legs(micros=100))
        tx.ledger.charge(job_id=1, cost_micros=90, actor="runner", now_ms=NOON_MS, provider="a")
        connection.execute("UPDATE job SET state = 'DELIVERED'")
        connection.execute("PRAGMA foreign_keys = OFF")
        for trigger in (*LOOSE, "decision_is_never_changed", "decision_is_never_deleted"):
            connection.execute(f"DROP TRIGGER {trigger}")
        yield connection


def test_sound_books_with_pools_costs_and_decisions(quota: sqlite3.Connection, tmp_path: Path) -> None:
    assert quota.in_transaction is False
    # Three grants, holds and charges of five legs, and the two sides of the cost.
    assert asdict(verify(tmp_path)) == {"ok": True, "entries": 15, "balances": 7, "open_holds": 0, "problems": ()}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE decision SET after = 'denied' WHERE seq = 2", "decision 2: it was changed"),
        ("UPDATE decision SET actor = 'me' WHERE seq = 3", "decision 3: it was changed"),
        ("UPDATE decision SET subject = 'me' WHERE seq = 1", "decision 1: it was changed"),
        ("UPDATE decision SET chain = x'00' WHERE seq = 3", "decision 3: it was changed"),
        ("DELETE FROM decision WHERE seq = 2", "decision 3: the row before it is missing"),
        ("UPDATE pool SET amount = 11", "pool 1: it is not what was granted"),
        ("UPDATE pool SET unit = 'usd'", "pool 1: it is not what was granted"),
        ("UPDATE balance SET limited = 0 WHERE unit = 'clips' AND period = 'total'", "pool 1: it is not what was"),
        ("DELETE FROM pool", "pool 1: it was granted, and there is no such pool"),
        ("INSERT INTO pool VALUES (2, 1, 'role', 4, 'clips', 5, NULL)", "pool 2: it is not what was granted"),
        ("DELETE FROM line WHERE seq = 5", "owner "),
        ("INSERT INTO line VALUES ('nobody', 5)", "owner nobody: the lines kept for its history"),
        ("UPDATE line SET seq = 90 WHERE seq = 5", "owner "),
        ("UPDATE balance SET granted = granted + 1 WHERE spent = 90 AND limited = 0", "balance "),
        ("UPDATE balance SET spent = spent + 1 WHERE spent = 90 AND limited = 0", "balance "),
        (
            "UPDATE transfer SET amount = amount + 1 WHERE id = 'charged:1'",
            "transfer 14: it is not what the job was charged beside its cost",
        ),
        (
            "UPDATE transfer SET id = 'other' WHERE id = 'cost:1'",
            "transfer 14: it is not what the job was charged beside its cost",
        ),
        ("UPDATE transfer SET debit = 2 WHERE id = 'charged:1'", "transfer 14: a adjust does not go"),
    ],
)
def test_a_change_beside_the_ledger_is_found_and_named(
    quota: sqlite3.Connection, tmp_path: Path, statement: str, problem: str
) -> None:
    quota.execute(statement)
    problems = verify(tmp_path).problems
    assert any(found.startswith(problem) for found in problems), problems


def test_a_refund_goes_back_to_its_balance(file: sqlite3.Connection, tmp_path: Path) -> None:
    forge(file, lambda row: row.update(kind="refund", debit=2, credit=7, amount=60, hold=3))
    file.execute("UPDATE balance SET spent = spent - 60 WHERE id = 7")
    assert verify(tmp_path).problems == ()


def test_legs_of_one_job_come_to_one_end(file: sqlite3.Connection, tmp_path: Path) -> None:
    tx = SqliteTransaction(file)
    queue(tx, 5, [a_leg(), a_leg(period=Period.DAY, limit=9)])
    ((first, amount, balance),) = file.execute(
        "SELECT id, amount, balance_id FROM reservation WHERE job_id = 5 ORDER BY id LIMIT 1"
    ).fetchall()
    forge(
        file,
        lambda row: row.update(
            kind="release", debit=6, credit=balance, amount=amount, hold=first, job_id=5, at_ms=NOON_MS
        ),
    )
    file.execute("UPDATE balance SET held = held - ? WHERE id = ?", (amount, balance))
    file.execute("UPDATE reservation SET state = 'released' WHERE id = ?", (first,))
    assert verify(tmp_path).problems == ("job 5: its legs did not come to one end",)


def test_without_a_database_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist yet"):
        verify(tmp_path)
