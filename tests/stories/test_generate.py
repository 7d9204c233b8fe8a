"""`/generate` over the local Discord, with the provider that needs no key."""

from pathlib import Path
from typing import Any

import av

from bot.domain.jobs import JobState
from bot.domain.quota import Period, Unit
from bot.domain.rules import Audience, Rule
from bot.ports.books import By
from bot.sandbox.records import ChannelType, Message, Permission, Pings
from tests.stories.rig import SAMPLES, Story, story

BY = By(actor="9", at_ms=1_795_000_000_000)
FILES: dict[str, Any] = {"image1": SAMPLES / "cat.jpg", "video1": SAMPLES / "drift.mp4", "audio1": SAMPLES / "mood.mp3"}


async def test_a_member_gets_the_clip_in_a_thread_under_the_card(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        asked = told.generate("@Image1 watches @Video1 with @Audio1", duration=4, resolution="480p", **FILES)
        await asked.acknowledged()
        clip = await told.clip(asked)
        job = await told.ended(asked)
        card = await asked.response()
        assert card.embeds[0]["title"] == "Delivered"
        references = next(field["value"] for field in card.embeds[0]["fields"] if field["name"] == "References")
        assert references == "`@Image1` cat.jpg\n`@Video1` drift.mp4\n`@Audio1` mood.mp3"
        thread = told.world.channel(card.id)
        assert (clip.channel_id, thread.parent_id, job.thread_id) == (thread.id, told.channel.id, thread.id)
        assert clip.pings == Pings(users=frozenset({told.member.member.id}))
        assert clip.nonce == f"{asked.id}-clip"
        attached = clip.attachments[0]
        assert (attached.filename, attached.description) == (f"{asked.id}.mp4", job.request.prompt)
        with av.open(str(attached.path)) as played:
            assert sum(1 for _ in played.decode(video=0)) == 4 * 24
        assert await told.spent("guild", "clips") == (1, 0)
        assert await told.spent("member", "seconds") == (4, 0)


async def test_inside_a_thread_the_clip_answers_the_card_there(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        thread = told.world.add_thread(told.channel, "rushes")
        asked = told.generate(duration=4, resolution="480p", channel_id=thread.id)
        clip = await told.clip(asked)
        card = await asked.response()
        assert (clip.channel_id, clip.reference_id) == (thread.id, card.id)
        assert clip.pings == Pings(users=frozenset({told.member.member.id}))
        assert told.world.threads(thread.id) == []


async def test_where_no_thread_can_be_made_the_clip_comes_to_the_channel(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        voice = told.world.add_channel(told.guild, "booth", kind=ChannelType.VOICE)
        asked = told.generate(duration=4, resolution="480p", channel_id=voice.id)
        assert (await told.clip(asked)).channel_id == voice.id


async def test_roles_reach_the_rules_without_any_intent(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        role = told.world.add_role(told.guild, "Artists")
        told.member.member.role_ids.append(role.id)
        everyone = Rule(
            guild_id=told.guild.id, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=0
        )
        artists = Rule(
            guild_id=told.guild.id,
            audience=Audience.ROLE,
            subject_id=role.id,
            unit=Unit.CLIPS,
            period=Period.DAY,
            amount=1,
        )
        for rule in (everyone, artists):
            await told.workshop.books.write(lambda tx, rule=rule: tx.rules.put(rule, by=BY))  # type: ignore[misc] # bound now
        await told.clip(told.generate(duration=4, resolution="480p"))
        second = told.generate(duration=4, resolution="480p")
        assert "You have 0 clips left of 1 clip" in await told.refusal(second)
        stranger = told.generate(duration=4, resolution="480p", by=told.other)
        assert "You have 0 clips left of 0 clips" in (await stranger.follow_up(seconds=10)).content


async def test_a_clip_over_the_servers_limit_is_kept_said_and_not_charged(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        told.world.stored.guilds[told.guild.id].upload_bytes_override = 50_000
        asked = told.generate(duration=4, resolution="480p")
        job = await told.ended(asked)
        assert (job.state, job.error_code) == (JobState.UNDELIVERABLE, "clip_too_large")
        notice = told.world.messages((await asked.response()).id)[-1]
        assert "this server takes" in notice.content
        assert notice.pings == Pings(users=frozenset({told.member.member.id}))
        assert job.clip_path is not None
        assert Path(job.clip_path).exists()
        assert await told.spent("guild", "clips") == (0, 0)
        told.world.violations.clear()  # the refused upload was this story's point


async def test_a_deleted_thread_sends_the_clip_to_the_channel(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        asked = told.generate(duration=4, resolution="720p")
        card = await asked.response(seconds=10)
        await told.world.changes.until(lambda: told.world.threads(told.channel.id) or None, seconds=10)
        told.world.remove_channel(card.id)
        assert (await told.clip(asked)).channel_id == told.channel.id


async def test_without_any_place_left_the_clip_comes_by_direct_message(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        asked = told.generate(duration=4, resolution="720p")
        await asked.response(seconds=10)
        denied = Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS
        told.world.overwrite(told.channel, told.world.bot, deny=denied)
        clip = await told.clip(asked)
        assert told.world.channel(clip.channel_id).guild_id is None


async def test_posting_again_after_a_lost_answer_shows_one_clip(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        told.world.faults.drop("POST", r"/channels/\d+/messages$", moment="after")
        asked = told.generate(duration=4, resolution="480p")
        clip = await told.clip(asked)
        with_files = [message for message in told.world.messages(clip.channel_id) if message.attachments]
        assert with_files == [clip]


async def test_the_cancel_button_stops_a_queued_job_for_its_owner_only(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        first = told.generate("a long one", duration=15, resolution="720p")
        queued = told.generate("a short one", duration=4)
        card = await told.world.changes.until(
            lambda: (
                m if (m := told.world.stored.messages.get(queued.interaction.response_id or 0)) and m.embeds else None
            ),
            seconds=10,
        )
        assert card.embeds[0]["title"].startswith("In the queue")
        button = f"dailies:cancel:{queued.id}"
        stranger = told.other.click(card, button)
        assert "no job" in (await stranger.response()).content
        mine = told.member.click(card, button)
        assert "Cancelled. Nothing was charged." in (await mine.response()).content
        assert (await told.ended(queued)).state is JobState.CANCELLED
        cancelled = told.member.slash(told.channel.id, "cancel", options={"job": str(first.id)})
        assert "handed over already" in (await cancelled.response()).content
        assert (await told.ended(first)).state in {JobState.CANCELLED, JobState.DELIVERED}


async def test_jobs_lists_mine_with_state_and_cost_for_my_eyes_only(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        empty = told.member.slash(told.channel.id, "jobs")
        assert "no clips here yet" in (await empty.response()).content
        await told.clip(told.generate("*bold* fox", duration=4, resolution="480p"))
        listed = await told.member.slash(told.channel.id, "jobs").response()
        assert "**Delivered** · Free" in listed.content
        assert "\\*bold\\* fox" in listed.content
        assert listed.visible_to == told.member.member.id
        choices = await told.member.autocomplete(told.channel.id, "cancel", focused="job").choices()
        assert choices == []


async def test_a_hostile_prompt_pings_and_formats_nothing(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        prompt = "@everyone @here <@&1> **bold** `code` {braces} \u202eevil"
        clip = await told.clip(told.generate(prompt, duration=4, resolution="480p"))
        assert clip.pings == Pings(users=frozenset({told.member.member.id}))
        for message in told.world.stored.messages.values():
            assert message.pings in {Pings(), Pings(users=frozenset({told.member.member.id}))}


async def test_a_refusal_survives_a_broken_connection(tmp_path: Path) -> None:
    async with story(tmp_path, default_guild_budget_usd=0) as told:
        everyone = Rule(guild_id=told.guild.id, audience=Audience.SERVER, unit=Unit.CLIPS, period=Period.DAY, amount=0)
        await told.workshop.books.write(lambda tx: tx.rules.put(everyone, by=BY))
        told.world.faults.drop("POST", r"/webhooks/", moment="before")
        assert "0 clips left" in await told.refusal(told.generate())


async def test_what_the_bot_may_not_do_is_said_before_anything_is_written(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        told.world.overwrite(told.channel, told.world.bot, deny=Permission.ATTACH_FILES)
        assert "I may not attach files in this channel." in await told.refusal(told.generate())


async def test_a_thread_that_cannot_be_opened_costs_nothing(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        told.world.faults.answer("POST", r"/threads$", 400, times=9)
        clip = await told.clip(told.generate(duration=4, resolution="480p"))
        assert clip.channel_id == told.channel.id


async def test_a_block_in_front_of_discord_is_waited_out(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        told.world.faults.answer("POST", r"/channels/\d+/messages$", 403)
        asked = told.generate(duration=4, resolution="480p")
        clip = await told.clip(asked)
        assert clip.channel_id == (await asked.response()).id


async def test_an_earlier_post_is_found_behind_much_talk_and_not_repeated(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        voice = told.world.add_channel(told.guild, "booth", kind=ChannelType.VOICE)
        told.world.faults.drop("POST", r"/channels/\d+/messages$", moment="after")
        told.world.nonce_window_ms = 0
        asked = told.generate(duration=4, resolution="480p", channel_id=voice.id)
        await told.world.changes.until(lambda: True if with_clips(told, voice.id) else None, seconds=20)
        for number in range(120):
            told.other.say(voice.id, f"line {number}")
        clip = await told.clip(asked)
        assert with_clips(told, voice.id) == [clip]


async def test_jobs_with_wild_prompts_still_fit_one_message(tmp_path: Path) -> None:
    async with story(tmp_path) as told:
        asked = [told.generate("x" + "*_~|`" * 40, tier="fast") for _ in range(10)]
        for one in asked:
            await one.placeholder()
        listed = await told.member.slash(told.channel.id, "jobs").response(seconds=10)
        assert len(listed.content) <= 2000


def with_clips(told: Story, channel_id: int) -> list[Message]:
    return [message for message in told.world.messages(channel_id) if message.attachments]
