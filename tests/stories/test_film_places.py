"""Films where it is not easy: in direct messages, after a restart, without a public address, without permissions."""

from pathlib import Path
from typing import Any

import discord
import pytest
from PIL import Image

from bot.domain.film_errors import ServerOnlyError
from bot.domain.jobs import JobState
from bot.sandbox.records import AnswerType, ChannelType, Permission
from cogs.placing import check_permissions
from tests.media import making
from tests.stories.rig import SAMPLES
from tests.stories.test_films import button, extended, film_story
from tests.stories.test_unifically import paid_story

MAY_SPEAK = Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS


async def test_nothing_new_is_offered_in_a_direct_message(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        asked = told.generate()
        await asked.acknowledged()
        told.world.overwrite(told.channel, told.world.bot, deny=MAY_SPEAK)
        message = await told.clip(asked)
        assert told.world.channel(message.channel_id).type is ChannelType.DM
        told.world.violations.clear()
        row = message.components[0]["components"]
        assert [one["custom_id"].split(":")[1] for one in row] == ["frame", "sheet"]


IN_DM: Any = {
    "id": "1433000000000000001",
    "application_id": "1433000000000000002",
    "type": 3,
    "version": 1,
    "token": "t",
    "data": {"component_type": 2, "custom_id": "dailies:change:1433000000000000003"},
    "channel_id": "1433000000000000004",
    "channel": {"id": "1433000000000000004", "type": 1},
    "user": {"id": "1433000000000000005", "username": "m", "discriminator": "0", "avatar": None},
    "app_permissions": str(2**50 - 1),
    "entitlements": [],
    "authorizing_integration_owners": {"0": "0"},
    "context": 1,
    "attachment_size_limit": 10_485_760,
}
"""https://docs.discord.com/developers/interactions/receiving-and-responding: no `guild_id`, and `user` for `member`."""


async def test_no_click_in_a_direct_message_begins_a_job() -> None:
    """A job of no server would be bound by the operator's cap alone."""
    async with discord.Client(intents=discord.Intents.none()) as client:
        clicked = discord.Interaction(data=IN_DM, state=client._connection)  # noqa: SLF001 -- there is no public way
        with pytest.raises(ServerOnlyError):
            check_permissions(clicked)


async def test_forms_are_answered_after_a_restart(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        first = await told.clip(told.generate("a fox walks"))
        parent = await told.job_of(first)
        theirs = told.other.say(told.channel.id, "my own", files=[SAMPLES / "drift.mp4"])
        forms = [button(told, first, act) for act in ("extend", "change")]
        forms.append(told.member.message_command(first, "Extend video"))
        forgotten = told.member.message_command(theirs, "Extend video")
        for opened in (*forms, forgotten):
            await opened.modal()
        await told.restart()
        jobs = [await told.ended(told.member.submit(opened, {"prompt": "it goes on"})) for opened in forms]
        assert [job.state for job in jobs] == [JobState.DELIVERED] * 3
        assert [job.parent_id for job in jobs] == [parent.id, None, parent.id]
        assert len(provider.submits) == 4
        said = await told.refusal(told.member.submit(forgotten, {"prompt": "and *on*"}))
        assert "Open it on the message again" in said.replace("\\", "")
        assert "You had written: and *on*" in said.replace("\\", "")


async def test_without_a_public_address_a_member_reads_who_must_do_what(tmp_path: Path) -> None:
    async with paid_story(tmp_path) as (told, provider):
        first = await told.clip(told.generate())
        spent = await told.spent()
        said = await told.refusal(extended(told, first))
        assert "Whoever hosts the bot must set DAILIES_PUBLIC_URL" in said.replace("\\", "")
        assert (await told.spent(), len(provider.submits)) == (spent, 1)


async def test_without_a_public_address_no_change_is_offered_that_nobody_could_fetch(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (6400, 3200), (90, 120, 60)).save(large)
    small = making.picture(tmp_path / "small.png", size=(400, 400))
    async with paid_story(tmp_path) as (told, provider):
        said = await told.refusal(told.generate("@Image1 wakes", image1=large))
        assert "6400×3200" in said.replace("\\", "")
        assert "ask whoever hosts the bot to set DAILIES_PUBLIC_URL" in said.replace("\\", "")
        job = await told.ended(told.generate("@Image1 wakes", image1=small))
        assert job.state is JobState.DELIVERED, job.error_text
        assert job.plan is not None
        assert any("under 512 the result often disappoints" in note for note in job.plan.notes)
        assert len(provider.submits) == 1


async def test_what_the_bot_may_not_do_is_said_before_anybody_writes_a_prompt(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate())
        told.world.overwrite(told.channel, told.world.bot, deny=Permission.ATTACH_FILES)
        clicked = button(told, first, "extend")
        menu = told.member.message_command(first, "Change this video")
        for asked in (clicked, menu):
            assert await asked.acknowledged() is AnswerType.MESSAGE
            assert "I may not attach files" in (await asked.response()).content


async def test_a_413_in_a_direct_message_teaches_nothing_of_servers(tmp_path: Path, free_port: int) -> None:
    clip = making.clip(tmp_path / "large.mp4", seconds=4, size=(1280, 720))
    assert 10 * 1024 * 1024 < clip.stat().st_size < 50 * 1024 * 1024
    async with film_story(tmp_path, free_port) as (told, provider):
        told.guild.premium_tier = 2
        provider.clips.append(clip)
        asked = told.generate()
        await asked.acknowledged()
        told.world.overwrite(told.channel, told.world.bot, deny=MAY_SPEAK)
        message = await told.clip(asked)
        assert told.world.channel(message.channel_id).type is ChannelType.DM
        assert message.attachments[0].size <= 10 * 1024 * 1024
        told.world.violations.clear()
        told.world.overwrite(told.channel, told.world.bot)
        provider.clips.append(clip)
        again = await told.clip(told.generate())
        assert again.attachments[0].size == clip.stat().st_size
