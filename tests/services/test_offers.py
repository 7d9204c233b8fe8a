"""What a requester makes of a job that its provider could not take."""

from pathlib import Path

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.jobs import ChannelTarget, JobState, Offer
from bot.domain.request_errors import JobUnknownError, OfferGoneError
from bot.domain.requests import Tier
from bot.services.films import Asked
from bot.services.offers import Offers
from tests.services.stage import GUILD, JOB, MEMBER, Stage, set_stage
from tests.services.test_detours import NO_KEY, other, refusing

OFFER = Offer(provider="apiyi", title="APIYI", tier=Tier.FAST, resolution="720p", quote_micros=1_000_000)


def asked(job_id: int = JOB + 1, member_id: str = MEMBER) -> Asked:
    return Asked(
        job_id=job_id,
        guild_id=GUILD,
        channel_id=5,
        member_id=member_id,
        role_ids=(),
        target=ChannelTarget(channel_id=5, status_message_id=9, opens_thread=True),
    )


def offers_of(stage: Stage) -> Offers:
    return Offers(books=stage.books, admission=stage.admission, bell=stage.bell, now_ms=stage.clock.now_ms)


async def test_a_click_makes_what_was_shown_and_counts_once(tmp_path: Path, made: Path) -> None:
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[other(made, cents=20)]) as stage:
        await stage.ask(duration_seconds=5)
        assert (await stage.run_to_end()).offers == (OFFER,)
        offers = offers_of(stage)
        first = await offers.take(asked(), job_id=JOB, key=OFFER.key)
        assert await offers.take(asked(), job_id=JOB, key=OFFER.key) == first
        with pytest.raises(OfferGoneError):
            await offers.take(asked(JOB + 2), job_id=JOB, key=OFFER.key)
        job = await stage.run_until(JobState.DELIVERED, JobState.FAILED, job_id=JOB + 1)
        assert (job.state, job.cost_micros, job.request.provider) == (JobState.DELIVERED, 1_000_000, "apiyi")


async def test_what_was_not_shown_or_is_somebody_elses_is_not_taken(tmp_path: Path, made: Path) -> None:
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[other(made, cents=20)]) as stage:
        await stage.ask()
        await stage.run_to_end()
        with pytest.raises(OfferGoneError):
            await offers_of(stage).take(asked(), job_id=JOB, key="apiyi.fast.720p.900000")
        with pytest.raises(JobUnknownError):
            await offers_of(stage).take(asked(member_id="1002"), job_id=JOB, key=OFFER.key)


async def test_a_refusal_of_the_rules_leaves_the_job_and_its_offers(tmp_path: Path, made: Path) -> None:
    provider = refusing(NO_KEY)
    async with set_stage(tmp_path, provider=provider, others=[other(made, cents=20)], budget_micros=500_000) as stage:
        await stage.ask()
        await stage.run_to_end()
        with pytest.raises(QuotaExceededError):
            await offers_of(stage).take(asked(), job_id=JOB, key=OFFER.key)
        assert (await stage.job()).offers == (OFFER,)
        assert await stage.books.write(lambda tx: tx.jobs.get(JOB + 1)) is None
