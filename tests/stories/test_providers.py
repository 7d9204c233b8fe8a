"""Several providers, several servers: every member gets a clip or a true sentence, and nobody waits for a flood."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.domain.jobs import Job, JobState
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.records import Message
from bot.settings import ProviderSettings
from tests.standins import apiyi, ark, unifically
from tests.standins.loopback import StandIn, Trouble
from tests.stories.rig import SAMPLES, Story, story

NO_CREDIT = unifically.Trouble(status=402, body='{"code": 402, "data": {"message": "Insufficient balance"}}')


@dataclass(kw_only=True)
class Market:
    """A server with one member, a second server beside it, and three providers in order of preference."""

    told: Story
    first: unifically.Provider
    second: apiyi.Provider
    third: ark.Provider
    visitor: MemberClient
    elsewhere: int
    """The second server's channel."""

    async def job(self, asked: Invocation) -> Job:
        job = await self.told.workshop.books.write(lambda tx: tx.jobs.get(asked.id))
        assert job is not None
        return job


def account(provider: StandIn | unifically.Provider, path: str = "", **changes: Any) -> ProviderSettings:
    known: dict[str, Any] = {
        "api_key": SecretStr(provider.key),
        "base_url": provider.url + path,
        "typical_seconds": 1,
        "requests_per_second": 50,
    }
    return ProviderSettings(**(known | changes))


@asynccontextmanager
async def market(folder: Path, *, order: str = "unifically,apiyi,ark", **changes: Any) -> AsyncIterator[Market]:
    clip = SAMPLES / "drift.mp4"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(unifically.running(clip=clip))
        second = await stack.enter_async_context(apiyi.running(clip=clip))
        third = await stack.enter_async_context(ark.running(clip=clip))
        first.usual = unifically.Fate(statuses=("completed",))  # all done at the first poll
        for provider in (second, third):
            provider.usual = replace(provider.usual, statuses=provider.usual.statuses[-1:])
        providers = {
            "unifically": account(first, **changes),
            "apiyi": account(second, "/seedance/v1", **changes),
            "ark": account(third, "/api/v3", **changes),
        }
        told = await stack.enter_async_context(story(folder, provider_order=order, providers=providers))
        guild = told.world.add_guild("Another Room")
        visitor = told.sandbox.client(told.world.add_member(guild, "Visitor"))
        channel = told.world.add_channel(guild)
        yield Market(told=told, first=first, second=second, third=third, visitor=visitor, elsewhere=channel.id)


def fields(message: Message) -> dict[str, str]:
    return {field["name"]: field["value"] for field in message.embeds[0].get("fields", ())}


def buttons(message: Message) -> list[str]:
    return [one["label"] for row in message.components for one in row["components"]]


async def test_two_servers_one_flooding_three_providers_one_failing(tmp_path: Path) -> None:
    async with market(tmp_path, max_concurrent=1) as here:
        here.first.submit_troubles.append(NO_CREDIT)
        flood = [here.told.generate(f"fox {number}") for number in range(8)]
        await here.told.card(flood[-1], JobState.QUEUED)
        few = [here.told.generate(f"owl {number}", by=here.visitor, channel_id=here.elsewhere) for number in range(2)]
        ends = {asked.id: await here.told.ended(asked, seconds=120) for asked in (*flood, *few)}
        assert {job.state for job in ends.values()} == {JobState.DELIVERED}, [job.error_text for job in ends.values()]
        assert [ends[asked.id].state for asked in few] == [JobState.DELIVERED] * 2
        # One submit was refused; nothing was made twice, and nothing is held any more.
        assert here.first.charged_micros == 0
        made = len(here.second.tasks) + len(here.third.tasks)
        assert made == sum(job.state is JobState.DELIVERED for job in ends.values())
        delivered_ms = {asked.id: ends[asked.id].since_ms for asked in (*flood, *few)}
        assert max(delivered_ms[asked.id] for asked in few) < max(delivered_ms[asked.id] for asked in flood)
        assert (await here.told.spent())[1] == 0


async def test_what_costs_no_more_elsewhere_is_made_there_and_said_on_the_card(tmp_path: Path) -> None:
    async with market(tmp_path) as here:
        here.first.submit_troubles.append(NO_CREDIT)
        asked = here.told.generate()
        await here.told.clip(asked)
        job = await here.job(asked)
        assert (job.plan.provider if job.plan else None, job.cost_micros) == ("apiyi", 100_000)
        card = fields(await asked.response())
        assert "Unifically could not take it; APIYI makes it instead." in card["Notes"]
        assert card["Price"] == "$0.10 charged"
        assert await here.told.spent() == (100_000, 0)


async def test_what_is_dearer_elsewhere_is_made_only_when_the_requester_clicks(tmp_path: Path) -> None:
    async with market(tmp_path, order="apiyi,ark") as here:
        here.second.submit_troubles.append(Trouble(status=401, body='{"error": "invalid API key"}'))
        asked = here.told.generate()
        failed = await here.told.ended(asked)
        assert (failed.state, failed.error_code, here.third.submits) == (JobState.FAILED, "provider_auth", [])
        card = await asked.response()
        assert buttons(card) == ["Make it at ModelArk (Fast, 720p): $1.22 at most"]
        offer = f"dailies:offer:ark.fast.720p.1219680:{asked.id}"
        stranger = here.told.other.click(card, offer)
        assert "no job" in (await stranger.follow_up()).content
        clicked = here.told.member.click(card, offer)
        await here.told.clip(clicked)
        assert (len(here.third.tasks), await here.told.spent()) == (1, (1_219_680, 0))
        again = here.told.member.click(card, offer)
        assert "That offer is over" in await here.told.refusal(again)


async def test_a_server_may_choose_the_cheapest(tmp_path: Path) -> None:
    async with market(tmp_path) as here:
        admin = here.told.world.add_member(here.told.guild, "Admin", permissions=1 << 5)
        chosen = {"name": "routing", "value": "cheapest"}
        answer = here.told.sandbox.client(admin).slash(here.told.channel.id, "settings set", options=chosen)
        assert (await answer.response()).content == "**routing** is now cheapest; it was order."
        await here.told.clip(here.told.generate())
        assert (here.first.submits, len(here.second.submits)) == ([], 1)
        await here.told.clip(here.told.generate(by=here.visitor, channel_id=here.elsewhere))
        assert len(here.first.submits) == 1
