"""Waiting for a word: what goes on, what ends, and when; budgets that run low."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.jobs import ChannelTarget, Job, JobState, Question
from bot.domain.pricing import PerSecond
from bot.domain.quota import Leg, Period, Unit
from bot.domain.request_errors import JobUnknownError, NotAllowedError
from bot.domain.rules import Audience, Pool, Rule
from bot.ports.books import By
from bot.ports.views import Standing
from bot.services.admission import Admission
from bot.services.alerts import PERCENTS
from bot.services.approvals import Approvals, Confirmed, Vote
from bot.services.routing import Router
from tests.services.stage import GUILD, JOB, MEMBER, ROW, Stage, set_stage

HOUR_MS = 3_600_000
ROLE = 3003
CARD = Question(channel_id=7, message_id=8)


@dataclass(kw_only=True)
class ScriptedAdmins:
    """Remembers what it was told."""

    asked: list[tuple[JobState, int | None]] = field(default_factory=list)
    warned: list[list[str]] = field(default_factory=list)

    async def ask(self, *, job: Job, channel_id: int | None) -> Question | None:
        self.asked.append((job.state, channel_id))
        return CARD

    async def warn(self, *, job: Job, channel_id: int, budgets: Sequence[tuple[Leg, Standing]]) -> None:
        assert (job.id, channel_id) == (JOB, 9)
        self.warned.append([f"{leg.window.name}: {standing.held} of {leg.limit}" for leg, standing in budgets])


async def choose(stage: Stage, **choices: object) -> None:
    by = By(actor="1", at_ms=stage.clock.ms)
    for name, value in choices.items():
        await stage.books.write(lambda tx, n=name, v=value: tx.rules.put_setting(GUILD, n, v, by=by))  # type: ignore[misc] # bound now


async def rule(stage: Stage, audience: Audience, unit: Unit, period: Period, amount: int) -> None:
    subject = None if audience in {Audience.SERVER, Audience.EVERYONE} else int(MEMBER)
    one = Rule(guild_id=GUILD, audience=audience, subject_id=subject, unit=unit, period=period, amount=amount)
    await stage.books.write(lambda tx: tx.rules.put(one, by=By(actor="1", at_ms=stage.clock.ms)))


def vote(*, is_approved: bool = True, is_manager: bool = True, roles: tuple[int, ...] = ()) -> Vote:
    return Vote(member_id="1", role_ids=roles, is_manager=is_manager, is_approved=is_approved, card=CARD)


async def decisions(stage: Stage) -> list[tuple[str | None, str, str]]:
    trail = await stage.views.audit(GUILD, limit=10, before_seq=None)
    return [(one.actor, one.before, one.after) for one in trail if one.what.startswith("approval")]


async def test_nobody_confirms_and_after_an_hour_nothing_is_left_of_it(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, confirm_above_micros=300_000)
        await stage.ask()
        waiting = await stage.run_until(JobState.CONFIRMING)
        assert waiting.due_ms == waiting.since_ms + HOUR_MS
        assert set((await stage.spent()).values()) <= {(0, 0)}
        stage.clock.ms = waiting.due_ms - 10_000
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.CANCELLED, "wait_expired")
        assert job.error_text == "Nobody confirmed this clip within an hour. Nothing was charged."
        assert 0 <= job.since_ms - waiting.due_ms < 60_000
        assert (stage.provider.submits, stage.delivery.notices) == ([], [])


async def test_nobody_approves_and_after_a_day_the_money_is_free(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, approve_above_micros=300_000, approval_channel=7)
        stage.admins = admins = ScriptedAdmins()
        await stage.ask()
        waiting = await stage.run_until(JobState.APPROVING)
        assert waiting.due_ms == waiting.since_ms + 24 * HOUR_MS
        assert (await stage.spent())["guild", "usd"] == (0, 400_000)
        stage.clock.ms = waiting.due_ms - 10_000
        job = await stage.run_to_end()
        assert (job.state, job.error_code) == (JobState.CANCELLED, "wait_expired")
        assert 0 <= job.since_ms - waiting.due_ms < 60_000
        assert set((await stage.spent()).values()) == {(0, 0)}
        assert stage.delivery.notices == ["Nobody approved this clip within a day. Nothing was charged."]
        assert admins.asked == [(JobState.APPROVING, 7), (JobState.CANCELLED, 7)]
        assert isinstance(job.target, ChannelTarget)
        assert job.target.question == CARD
        assert await decisions(stage) == [("runner", "waiting", "expired")]


async def test_a_click_after_the_end_is_late_even_before_the_runner_comes_by(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, approve_above_micros=300_000)
        await stage.ask()
        await stage.run_until(JobState.APPROVING)
        stage.clock.ms += 24 * HOUR_MS
        settled = await stage.approvals.decide(job_id=JOB, guild_id=GUILD, vote=vote())
        assert (settled.is_first, settled.job.state) == (False, JobState.APPROVING)
        assert (await stage.run_to_end()).state is JobState.CANCELLED


async def test_who_may_decide_is_read_at_the_click(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, approve_above_micros=300_000)
        await stage.ask()
        await stage.run_until(JobState.APPROVING)
        by_role = vote(is_manager=False, roles=(ROLE,))
        with pytest.raises(NotAllowedError, match="This needs Manage Server in this server"):
            await stage.approvals.decide(job_id=JOB, guild_id=GUILD, vote=by_role)
        with pytest.raises(JobUnknownError):
            await stage.approvals.decide(job_id=JOB, guild_id=GUILD + 1, vote=vote())
        await choose(stage, approver_role=ROLE)
        settled = await stage.approvals.decide(job_id=JOB, guild_id=GUILD, vote=by_role)
        assert (settled.is_first, settled.job.state) == (True, JobState.QUEUED)
        assert await decisions(stage) == [("1", "waiting", "approved")]


async def test_a_price_that_rose_is_asked_for_anew_and_one_that_fell_is_held(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, confirm_above_micros=300_000)
        await stage.ask()
        shown = await stage.run_until(JobState.CONFIRMING)
        dearer = approvals_at(stage, factor=2)
        assert await confirm(dearer) is Confirmed.PRICE_ROSE
        job = await stage.job()
        assert (job.state, job.quote_micros, job.due_ms) == (JobState.CONFIRMING, 800_000, shown.due_ms)
        assert set((await stage.spent()).values()) <= {(0, 0)}
        assert await confirm(stage.approvals) is Confirmed.GOES_ON
        assert (await stage.job()).quote_micros == 400_000
        assert (await stage.spent())["guild", "usd"] == (0, 400_000)
        assert await confirm(stage.approvals) is Confirmed.TOO_LATE


async def test_what_was_decided_meanwhile_refuses_at_the_click(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, confirm_above_micros=300_000)
        await stage.ask()
        await stage.run_until(JobState.CONFIRMING)
        await rule(stage, Audience.EVERYONE, Unit.CLIPS, Period.DAY, 0)
        with pytest.raises(QuotaExceededError):
            await confirm(stage.approvals)
        job = await stage.run_to_end()
        assert (job.state, stage.delivery.notices) == (JobState.REFUSED, [])
        assert set((await stage.spent()).values()) <= {(0, 0)}


async def test_only_the_requester_confirms(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, confirm_above_micros=300_000)
        await stage.ask()
        await stage.run_until(JobState.CONFIRMING)
        with pytest.raises(JobUnknownError):
            await stage.approvals.confirm(job_id=JOB, guild_id=GUILD, member_id="1002")


async def test_a_bonus_pays_first(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await rule(stage, Audience.MEMBER, Unit.CLIPS, Period.DAY, 0)
        for member_id in (1002, int(MEMBER)):
            one = Pool(
                id=0,
                guild_id=GUILD,
                audience=Audience.MEMBER,
                subject_id=member_id,
                unit=Unit.CLIPS,
                amount=1,
                ends_ms=None,
            )
            await stage.books.write(lambda tx, p=one: tx.rules.add_pool(p, by=By(actor="1", at_ms=stage.clock.ms)))  # type: ignore[misc] # bound now
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        pools = await stage.books.write(lambda tx: tx.rules.pools(GUILD, now_ms=stage.clock.ms))
        assert {pool.subject_id: left for pool, left in pools} == {1002: 1, int(MEMBER): 0}


async def test_days_begin_where_the_server_says(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        await choose(stage, time_zone="Pacific/Kiritimati")
        await rule(stage, Audience.SERVER, Unit.CLIPS, Period.DAY, 1)
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        days = {str(one["name"]) for one in await stage.views.balances() if one["period"] == "day"}
        assert days == {"2026-11-18", "2026-11-19"}, "the operator's day is UTC"


async def test_a_hold_over_several_thresholds_is_one_warning_a_window(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        stage.admins = admins = ScriptedAdmins()
        await choose(stage, alert_channel=9)
        await rule(stage, Audience.SERVER, Unit.USD, Period.DAY, 500_000)
        await rule(stage, Audience.SERVER, Unit.USD, Period.MONTH, 800_000)
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        [warned] = admins.warned
        days = [line.split(":")[0] for line in warned]
        assert sorted(line.split(": ")[1] for line in warned) == ["400000 of 500000", "400000 of 800000"]
        assert [await firsts(stage, window) for window in sorted(days)] == [[False, True, True], [False, False, True]]


async def test_below_half_nobody_is_warned(tmp_path: Path) -> None:
    async with set_stage(tmp_path, budget_micros=800_001) as stage:
        stage.admins = admins = ScriptedAdmins()
        await choose(stage, alert_channel=9)
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        assert admins.warned == []


async def test_without_a_channel_the_warning_waits_for_one(tmp_path: Path) -> None:
    async with set_stage(tmp_path, budget_micros=400_000) as stage:
        stage.admins = admins = ScriptedAdmins()
        await stage.ask()
        await stage.run_until(JobState.RUNNING)
        assert admins.warned == []
        assert await firsts(stage, "2026-11") == [True, True, True]


async def firsts(stage: Stage, window: str) -> list[bool]:
    """Whether each threshold of this window is still to be said."""
    return await stage.books.write(
        lambda tx: [tx.rules.first_alert(GUILD, window=window, percent=percent) for percent in PERCENTS]
    )


async def confirm(approvals: Approvals) -> Confirmed:
    return await approvals.confirm(job_id=JOB, guild_id=GUILD, member_id=MEMBER)


def approvals_at(stage: Stage, *, factor: int) -> Approvals:
    """The same desk after the operator changed the prices."""
    price = PerSecond(micros=80_000 * factor, source="the operator", dated=date(2026, 11, 20))
    tiers = {tier: replace(row, price=price) for tier, row in ROW.tiers.items()}
    router = Router(rows={"unifically": replace(ROW, tiers=tiers)}, order=["unifically"], draw_seed=lambda: 7)
    now_ms = stage.clock.now_ms
    admission = Admission(router=router, caps=stage.caps, now_ms=now_ms)
    return Approvals(books=stage.books, router=router, admission=admission, bell=stage.bell, now_ms=now_ms)
