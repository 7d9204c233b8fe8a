"""A provider that cannot take a job: another key, another provider, or the requester's own choice."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.capabilities import Capabilities
from bot.domain.circuits import Trouble
from bot.domain.errors import ProviderAccountError, ProviderAuthError, ProviderRefusedError
from bot.domain.jobs import JobState, Offer
from bot.domain.pricing import PerSecond
from bot.domain.requests import Tier
from bot.ports.outside import NotSentError, UnknownOutcomeError
from tests.services.stage import JOB, ROW, ScriptedProvider, Stage, set_stage, succeeding

NO_KEY = ProviderAuthError(provider="Unifically", status=401)
NO_CREDIT = ProviderAccountError(provider="Unifically", reason="out of credit.")
IN_TROUBLE = NotSentError("it answered HTTP 503", is_trouble=True)


def other(made: Path, *, cents: int, provider: str = "apiyi") -> ScriptedProvider:
    """Another provider, at another price per second."""
    price = PerSecond(micros=cents * 10_000, source="a test", dated=ROW.read_on)
    tiers = {tier: replace(one, price=price) for tier, one in ROW.tiers.items()}
    row = replace(ROW, provider=provider, title=provider.upper(), tiers=tiers)
    return succeeding(made, capabilities=row, account=f"{provider}#1")


def refusing(*answers: Exception, capabilities: Capabilities = ROW) -> ScriptedProvider:
    return ScriptedProvider(submit_answers=list(answers), capabilities=capabilities)


async def circuits(stage: Stage, provider: str = "unifically") -> list[tuple[str, Trouble]]:
    found = await stage.books.write(lambda tx: tx.providers.circuits(provider))
    return [(one.account, one.trouble) for one in found]


@pytest.mark.parametrize(("refusal", "trouble"), [(NO_KEY, Trouble.KEY), (NO_CREDIT, Trouble.CREDIT)])
async def test_a_refused_key_sends_the_job_to_the_next_provider_for_no_more_than_was_agreed(
    tmp_path: Path, made: Path, refusal: Exception, trouble: Trouble
) -> None:
    cheaper = other(made, cents=5)
    async with set_stage(tmp_path, provider=refusing(refusal), others=[cheaper]) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.cost_micros, job.quote_micros) == (JobState.DELIVERED, 250_000, 400_000)
        assert job.plan is not None
        assert job.plan.provider == "apiyi"
        assert "Unifically could not take it; APIYI makes it instead." in job.plan.notes
        assert (len(stage.provider.submits), len(cheaper.submits)) == (1, 1)
        assert (await stage.spent())["guild", "usd"] == (250_000, 0)
        assert await circuits(stage) == [("unifically#1", trouble)]


async def test_another_key_of_the_same_provider_goes_first(tmp_path: Path, made: Path) -> None:
    second = succeeding(made, account="unifically#2")
    stranger = other(made, cents=1)
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[second, stranger]) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.account, stranger.submits) == (JobState.DELIVERED, "unifically#2", [])


async def test_what_is_dearer_elsewhere_fails_at_once_and_is_offered(tmp_path: Path, made: Path) -> None:
    dearer = other(made, cents=20)
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[dearer]) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.error_code, dearer.submits) == (JobState.FAILED, "provider_auth", [])
        assert job.offers == (
            Offer(provider="apiyi", title="APIYI", tier=Tier.FAST, resolution="720p", quote_micros=1_000_000),
        )
        assert set((await stage.spent()).values()) <= {(0, 0)}


async def test_the_next_job_does_not_try_a_refused_key_again(tmp_path: Path, made: Path) -> None:
    dearer = other(made, cents=20)
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[dearer]) as stage:
        await stage.ask()
        await stage.run_to_end()
        await stage.ask(job_id=JOB + 1)
        job = await stage.run_until(JobState.DELIVERED, JobState.FAILED, job_id=JOB + 1)
        assert (job.state, job.cost_micros) == (JobState.DELIVERED, 1_000_000)
        assert len(stage.provider.submits) == 1


async def test_with_nobody_else_the_next_job_is_told_why_at_once(tmp_path: Path) -> None:
    async with set_stage(tmp_path, provider=refusing(NO_KEY)) as stage:
        for job_id in (JOB, JOB + 1):
            await stage.ask(job_id=job_id)
        await stage.run_until(JobState.FAILED, job_id=JOB)
        job = await stage.run_until(JobState.FAILED, job_id=JOB + 1)
        assert job.error_code == "provider_resting"
        assert "did not accept the bot's key (HTTP 401)" in (job.error_text or "")
        assert len(stage.provider.submits) == 1
        assert set((await stage.spent()).values()) <= {(0, 0)}


async def test_an_account_that_works_again_is_absolved(tmp_path: Path, made: Path) -> None:
    provider = succeeding(made, submit_answers=[NO_KEY, "task-1"])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask()
        await stage.run_until(JobState.FAILED)
        stage.clock.ms += 61_000
        await stage.ask(job_id=JOB + 1)
        job = await stage.run_until(JobState.DELIVERED, JobState.FAILED, job_id=JOB + 1)
        assert job.state is JobState.DELIVERED
        assert await circuits(stage) == []


async def test_a_storm_waits_then_goes_elsewhere(tmp_path: Path, made: Path) -> None:
    cheaper = other(made, cents=5)
    async with set_stage(tmp_path, provider=refusing(IN_TROUBLE), others=[cheaper]) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert (job.state, job.cost_micros) == (JobState.DELIVERED, 250_000)
        assert (len(stage.provider.submits), len(cheaper.submits)) == (3, 1)
        assert await circuits(stage) == [("unifically#1", Trouble.STORM)]


async def test_a_storm_with_nowhere_to_go_offers_the_fast_tier_and_goes_on_trying(tmp_path: Path, made: Path) -> None:
    provider = succeeding(made, submit_answers=[IN_TROUBLE] * 4 + ["task-1"])
    async with set_stage(tmp_path, provider=provider) as stage:
        await stage.ask(tier=Tier.PRO)
        offered: list[tuple[Offer, ...]] = []
        stage.delivery.on_show = lambda job: offered.append(job.offers)
        job = await stage.run_to_end()
        fast = Offer(provider="unifically", title="Unifically", tier=Tier.FAST, resolution="720p", quote_micros=400_000)
        assert (fast,) in offered
        assert (job.state, job.offers, len(provider.submits)) == (JobState.DELIVERED, (), 5)


async def test_a_provider_that_was_named_is_not_exchanged(tmp_path: Path, made: Path) -> None:
    cheaper = other(made, cents=1)
    async with set_stage(tmp_path, provider=refusing(NO_KEY), others=[cheaper]) as stage:
        await stage.ask(provider="unifically")
        job = await stage.run_to_end()
        assert (job.state, job.offers, cheaper.submits) == (JobState.FAILED, (), [])


@pytest.mark.parametrize(
    "answer",
    [UnknownOutcomeError("read timeout"), ProviderRefusedError(provider="Unifically", reason="no such aspect.")],
)
async def test_what_may_have_been_taken_or_would_be_refused_anywhere_stays(
    tmp_path: Path, made: Path, answer: Exception
) -> None:
    cheaper = other(made, cents=1)
    async with set_stage(tmp_path, provider=refusing(answer), others=[cheaper]) as stage:
        await stage.ask()
        job = await stage.run_to_end()
        assert job.state in {JobState.ABANDONED, JobState.FAILED}
        assert (len(stage.provider.submits), cheaper.submits) == (1, [])


async def test_who_answers_that_it_is_in_trouble_is_asked_three_times_in_all(tmp_path: Path) -> None:
    answer = NotSentError("it is in trouble (HTTP 500)", is_trouble=True, is_answer=True)
    async with set_stage(tmp_path, provider=refusing(answer)) as stage:
        await stage.ask(tier=Tier.PRO)
        job = await stage.run_to_end()
        assert (job.state, job.error_code, len(stage.provider.submits)) == (JobState.FAILED, "provider_failed", 3)
        assert [(one.provider, one.tier) for one in job.offers] == [("unifically", Tier.FAST)]
        assert set((await stage.spent()).values()) <= {(0, 0)}
