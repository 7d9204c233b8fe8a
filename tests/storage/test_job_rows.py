import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.jobs import ChannelTarget, FileTarget, Job, JobState, TargetKind
from bot.domain.references import MediaInfo, Reference, StoredReference
from bot.domain.requests import Aspect, Camera, Plan, Request, Style, Tier
from bot.domain.slots import SLOTS_MAX, Frame, Kind, Slot
from bot.ports.books import Attempt, Outcome, StaleJobError, Transaction
from bot.storage.books import SqliteBooks
from bot.storage.jobs import SqliteJobs, UnbalancedJobError
from bot.storage.sqlite import database_path, open_for_reading, open_for_writing
from tests.storage.making import NOON_MS, a_plan, give_up, new_job, queue, usual_legs

CHANNEL = frozenset({TargetKind.CHANNEL})
FILE = frozenset({TargetKind.FILE})

ids = st.integers(min_value=1, max_value=2**63 - 1)
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
prompts = st.text("abc äöü\n😀", min_size=1).map(lambda text: f"x{text}x")
slots = st.builds(lambda kind, number: Slot(kind=kind, number=number % SLOTS_MAX[kind] + 1), st.sampled_from(Kind), ids)
references = st.builds(
    Reference,
    place=slots | st.sampled_from([Frame.FIRST]),
    name=words,
    source=words,
    declared_bytes=st.integers(0, 2**40),
)
infos = st.builds(
    MediaInfo,
    kind=st.sampled_from(Kind),
    format=words,
    width=st.integers(0, 9999),
    duration_ms=st.integers(0, 99_999),
    codec=words,
    has_sound=st.booleans(),
)
stored = st.builds(StoredReference, reference=references, sha256=words, size_bytes=st.integers(0, 2**40), info=infos)
requests = st.builds(
    Request,
    prompt=prompts,
    references=st.lists(references, max_size=4).map(tuple),
    duration_seconds=st.none() | st.integers(1, 60),
    aspect=st.none() | st.sampled_from(Aspect),
    resolution=st.none() | words,
    tier=st.none() | st.sampled_from(Tier),
    sound=st.none() | st.booleans(),
    seed=st.none() | st.integers(0, 2**32 - 1),
    camera=st.none() | st.sampled_from(Camera),
    style=st.none() | st.sampled_from(Style),
    negative_prompt=st.none() | words,
    watermark=st.none() | st.booleans(),
    web_search=st.none() | st.booleans(),
    provider=st.none() | words,
)
plans = st.builds(
    Plan,
    provider=words,
    model=words,
    tier=st.sampled_from(Tier),
    prompt=prompts,
    duration_seconds=st.integers(1, 60),
    aspect=st.sampled_from(Aspect),
    resolution=words,
    sound=st.booleans(),
    seed=st.none() | st.integers(0, 2**32 - 1),
    references=st.lists(stored, max_size=4).map(tuple),
    notes=st.lists(words, max_size=3).map(tuple),
)
targets = st.builds(ChannelTarget, channel_id=ids, status_message_id=ids, opens_thread=st.booleans()) | st.builds(
    FileTarget, path=words
)
maybe_ids = st.none() | ids
maybe_words = st.none() | words
jobs = st.builds(
    Job,
    id=ids,
    guild_id=maybe_ids,
    member_id=words,
    role_ids=st.lists(ids, max_size=3).map(tuple),
    target=targets,
    request=requests,
    state=st.sampled_from(JobState),
    created_ms=ids,
    due_ms=ids,
    since_ms=ids,
    fence=st.integers(0, 9),
    tries=st.integers(0, 9),
    attempts=st.integers(0, 9),
    plan=st.none() | plans,
    quote_micros=maybe_ids,
    cost_micros=maybe_ids,
    account=maybe_words,
    task_id=maybe_words,
    submitted_ms=maybe_ids,
    result=maybe_words,
    progress=maybe_ids,
    cancel_asked=st.booleans(),
    thread_id=maybe_ids,
    clip_path=maybe_words,
    clip_bytes=maybe_ids,
    channel_id=maybe_ids,
    message_id=maybe_ids,
    error_code=maybe_words,
    error_text=maybe_words,
    frame_link=maybe_words,
    seen_ms=maybe_ids,
)


def test_every_job_comes_back_exactly_as_it_was(tmp_path: Path) -> None:
    @given(jobs)
    def comes_back(job: Job) -> None:
        connection.execute("BEGIN")
        try:
            known = SqliteJobs(connection)
            assert known.add(job) == job
            found = known.get(job.id)
            assert found == job
            assert found is not None
            places = [type(one.place) for one in job.request.references]
            assert [type(one.place) for one in found.request.references] == places
            assert type(found.target) is type(job.target)
        finally:
            connection.execute("ROLLBACK")

    with closing(open_for_writing(tmp_path / "db")) as connection:
        comes_back()


async def test_the_same_job_added_again_is_the_first(books: SqliteBooks) -> None:
    first = await books.write(lambda tx: tx.jobs.add(new_job(1)))
    again = await books.write(lambda tx: tx.jobs.add(new_job(1, member_id="8")))
    assert again == first


async def test_a_job_that_somebody_saved_meanwhile_is_stale(books: SqliteBooks) -> None:
    job = await books.write(lambda tx: tx.jobs.add(new_job(1)))
    saved = await books.write(lambda tx: tx.jobs.save(job.waiting(due_ms=NOON_MS + 1)))
    assert saved.fence == job.fence + 1
    with pytest.raises(StaleJobError):
        await books.write(lambda tx: tx.jobs.save(job.waiting(due_ms=NOON_MS + 2)))
    assert await books.write(lambda tx: tx.jobs.get(1)) == saved


async def test_saving_a_job_that_is_not_there_is_stale(books: SqliteBooks) -> None:
    with pytest.raises(StaleJobError):
        await books.write(lambda tx: tx.jobs.save(new_job(1)))


async def test_thread_and_wish_to_cancel_come_beside_a_running_step(books: SqliteBooks) -> None:
    job = await books.write(lambda tx: tx.jobs.add(new_job(1)))
    await books.write(lambda tx: tx.jobs.place(1, thread_id=99))
    await books.write(lambda tx: tx.jobs.ask_cancel(1))
    saved = await books.write(lambda tx: tx.jobs.save(job.waiting(due_ms=NOON_MS + 60_000)))
    assert (saved.thread_id, saved.cancel_asked) == (99, True)
    # The step did not know of the wish: its appointment must not delay it.
    assert saved.due_ms <= NOON_MS
    assert await books.write(lambda tx: tx.jobs.get(1)) == saved
    later = await books.write(lambda tx: tx.jobs.save(saved.waiting(due_ms=NOON_MS + 60_000)))
    assert later.due_ms == NOON_MS + 60_000


async def test_a_wish_to_cancel_makes_the_job_due(books: SqliteBooks) -> None:
    await books.write(lambda tx: tx.jobs.add(new_job(1, due_ms=NOON_MS + 60_000)))
    await books.write(lambda tx: tx.jobs.ask_cancel(1))
    states = frozenset({JobState.COLLECTING})
    due = await books.write(lambda tx: tx.jobs.due(states=states, targets=CHANNEL, now_ms=NOON_MS, limit=9))
    assert [job.cancel_asked for job in due] == [True]
    assert due[0].due_ms > 0


async def test_a_doorbell_makes_running_jobs_of_its_tasks_due(books: SqliteBooks) -> None:
    def run(tx: Transaction, job_id: int) -> Job:
        job = queue(tx, job_id, usual_legs()).to(JobState.SUBMITTING, now_ms=NOON_MS)
        running = tx.jobs.save(job).to(JobState.RUNNING, now_ms=NOON_MS, task_id=f"t{job_id}", due_ms=NOON_MS + 60_000)
        return tx.jobs.save(running)

    await books.write(lambda tx: [run(tx, job_id) for job_id in (1, 2, 3)])
    await books.write(lambda tx: tx.jobs.hurry(frozenset({"t1", "t3", "unknown"}), due_ms=NOON_MS + 5))
    await books.write(lambda tx: tx.jobs.hurry(frozenset({"t3"}), due_ms=NOON_MS + 9))
    found = {job_id: await books.write(partial(get, job_id=job_id)) for job_id in (1, 2, 3)}
    assert {job_id: job.due_ms - NOON_MS for job_id, job in found.items()} == {1: 5, 2: 60_000, 3: 5}
    # It passes beside a step under way: what that step saves is not stale.
    await books.write(lambda tx: tx.jobs.save(found[1].waiting(due_ms=NOON_MS)))


async def test_a_doorbell_for_a_job_makes_it_due_only_while_it_runs(books: SqliteBooks) -> None:
    def wait(tx: Transaction) -> None:
        job = queue(tx, 1, usual_legs()).to(JobState.SUBMITTING, now_ms=NOON_MS, due_ms=NOON_MS + 60_000)
        tx.jobs.save(job)

    async def hurried(due_ms: int) -> int:
        await books.write(lambda tx: tx.jobs.hurry_job(1, due_ms=due_ms))
        return (await books.write(partial(get, job_id=1))).due_ms - NOON_MS

    await books.write(wait)
    assert await hurried(NOON_MS) == 60_000
    job = await books.write(partial(get, job_id=1))
    running = job.to(JobState.RUNNING, now_ms=NOON_MS, task_id="t1", due_ms=NOON_MS + 60_000)
    await books.write(lambda tx: tx.jobs.save(running))
    assert [await hurried(NOON_MS + wait_ms) for wait_ms in (70_000, 5_000, 9_000)] == [60_000, 5_000, 5_000]


def get(tx: Transaction, job_id: int) -> Job:
    job = tx.jobs.get(job_id)
    assert job is not None
    return job


async def test_only_the_references_of_open_jobs_count(books: SqliteBooks) -> None:
    def with_bytes(job_id: int, member_id: str, *sizes: int) -> Job:
        places = [Slot(kind=Kind.IMAGE, number=number) for number, _ in enumerate(sizes, start=1)]
        references = [
            Reference(place=place, name="a.png", source="https://x/a.png", declared_bytes=size)
            for place, size in zip(places, sizes, strict=True)
        ]
        return replace(
            new_job(job_id), member_id=member_id, request=Request(prompt="a fox", references=tuple(references))
        )

    ended = with_bytes(4, "7", 10_000)
    jobs = [with_bytes(1, "7", 10, 20), with_bytes(2, "8", 300), with_bytes(3, "7"), ended]
    await books.write(lambda tx: [tx.jobs.add(job) for job in jobs])
    await books.write(lambda tx: tx.jobs.save(ended.to(JobState.REFUSED, now_ms=NOON_MS)))
    assert await books.write(lambda tx: tx.jobs.open_bytes(guild_id=1, member_id="7")) == 30
    assert await books.write(lambda tx: tx.jobs.open_bytes(guild_id=2, member_id="7")) == 0
    assert await books.write(lambda tx: tx.jobs.open_bytes(guild_id=None, member_id=None)) == 330


async def test_who_waits_at_a_provider_can_be_told_and_woken(books: SqliteBooks) -> None:
    await books.write(lambda tx: [queue(tx, job_id, usual_legs()) for job_id in (2, 1)])
    older = await books.write(partial(get, job_id=1))
    provider = older.plan.provider if older.plan else ""
    waiting = older.waiting(due_ms=NOON_MS + 60_000, usual_seconds=90)
    await books.write(lambda tx: tx.jobs.save(waiting))
    found = await books.write(lambda tx: tx.jobs.waiting(provider, targets=frozenset(TargetKind)))
    assert [(one.job_id, one.guild_id, one.member_id, one.seconds) for one in found] == [
        (1, older.guild_id, older.member_id, 90.0),
        (2, older.guild_id, older.member_id, 60.0),
    ]
    assert await books.write(lambda tx: tx.jobs.waiting("another", targets=frozenset(TargetKind))) == []
    await books.write(lambda tx: tx.jobs.bring_forward(1, due_ms=NOON_MS + 5))
    await books.write(lambda tx: tx.jobs.bring_forward(1, due_ms=NOON_MS + 9))
    assert (await books.write(partial(get, job_id=1))).due_ms == NOON_MS + 5


async def test_an_ended_job_cannot_be_asked_to_stop(books: SqliteBooks) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: give_up(tx, 1))
    await books.write(lambda tx: tx.jobs.ask_cancel(1))
    job = await books.write(lambda tx: tx.jobs.get(1))
    assert job is not None
    assert not job.cancel_asked


async def test_what_is_due_comes_longest_waiting_first(books: SqliteBooks) -> None:
    waiting = [new_job(job_id, due_ms=due_ms) for job_id, due_ms in ((1, 30), (2, 10), (3, 20), (4, 99))]
    await books.write(lambda tx: [tx.jobs.add(job) for job in waiting])
    to_file = replace(new_job(5, due_ms=5), target=FileTarget(path="/clip.mp4"))
    await books.write(lambda tx: tx.jobs.add(to_file))
    states = frozenset({JobState.COLLECTING})

    due = await books.write(lambda tx: tx.jobs.due(states=states, targets=CHANNEL, now_ms=50, limit=2))
    assert [job.id for job in due] == [2, 3]
    due = await books.write(lambda tx: tx.jobs.due(states=states, targets=CHANNEL | FILE, now_ms=50, limit=9))
    assert [job.id for job in due] == [5, 2, 3, 1]
    none = await books.write(
        lambda tx: tx.jobs.due(states=frozenset({JobState.RUNNING}), targets=CHANNEL, now_ms=50, limit=9)
    )
    assert none == []


async def test_the_next_appointment_leaves_out_what_is_under_way(books: SqliteBooks) -> None:
    await books.write(lambda tx: [tx.jobs.add(new_job(job_id, due_ms=due)) for job_id, due in ((1, 30), (2, 10))])
    ask = books.write
    assert await ask(lambda tx: tx.jobs.next_due_ms(targets=CHANNEL, leaving_out=frozenset())) == 10
    assert await ask(lambda tx: tx.jobs.next_due_ms(targets=CHANNEL, leaving_out=frozenset({2}))) == 30
    assert await ask(lambda tx: tx.jobs.next_due_ms(targets=CHANNEL, leaving_out=frozenset({1, 2}))) is None
    assert await ask(lambda tx: tx.jobs.next_due_ms(targets=FILE, leaving_out=frozenset())) is None


async def test_ended_jobs_are_neither_due_nor_open(books: SqliteBooks) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: queue(tx, 2, usual_legs()))
    await books.write(lambda tx: give_up(tx, 1))
    every = frozenset(JobState)
    due = await books.write(lambda tx: tx.jobs.due(states=every, targets=CHANNEL, now_ms=2 * NOON_MS, limit=9))
    assert [job.id for job in due] == [2]


async def test_jobs_of_an_account_are_counted_by_state(books: SqliteBooks) -> None:
    await books.write(lambda tx: [queue(tx, job_id, usual_legs()) for job_id in (1, 2, 3)])
    job = await books.write(lambda tx: tx.jobs.get(2))
    assert job is not None
    await books.write(lambda tx: tx.jobs.save(job.to(JobState.SUBMITTING, now_ms=NOON_MS, account="a")))
    busy = frozenset({JobState.SUBMITTING, JobState.RUNNING})
    assert await books.write(lambda tx: tx.jobs.count(account="a", states=busy)) == 1
    assert await books.write(lambda tx: tx.jobs.count(account="b", states=busy)) == 0


async def test_a_state_and_its_money_cannot_part(books: SqliteBooks) -> None:
    job = await books.write(lambda tx: tx.jobs.add(new_job(1)))
    with pytest.raises(UnbalancedJobError, match="holds no money"):
        await books.write(lambda tx: tx.jobs.save(job.to(JobState.QUEUED, now_ms=NOON_MS)))
    queued = await books.write(lambda tx: queue(tx, 1, usual_legs()))
    with pytest.raises(UnbalancedJobError, match="FAILED and holds money"):
        await books.write(lambda tx: tx.jobs.save(queued.to(JobState.FAILED, now_ms=NOON_MS)))
    assert await books.write(lambda tx: tx.jobs.get(1)) == queued


async def test_every_change_of_state_is_history_and_history_is_only_added_to(
    books: SqliteBooks, tmp_path: Path
) -> None:
    queued = await books.write(lambda tx: queue(tx, 1, usual_legs()))
    await books.write(lambda tx: tx.jobs.save(queued.waiting(due_ms=NOON_MS + 1)))
    await books.write(lambda tx: give_up(tx, 1, now_ms=NOON_MS + 5))
    path = database_path(tmp_path)
    with closing(open_for_reading(path)) as reader:
        events = [tuple(row) for row in reader.execute("SELECT from_state, to_state, at_ms FROM event ORDER BY seq")]
    assert events == [
        (None, "COLLECTING", NOON_MS),
        ("COLLECTING", "QUEUED", NOON_MS),
        ("QUEUED", "FAILED", NOON_MS + 5),
    ]
    with closing(sqlite3.connect(path)) as other:
        for statement in ("DELETE FROM event", "UPDATE event SET at_ms = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                other.execute(statement)


async def test_an_attempt_keeps_its_intent_and_takes_its_outcome(books: SqliteBooks) -> None:
    await books.write(lambda tx: tx.jobs.add(new_job(1)))
    first = Attempt(job_id=1, number=1, provider="x", account="x-a", intent_ms=NOON_MS)
    second = replace(first, number=2, intent_ms=NOON_MS + 1)
    await books.write(lambda tx: tx.jobs.write_attempt(second))
    await books.write(lambda tx: tx.jobs.write_attempt(first))
    accepted = first.became(Outcome.ACCEPTED, task_id="t", exposure_micros=5)
    await books.write(lambda tx: tx.jobs.write_attempt(replace(accepted, intent_ms=0)))
    assert await books.write(lambda tx: tx.jobs.attempts(1)) == [accepted, second]
    assert await books.write(lambda tx: tx.jobs.attempts(2)) == []


async def test_finding_due_jobs_reads_the_index_of_open_ones(books: SqliteBooks, tmp_path: Path) -> None:
    await books.write(lambda tx: [tx.jobs.add(new_job(job_id)) for job_id in range(1, 200)])
    with closing(open_for_writing(database_path(tmp_path))) as connection:
        connection.execute("ANALYZE")
        explained: list[str] = []
        connection.set_trace_callback(explained.append)
        jobs = SqliteJobs(connection)
        jobs.due(states=frozenset({JobState.QUEUED}), targets=CHANNEL, now_ms=NOON_MS, limit=5)
        jobs.next_due_ms(targets=CHANNEL, leaving_out=frozenset({1}))
        connection.set_trace_callback(None)
        for statement in explained:
            plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert any("USING INDEX job_due" in step or "USING COVERING INDEX job_due" in step for step in plan), plan
            assert not any("TEMP B-TREE FOR ORDER BY" in step for step in plan), plan


def test_a_plan_names_the_provider_in_its_own_column(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "db")) as connection:
        SqliteJobs(connection).add(replace(new_job(1), plan=a_plan("fal")))
        assert connection.execute("SELECT provider FROM job").fetchone()[0] == "fal"
