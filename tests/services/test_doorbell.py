"""What a callback does to a job, in every state that it can find it in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from bot.domain.jobs import JobState
from bot.ports.books import Outcome
from bot.ports.outside import Failed, NotSentError, Pending, Succeeded, TaskStatus, UnknownOutcomeError
from bot.services.doorbell import Doorbell, Hearing
from bot.services.runner import RING_REST_MS
from tests.services.stage import JOB, ROW, Clock, ScriptedProvider, Stage, set_stage

ATTEMPT = f"{JOB}-1"
SLOW = replace(ROW, typical_seconds=400, deadline_seconds=3000)


DONE = Succeeded(video="https://127.0.0.1/o.mp4")
FINISHED = (JobState.FETCHING, JobState.FAILED)
"""Where a finished task leads: the clip of these tests may not be fetched."""


@dataclass(kw_only=True)
class Watched(ScriptedProvider):
    """Remembers when it was asked, and does something in the middle of it."""

    clock: Clock | None = None
    polls: list[int] = field(default_factory=list)
    on_poll: Callable[[], Awaitable[None]] | None = None

    async def read(self, *, task_id: str) -> TaskStatus:
        assert self.clock is not None
        self.polls.append(self.clock.now_ms())
        if self.on_poll is not None:
            await self.on_poll()
        return await super().read(task_id=task_id)


@asynccontextmanager
async def running(folder: Path, *statuses: TaskStatus) -> AsyncIterator[tuple[Stage, Watched, Doorbell]]:
    """A job at the provider, with an appointment some while from now."""
    provider = Watched(capabilities=SLOW, statuses=list(statuses))
    async with set_stage(folder, provider=provider) as stage:
        provider.clock = stage.clock
        await stage.ask()
        job = await stage.run_until(JobState.RUNNING)
        assert (provider.polls, job.due_ms - stage.clock.now_ms() > 10 * RING_REST_MS) == ([], True)
        yield stage, provider, doorbell_of(stage)


def doorbell_of(stage: Stage) -> Doorbell:
    return Doorbell(books=stage.books, accounts=stage.accounts, bell=stage.bell, now_ms=stage.clock.now_ms)


def lost(*statuses: TaskStatus) -> ScriptedProvider:
    """Whose answer to a submit is lost."""
    return ScriptedProvider(submit_answers=[UnknownOutcomeError("read timeout")], statuses=list(statuses))


async def polled(stage: Stage, provider: Watched, times: int) -> list[int]:
    """Run until it was asked so often; when that was."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(stage.runner().run())
        while len(provider.polls) < times:  # noqa: ASYNC110 (the runner moves the clock)
            await asyncio.sleep(0)
        task.cancel()
    return provider.polls


async def let_it_be_heard(stage: Stage) -> None:
    """The runner answers the bell while a step is still under way."""
    for _ in range(20):
        await stage.books.write(lambda _: None)


async def test_a_ring_for_a_running_task_has_it_asked_about_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, Pending()) as (stage, provider, doorbell):
        called_ms = stage.clock.now_ms()
        assert await doorbell.hear(ATTEMPT, headers={}, body=b"") is Hearing.GENUINE
        assert await polled(stage, provider, 1) == [called_ms]


async def test_without_a_ring_it_waits_for_its_appointment(tmp_path: Path) -> None:
    """That the test above could fail."""
    async with running(tmp_path, Pending()) as (stage, provider, _):
        due_ms = (await stage.job()).due_ms
        [polled_ms] = await polled(stage, provider, 1)
        assert polled_ms >= due_ms


async def test_however_often_it_is_rung_a_job_is_asked_about_once_in_five_seconds(tmp_path: Path) -> None:
    """And the call that comes soon after another is not lost: it may say "succeeded" where that one said "running"."""
    async with running(tmp_path, Pending()) as (stage, provider, doorbell):

        async def ring_often() -> None:
            for _ in range(100):
                assert await doorbell.hear(ATTEMPT, headers={}, body=b"task-9") is Hearing.GENUINE
            await let_it_be_heard(stage)

        before, called_ms = await stage.job(), stage.clock.now_ms()
        await ring_often()
        assert await stage.job() == before  # nothing is written by a ring, and no word of it believed
        provider.on_poll = ring_often
        polls = await polled(stage, provider, 4)
        assert polls[0] == called_ms
        assert [later - earlier for earlier, later in pairwise(polls)] == pytest.approx([RING_REST_MS] * 3, abs=10)


async def test_a_ring_before_the_answer_to_the_submit_makes_the_first_poll_at_once(tmp_path: Path) -> None:
    provider = Watched(statuses=[DONE], submit_gate=asyncio.Event())
    async with set_stage(tmp_path, provider=provider) as stage, asyncio.timeout(20), asyncio.TaskGroup() as group:
        provider.clock = stage.clock
        await stage.ask()
        task = group.create_task(stage.runner().run())
        await provider.submitting.wait()
        await doorbell_of(stage).rung(ATTEMPT, "task-1")
        await let_it_be_heard(stage)
        called_ms = stage.clock.now_ms()
        assert provider.submit_gate is not None
        provider.submit_gate.set()
        job = await stage.reach(*FINISHED)
        assert (job.task_id, provider.polls[0]) == ("task-1", called_ms)
        task.cancel()


async def test_a_task_named_before_its_answer_was_lost_is_kept(tmp_path: Path) -> None:
    provider = lost(DONE)
    async with set_stage(tmp_path, provider=provider) as stage:
        doorbell = doorbell_of(stage)
        provider.submit_gate = asyncio.Event()
        await stage.ask()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(stage.runner().run())
            await provider.submitting.wait()
            await doorbell.rung(ATTEMPT, "task-1")
            provider.submit_gate.set()
            job = await stage.reach(*FINISHED)
            task.cancel()
        assert (job.task_id, len(provider.submits)) == ("task-1", 1)


async def test_the_task_of_a_lost_answer_is_adopted_and_delivered(tmp_path: Path) -> None:
    provider = lost(DONE)
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        await doorbell_of(stage).hear(ATTEMPT, headers={}, body=b"task-1")
        adopted = await stage.job()
        assert (adopted.state, adopted.task_id) == (JobState.RUNNING, "task-1")
        assert adopted.submitted_ms == parked.submitted_ms
        assert adopted.due_ms <= stage.clock.now_ms()
        [attempt] = await stage.books.write(lambda tx: tx.jobs.attempts(JOB))
        assert (attempt.outcome, attempt.task_id) == (Outcome.ACCEPTED, "task-1")
        assert (await stage.spent())["guild", "usd"] == (0, 400_000)
        job = await stage.run_until(*FINISHED)
        assert (job.result, len(provider.submits)) == (DONE.video, 1)


async def test_a_second_name_changes_nothing(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=lost(Pending())) as stage:
        await stage.ask()
        await stage.run_until(JobState.UNCERTAIN)
        doorbell = doorbell_of(stage)
        await doorbell.rung(ATTEMPT, "task-1")
        adopted = await stage.job()
        await doorbell.rung(ATTEMPT, "task-2")
        assert await stage.job() == adopted


async def test_a_call_without_a_name_leaves_a_lost_answer_lost(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=lost(Pending())) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        assert await doorbell_of(stage).hear(ATTEMPT, headers={}, body=b"") is Hearing.GENUINE
        assert await stage.job() == parked


async def test_a_late_call_for_an_earlier_attempt_changes_nothing(tmp_path: Path) -> None:
    provider = ScriptedProvider(submit_answers=[NotSentError("no route"), UnknownOutcomeError("read timeout")])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        assert parked.attempts == 2
        assert await doorbell_of(stage).hear(ATTEMPT, headers={}, body=b"task-1") is Hearing.GENUINE
        assert await stage.job() == parked
        await doorbell_of(stage).rung(f"{JOB}-2", "task-1")
        assert (await stage.job()).state is JobState.RUNNING


async def test_a_call_after_the_end_changes_nothing(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ScriptedProvider(statuses=[Failed(reason="no")])) as stage:
        await stage.ask()
        ended = await stage.run_to_end()
        before = await told(stage)
        assert await doorbell_of(stage).hear(ATTEMPT, headers={}, body=b"task-1") is Hearing.GENUINE
        assert (await stage.job(), await told(stage)) == (ended, before)


async def told(stage: Stage) -> object:
    return await stage.spent(), await stage.books.write(lambda tx: tx.jobs.attempts(JOB))


async def test_a_call_without_the_accounts_signature_is_not_heard(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=lost(Pending())) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        hearing = await doorbell_of(stage).hear(ATTEMPT, headers={"signature": "forged"}, body=b"task-1")
        assert hearing is Hearing.UNSIGNED
        assert await stage.job() == parked


@pytest.mark.parametrize("attempt_id", [f"{JOB}-2", f"{JOB}-0", f"{JOB + 1}-1"])
async def test_a_call_for_an_attempt_that_is_not_in_the_books_is_unknown(tmp_path: Path, attempt_id: str) -> None:
    async with running(tmp_path) as (stage, _, _):
        job = await stage.job()
        assert await doorbell_of(stage).hear(attempt_id, headers={}, body=b"") is Hearing.UNKNOWN
        await doorbell_of(stage).rung(attempt_id, "task-1")
        assert await stage.job() == job


async def test_a_call_for_an_account_without_a_key_is_unknown(tmp_path: Path) -> None:
    async with running(tmp_path) as (stage, _, _):
        stage.accounts = type(stage.accounts)(providers={}, now_ms=stage.clock.now_ms)
        assert await doorbell_of(stage).hear(ATTEMPT, headers={}, body=b"") is Hearing.UNKNOWN
