from dataclasses import replace

from bot.domain.jobs import FileTarget, TargetKind
from bot.ports.books import OutboxItem, Telling, Transaction
from bot.storage.books import SqliteBooks
from tests.storage.making import new_job

CHANNEL = frozenset({TargetKind.CHANNEL})
CARD, NOTICE = Telling.CARD, Telling.NOTICE


def ask(tx: Transaction, job_id: int, telling: Telling, due_ms: int) -> None:
    tx.jobs.add(new_job(job_id))
    tx.outbox.put(job_id=job_id, telling=telling, due_ms=due_ms)


async def due(books: SqliteBooks, now_ms: int, *, limit: int = 9) -> list[OutboxItem]:
    return await books.write(lambda tx: tx.outbox.due(targets=CHANNEL, now_ms=now_ms, limit=limit))


async def next_due(books: SqliteBooks, *left_out: int) -> int | None:
    return await books.write(lambda tx: tx.outbox.next_due_ms(targets=CHANNEL, leaving_out=frozenset(left_out)))


async def test_what_is_asked_for_is_due_in_its_time(books: SqliteBooks) -> None:
    await books.write(lambda tx: ask(tx, 1, CARD, 20))
    await books.write(lambda tx: ask(tx, 1, NOTICE, 30))
    await books.write(lambda tx: ask(tx, 2, CARD, 10))
    assert [(item.job_id, item.telling) for item in await due(books, 20)] == [(2, CARD), (1, CARD)]
    assert [item.job_id for item in await due(books, 99, limit=1)] == [2]
    assert (await next_due(books), await next_due(books, 2), await next_due(books, 1, 2)) == (10, 20, None)


async def test_asking_again_brings_forward_and_does_not_double(books: SqliteBooks) -> None:
    await books.write(lambda tx: ask(tx, 1, CARD, 50))
    await books.write(lambda tx: ask(tx, 1, CARD, 20))
    await books.write(lambda tx: ask(tx, 1, CARD, 70))
    assert await next_due(books) == 20
    assert len(await due(books, 99)) == 1


async def test_done_forgets_what_was_read_and_not_what_was_asked_since(books: SqliteBooks) -> None:
    await books.write(lambda tx: ask(tx, 1, CARD, 10))
    (item,) = await due(books, 10)
    await books.write(lambda tx: ask(tx, 1, CARD, 11))
    await books.write(lambda tx: tx.outbox.done(item))
    (again,) = await due(books, 11)
    assert again.version > item.version
    await books.write(lambda tx: tx.outbox.done(again))
    assert await due(books, 99) == []
    assert await next_due(books) is None


async def test_an_answer_that_comes_twice_does_not_swallow_a_later_wish(books: SqliteBooks) -> None:
    await books.write(lambda tx: ask(tx, 1, CARD, 10))
    (item,) = await due(books, 10)
    await books.write(lambda tx: tx.outbox.done(item))
    await books.write(lambda tx: ask(tx, 1, CARD, 20))
    await books.write(lambda tx: tx.outbox.done(item))
    (again,) = await due(books, 20)
    assert again.tries == 0
    assert await next_due(books) == 20


async def test_later_counts_a_try_and_waits(books: SqliteBooks) -> None:
    await books.write(lambda tx: ask(tx, 1, CARD, 10))
    (item,) = await due(books, 10)
    await books.write(lambda tx: tx.outbox.later(item, due_ms=40))
    assert await due(books, 39) == []
    (again,) = await due(books, 40)
    assert (again.tries, again.version) == (1, item.version)


async def test_what_is_for_a_file_is_not_told_on_discord(books: SqliteBooks) -> None:
    job = replace(new_job(1), target=FileTarget(path="/clip.mp4"))
    await books.write(lambda tx: tx.jobs.add(job))
    await books.write(lambda tx: tx.outbox.put(job_id=1, telling=CARD, due_ms=1))
    assert await due(books, 99) == []
    assert await next_due(books) is None
