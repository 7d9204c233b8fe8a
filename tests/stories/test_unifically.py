"""`/generate` with a paid provider: what it is asked, what it costs, and what every kind of no does to the money."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.domain.jobs import JobState
from bot.settings import ProviderSettings
from tests.standins import unifically
from tests.stories.rig import SAMPLES, Story, story

FILES: dict[str, Any] = {"image1": SAMPLES / "cat.jpg", "video1": SAMPLES / "drift.mp4", "audio1": SAMPLES / "mood.mp3"}


@asynccontextmanager
async def paid_story(folder: Path, **settings: Any) -> AsyncIterator[tuple[Story, unifically.Provider]]:
    async with unifically.running(clip=SAMPLES / "drift.mp4") as provider:
        provider.usual = unifically.Fate(statuses=("completed",))  # done at the first poll: nobody waits for more
        row = ProviderSettings(
            api_key=SecretStr(settings.pop("key", provider.key)),
            base_url=provider.url,
            typical_seconds=1,
            requests_per_second=100,
            deadline_seconds=settings.pop("deadline_seconds", None),
        )
        known: dict[str, Any] = {"provider_order": "unifically", "providers": {"unifically": row}}
        async with story(folder, **(known | settings)) as told:
            yield told, provider


async def test_the_clip_is_paid_once_at_the_price_shown(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        asked = told.generate("@Image1 watches @Video1 with @Audio1", duration=8, tier="pro", seed=7, **FILES)
        clip = await told.clip(asked)
        assert clip.attachments[0].size == (SAMPLES / "drift.mp4").stat().st_size
        [submit] = provider.submits
        payload: Any = submit.payload
        assert payload["model"] == "bytedance/seedance-2.0-pro"
        assert (payload["input"]["duration"], payload["input"]["seed"]) == (8, 7)
        assert len(provider.fetched) == 3
        assert provider.charged_micros == 640_000
        for owner in ("guild", "member", "operator"):
            assert await told.spent(owner) == (640_000, 0)
        prices = [field["value"] for field in (await asked.response()).embeds[0]["fields"] if field["name"] == "Price"]
        assert prices == ["$0.64 charged"]


async def test_gaps_close_towards_the_provider(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        files: dict[str, Any] = {"image1": SAMPLES / "cat.jpg", "image3": SAMPLES / "coffee.jpg"}
        await told.clip(told.generate("@Image3 beside @Image1", **files))
        payload: Any = provider.submits[0].payload
        assert payload["input"]["prompt"] == "@Image2 beside @Image1"
        assert len(payload["input"]["images"]) == 2


async def test_signed_links_of_our_own_are_fetched_where_there_is_a_public_address(
    tmp_path: Path, free_port: int
) -> None:
    address = f"http://127.0.0.1:{free_port}"
    async with paid_story(tmp_path, public_url=address, web_port=free_port) as (told, provider):
        await told.clip(told.generate("@Image1 runs", image1=SAMPLES / "cat.jpg"))
        assert [link.startswith(f"{address}/files/") for link in provider.fetched] == [True]


async def test_first_and_end_frame_are_a_mode_of_their_own(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        frames: dict[str, Any] = {"first_frame": SAMPLES / "cat.jpg", "end_frame": SAMPLES / "coffee.jpg"}
        await told.clip(told.generate("it wakes up", sound=False, **frames))
        payload: Any = provider.submits[0].payload
        assert {"start_frame_url", "end_frame_url"} <= set(payload["input"])
        assert payload["input"]["audio"] is False


async def test_a_wrong_key_fails_releases_and_blames_nobody_in_the_server(tmp_path: Path) -> None:
    async with paid_story(tmp_path, key="wrong-key") as (told, _):
        asked = told.generate()
        job = await told.ended(asked)
        assert (job.state, job.error_code) == (JobState.FAILED, "provider_auth")
        assert "Whoever hosts the bot must mend it" in (job.error_text or "")
        assert await told.spent() == (0, 0)
        notice = told.world.messages((await asked.response()).id)[-1]
        assert notice.content.endswith(job.error_text or "")


async def test_moderation_releases_and_says_what_to_change(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        provider.fates.append(unifically.moderated())
        job = await told.ended(told.generate())
        assert (job.state, job.error_code) == (JobState.FAILED, "moderation")
        assert await told.spent() == (0, 0)


async def test_a_lost_answer_is_never_sent_again(tmp_path: Path) -> None:
    async with paid_story(tmp_path, deadline_seconds=1) as (told, provider):
        provider.submit_troubles.append(unifically.Trouble(drops=True, creates=True))
        asked = told.generate()
        job = await told.ended(asked)
        assert (job.state, job.error_code) == (JobState.ABANDONED, "submit_lost")
        assert len(provider.submits) == 1
        assert await told.spent() == (0, 0)


async def test_too_many_requests_keep_the_job_queued_until_it_goes_through(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        provider.submit_troubles.append(unifically.rate_limited("1"))
        await told.clip(told.generate())
        assert len(provider.submits) == 2
        assert provider.charged_micros == 400_000


async def test_a_stale_link_refuses_with_nothing_held(tmp_path: Path) -> None:
    async with paid_story(tmp_path, link_life_seconds=600) as (told, provider):
        asked = told.generate("@Image1 runs", image1=SAMPLES / "cat.jpg")
        assert "ran out before Unifically could fetch it" in await told.refusal(asked)
        assert provider.submits == []


async def test_the_budget_stops_before_the_provider_is_asked(tmp_path: Path) -> None:
    async with paid_story(tmp_path, default_guild_budget_usd="0.50") as (told, provider):
        await told.clip(told.generate())
        refusal = await told.refusal(told.generate())
        assert "This server has $0.10 left of $0.50 this month; this clip takes $0.40." in refusal
        assert len(provider.submits) == 1


async def test_silence_with_an_audio_reference_is_refused(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        asked = told.generate("@Image1 sings @Audio1", sound=False, image1=FILES["image1"], audio1=FILES["audio1"])
        assert "leave sound on, or leave the audio references out" in await told.refusal(asked)
        assert provider.submits == []
