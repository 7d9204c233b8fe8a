"""The rules of the requester at the door, with real books."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.jobs import ChannelTarget, Job, JobState
from bot.domain.quota import Period, Unit
from bot.domain.requests import Request, Tier
from bot.domain.rules import Audience, Bounds, Rule
from bot.ports.books import By
from tests.services.stage import GUILD, JOB, MEMBER, Stage, set_stage

MINE = Rule(
    guild_id=GUILD,
    audience=Audience.MEMBER,
    subject_id=int(MEMBER),
    unit=Unit.CLIPS,
    period=Period.DAY,
    amount=2,
    bounds=Bounds(tiers=frozenset({Tier.FAST}), seconds_max=4),
)


async def ask(stage: Stage, request: Request, rule: Rule) -> Job:
    """Of a server whose usual tier is pro."""
    by = By(actor="9", at_ms=stage.clock.ms)
    await stage.books.write(lambda tx: tx.rules.put_setting(GUILD, "default_tier", Tier.PRO, by=by))
    await stage.books.write(lambda tx: tx.rules.put(rule, by=by))
    target = ChannelTarget(channel_id=5, status_message_id=4, opens_thread=True)
    await stage.intake.accept(job_id=JOB, guild_id=GUILD, member_id=MEMBER, target=target, request=request)
    return await stage.run_until(*(state for state in JobState if state is not JobState.COLLECTING))


async def test_what_the_member_left_open_keeps_within_its_own_rules(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        job = await ask(stage, Request(prompt="a fox"), MINE)
    assert job.state is not JobState.REFUSED
    assert job.plan is not None
    assert (job.plan.tier, job.plan.duration_seconds) == (Tier.FAST, 4)


async def test_rules_of_others_move_nothing(tmp_path: Path) -> None:
    async with set_stage(tmp_path) as stage:
        job = await ask(stage, Request(prompt="a fox"), replace(MINE, subject_id=8))
    assert job.plan is not None
    assert (job.plan.tier, job.plan.duration_seconds) == (Tier.PRO, 5)


@pytest.mark.parametrize(
    ("request_", "what"),
    [(Request(prompt="a fox", tier=Tier.PRO), "tier pro"), (Request(prompt="a fox", duration_seconds=5), "length 5 s")],
)
async def test_what_the_member_set_is_refused_rather_than_moved(tmp_path: Path, request_: Request, what: str) -> None:
    async with set_stage(tmp_path) as stage:
        job = await ask(stage, request_, MINE)
    assert job.state is JobState.REFUSED
    assert what in (job.error_text or "")
