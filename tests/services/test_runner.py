import asyncio
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from bot.domain.errors import ClipTooLargeError, ProviderRefusedError
from bot.domain.jobs import Job, JobState
from bot.domain.quota import Period, Unit
from bot.domain.references import Reference
from bot.domain.request_errors import JobUnknownError
from bot.domain.rules import Audience, Rule
from bot.domain.slots import Kind, Slot
from bot.ports.books import Attempt, By, Outcome, Transaction
from bot.ports.outside import (
    Failed,
    NotSentError,
    Pending,
    Posted,
    ProviderBusyError,
    Succeeded,
    TaskGoneError,
    TaskStatus,
    TryLaterError,
    UnknownOutcomeError,
)
from bot.services.desk import CancelAnswer
from bot.services.routing import Router
from tests.services.stage import (
    GUILD,
    JOB,
    MEMBER,
    ROW,
    SAMPLES,
    ScriptedDelivery,
    ScriptedProvider,
    Stage,
    set_stage,
    succeeding,
)

ADMIN = By(actor="9", at_ms=1_795_000_000_000)


async def assert_nothing_is_held_or_spent(stage: Stage) -> None:
    assert set((await stage.spent()).values()) <= {(0, 0)}


async def test_a_job_goes_all_the_way_and_is_charged_once(tmp_path: Path, made: Path) -> None:
    async with set_stage(tmp_path, provider=succeeding(made)) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.cost_micros, job.message_id) == (JobState.DELIVERED, 400_000, 6)
        assert (stage.provider.submits, stage.delivery.posts) == ([f"{JOB}-1"], [JOB])
        spent = await stage.spent()
        assert spent["guild", "usd"] == spent["member", "usd"] == spent["operator", "usd"] == (400_000, 0)
        assert (spent["guild", "seconds"], spent["guild", "clips"]) == ((5, 0), (1, 0))
        assert stage.delivery.shown[-1] is JobState.DELIVERED


async def test_the_same_interaction_twice_is_one_job(tmp_path: Path, made: Path) -> None:
    async with set_stage(tmp_path, provider=succeeding(made)) as stage:
        first, second = await stage.ask("a fox"), await stage.ask("another fox")
        assert second == first
        await stage.run_to_end()
        assert len(stage.provider.submits) == 1


async def test_what_did_not_leave_is_sent_again_as_a_new_attempt(tmp_path: Path, made: Path) -> None:
    provider = succeeding(made, submit_answers=[NotSentError("no route"), "task-1"])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert job.state is JobState.DELIVERED
        attempts = await stage.books.write(lambda tx: tx.jobs.attempts(JOB))
        assert [attempt.outcome for attempt in attempts] == [Outcome.NOT_SENT, Outcome.ACCEPTED]


async def test_rejected_submit_releases_the_hold_and_tells_why(tmp_path: Path) -> None:
    refusal = ProviderRefusedError(provider="Unifically", reason="no such aspect.")
    async with set_stage(tmp_path, provider=ScriptedProvider(submit_answers=[refusal])) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.FAILED, "provider_refused")
        assert stage.delivery.notices == ["Unifically refused the request: no such aspect."]
        await assert_nothing_is_held_or_spent(stage)


async def test_an_unknown_outcome_is_parked_never_sent_again_and_given_up_at_the_deadline(tmp_path: Path) -> None:
    provider = ScriptedProvider(submit_answers=[UnknownOutcomeError("read timeout")])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        assert (await stage.spent())["guild", "usd"] == (0, 400_000)
        began_ms = parked.since_ms
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.ABANDONED, "submit_lost")
        assert stage.clock.now_ms() - began_ms >= 300_000
        assert len(provider.submits) == 1
        attempts = await stage.books.write(lambda tx: tx.jobs.attempts(JOB))
        assert [(one.outcome, one.exposure_micros) for one in attempts] == [(Outcome.ABANDONED, 400_000)]
        await assert_nothing_is_held_or_spent(stage)


async def test_a_start_that_finds_a_submit_under_way_does_not_repeat_it(tmp_path: Path) -> None:
    class KilledError(BaseException):
        """The process ends here, as by SIGKILL: nothing of the step runs on."""

    def kill() -> None:
        raise KilledError

    provider = ScriptedProvider(on_submit=kill)
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        with pytest.raises(BaseExceptionGroup):
            await stage.run_to_end()
        assert (await stage.job()).state is JobState.SUBMITTING
    provider.on_submit = lambda: None
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.run_until(JobState.UNCERTAIN)
        assert len(provider.submits) == 1


async def test_polls_that_fail_are_repeated_and_a_task_not_found_at_first_is_tolerated(
    tmp_path: Path, made: Path
) -> None:
    statuses: list[TaskStatus | Exception] = [ProviderBusyError("503"), TaskGoneError(), Pending(progress=40)]
    provider = ScriptedProvider(statuses=[*statuses, Succeeded(video=str(made))])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        assert (await stage.run_to_end()).state is JobState.DELIVERED


async def test_a_task_that_vanished_for_good_fails_and_releases(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ScriptedProvider(statuses=[TaskGoneError()])) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.FAILED, "provider_failed")
        await assert_nothing_is_held_or_spent(stage)


async def test_moderation_fails_with_the_providers_words_and_releases(tmp_path: Path) -> None:
    failed = Failed(reason="a face.", moderation=True)
    async with set_stage(tmp_path, provider=ScriptedProvider(statuses=[failed])) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.FAILED, "moderation")
        await assert_nothing_is_held_or_spent(stage)


async def test_no_end_by_the_deadline_abandons_and_books_the_exposure(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=ScriptedProvider(statuses=[Pending()])) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.ABANDONED, "deadline")
        attempts = await stage.books.write(lambda tx: tx.jobs.attempts(JOB))
        assert [one.exposure_micros for one in attempts] == [400_000]
        await assert_nothing_is_held_or_spent(stage)


async def test_a_clip_that_does_not_play_fails_and_releases(tmp_path: Path, made: Path) -> None:
    whole = made.read_bytes()
    made.write_bytes(whole[: len(whole) * 3 // 4])
    async with set_stage(tmp_path, provider=succeeding(made)) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.FAILED, "result_unusable")
        await assert_nothing_is_held_or_spent(stage)


async def test_posting_is_put_off_and_done_once(tmp_path: Path, made: Path) -> None:
    delivery = ScriptedDelivery(post_answers=[TryLaterError("503"), TryLaterError("503"), Posted(message_id=6)])
    async with set_stage(tmp_path, provider=succeeding(made), delivery=delivery) as stage:
        await stage.ask()
        assert (await stage.run_to_end()).state is JobState.DELIVERED
        assert len(delivery.posts) == 3


async def test_too_large_is_kept_said_and_not_charged(tmp_path: Path, made: Path) -> None:
    error = ClipTooLargeError(megabytes=12.3, limit_megabytes=10.5, job=str(JOB))
    delivery = ScriptedDelivery(post_answers=[error])
    async with set_stage(tmp_path, provider=succeeding(made), delivery=delivery) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert job.state is JobState.UNDELIVERABLE
        assert job.clip_path is not None
        assert Path(job.clip_path).exists()
        assert "12.3 MB" in delivery.notices[0]
        await assert_nothing_is_held_or_spent(stage)


async def test_cancelling_before_the_submit_frees_everything(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await stage.ask()
        answer = await stage.desk.cancel(job_id=JOB, guild_id=GUILD, member_id=MEMBER)
        assert answer is CancelAnswer.CANCELLED
        assert (await stage.run_to_end()).state is JobState.CANCELLED
        assert stage.provider.submits == []


@pytest.mark.parametrize(("stops", "end"), [(True, JobState.CANCELLED), (False, JobState.DELIVERED)])
async def test_cancelling_later_frees_money_only_when_the_provider_confirmed(
    tmp_path: Path, made: Path, *, stops: bool, end: JobState
) -> None:
    async with set_stage(tmp_path, provider=succeeding(made, stops=stops)) as stage:
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        assert await stage.desk.cancel(job_id=JOB, guild_id=GUILD, member_id=MEMBER) is CancelAnswer.ASKED
        job = await stage.run_to_end()
        assert job.state is end
        assert (await stage.spent())["guild", "usd"] == ((0, 0) if stops else (400_000, 0))


async def test_a_cancel_during_the_submit_does_not_lose_the_task(tmp_path: Path, made: Path) -> None:
    gate = asyncio.Event()
    provider = succeeding(made, submit_gate=gate)
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(stage.runner().run())
            await provider.submitting.wait()
            assert await stage.desk.cancel(job_id=JOB, guild_id=GUILD, member_id=MEMBER) is CancelAnswer.ASKED
            gate.set()
            job = await stage.reach(JobState.DELIVERED)
            running.cancel()
        assert (job.task_id, len(provider.submits)) == ("task-1", 1)


async def test_an_empty_budget_refuses_before_a_byte_is_copied(tmp_path: Path) -> None:
    missing = Reference(
        place=Slot(kind=Kind.IMAGE, number=1), name="a.png", source=str(tmp_path / "nowhere.png"), declared_bytes=10
    )
    async with set_stage(tmp_path, budget_micros=300_000) as stage:
        await stage.ask("@Image1 runs", references=(missing,))
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.REFUSED, "quota_exceeded")
        assert "$0.30 left of $0.30" in (job.error_text or "")
        assert JobState.REFUSED not in stage.delivery.shown
        await assert_nothing_is_held_or_spent(stage)


async def test_a_clip_rule_of_nothing_refuses_every_clip(tmp_path: Path, made: Path) -> None:
    rule = Rule(guild_id=GUILD, audience=Audience.SERVER, unit=Unit.CLIPS, period=Period.DAY, amount=0)
    async with set_stage(tmp_path, provider=succeeding(made)) as stage:
        await stage.books.write(lambda tx: tx.rules.put(rule, by=ADMIN))
        await stage.ask()
        job = await stage.run_to_end()
        assert job.error_code == "quota_exceeded"
        assert "0 clips left of 0 clips" in (job.error_text or "")


async def test_a_pause_refuses_and_says_who(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await stage.books.write(lambda tx: tx.rules.pause(guild_id=None, paused=True, by=ADMIN))
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.REFUSED, "paused")


async def test_a_broken_reference_is_refused_with_nothing_held(tmp_path: Path) -> None:
    fake = tmp_path / "picture.png"
    fake.write_bytes((SAMPLES / "mood.mp3").read_bytes())
    reference = Reference(
        place=Slot(kind=Kind.IMAGE, number=1), name="picture.png", source=str(fake), declared_bytes=fake.stat().st_size
    )
    async with set_stage(tmp_path) as stage:
        await stage.ask("@Image1 runs", references=(reference,))
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.REFUSED, "reference_kind")
        assert "is MP3 audio, but this slot takes image" in (job.error_text or "")
        await assert_nothing_is_held_or_spent(stage)


async def test_a_fault_of_our_own_ends_with_a_reference_and_no_charge(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        stage.router = Router(rows={}, order=["ghost"], draw_seed=lambda: 7)
        await stage.ask()
        job: Job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.FAILED, "internal")
        await assert_nothing_is_held_or_spent(stage)


async def test_a_stop_in_mid_submit_waits_for_the_task_id(tmp_path: Path, made: Path) -> None:
    gate = asyncio.Event()
    provider = succeeding(made, submit_gate=gate)
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        running = asyncio.ensure_future(stage.runner().run())
        await provider.submitting.wait()
        running.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        job = await stage.job()
        assert (job.state, job.task_id) == (JobState.RUNNING, "task-1")


async def test_an_outage_longer_than_the_deadline_does_not_lose_the_clip(tmp_path: Path, made: Path) -> None:
    statuses: list[TaskStatus | Exception] = [ProviderBusyError("no network")] * 12
    async with set_stage(
        tmp_path, provider=ScriptedProvider(statuses=[*statuses, Succeeded(video=str(made))])
    ) as stage:
        await stage.ask()
        began_ms = stage.clock.now_ms()
        assert (await stage.run_to_end()).state is JobState.DELIVERED
        assert stage.clock.now_ms() - began_ms > 300_000


async def test_a_finished_clip_is_fetched_when_its_storage_comes_back(tmp_path: Path, made: Path) -> None:
    dead = Succeeded(video="https://127.0.0.1:9/clip.mp4", last_frame="https://127.0.0.1:9/old.png")
    fresh = Succeeded(video=str(made), last_frame="https://127.0.0.1:9/fresh.png")
    statuses: list[TaskStatus | Exception] = [dead] * 12
    provider = ScriptedProvider(trusted_host="127.0.0.1:9", statuses=[*statuses, fresh])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.frame_link) == (JobState.DELIVERED, fresh.last_frame)


async def test_requests_per_second_are_spaced_even_for_jobs_that_come_at_once(tmp_path: Path, made: Path) -> None:
    slow = replace(ROW, requests_per_second=4.0)
    async with set_stage(tmp_path, provider=succeeding(made, capabilities=slow)) as stage:
        for job_id in (JOB, JOB + 1, JOB + 2):
            await stage.ask(job_id=job_id)
        await stage.run_until(JobState.DELIVERED, JobState.FAILED, job_id=JOB + 2)
        attempts = [await stage.books.write(partial(attempts_of, job_id=JOB + n)) for n in range(3)]
        intents = [one[0].intent_ms for one in attempts]
        assert intents == sorted(intents)
        assert all(later - earlier >= 250 for earlier, later in pairwise(intents))


async def test_copies_of_open_requests_are_capped_per_member(tmp_path: Path) -> None:
    heavy = tuple(
        Reference(
            place=Slot(kind=Kind.VIDEO, number=n), name="v.mp4", source=str(tmp_path / "v"), declared_bytes=50_000_000
        )
        for n in (1, 2, 3)
    )
    async with set_stage(tmp_path) as stage:
        for number in range(8):
            await stage.ask("many", references=heavy, job_id=JOB + number)
        job = await stage.run_until(JobState.REFUSED)
        assert job.error_code == "copies_full"


async def test_a_job_of_another_server_cannot_be_cancelled(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await stage.ask()
        with pytest.raises(JobUnknownError):
            await stage.desk.cancel(job_id=JOB, guild_id=GUILD + 1, member_id=MEMBER)
        with pytest.raises(JobUnknownError):
            await stage.desk.cancel(job_id=JOB, guild_id=GUILD, member_id="1002")


def attempts_of(tx: Transaction, job_id: int) -> list[Attempt]:
    return tx.jobs.attempts(job_id)


async def test_a_wish_to_cancel_does_not_end_an_unknown_submit_early(tmp_path: Path) -> None:
    provider = ScriptedProvider(submit_answers=[UnknownOutcomeError("read timeout")])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        parked = await stage.run_until(JobState.UNCERTAIN)
        assert await stage.desk.cancel(job_id=JOB, guild_id=GUILD, member_id=MEMBER) is CancelAnswer.ASKED
        job = await stage.run_to_end()
        assert job.state is JobState.ABANDONED
        assert stage.clock.now_ms() - parked.since_ms >= 300_000


async def test_a_kept_clip_that_vanished_is_fetched_again(tmp_path: Path, made: Path) -> None:
    delivery = ScriptedDelivery(post_answers=[TryLaterError("503"), Posted(message_id=6)])
    async with set_stage(tmp_path, provider=succeeding(made), delivery=delivery) as stage:
        await stage.ask()
        posting = await stage.run_until(JobState.POSTING)
        assert posting.clip_path is not None
        made.write_bytes((SAMPLES / "drift.mp4").read_bytes())
        Path(posting.clip_path).unlink()
        assert (await stage.run_to_end()).state is JobState.DELIVERED
