"""`/quota` as a member, an artist, an admin and a stranger: what is decided, what is foretold, and what happens."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.domain.jobs import JobState
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.interactions import begin
from bot.sandbox.records import InteractionType, Message, Permission, Role
from bot.settings import ProviderSettings
from tests.standins import unifically
from tests.stories.rig import SAMPLES, SECONDS_MAX, Story, story
from tests.stories.test_unifically import paid_story


@dataclass(kw_only=True)
class Scene:
    """A server with an admin, a member (`told.member`), an artist, and somebody who is neither (`told.other`)."""

    told: Story
    admin: MemberClient
    artist: MemberClient
    artists: Role

    async def says(self, by: MemberClient, command: str, *, force: bool = False, **options: Any) -> Message:
        """The answer to one subcommand, which nobody else sees."""
        asked = by.slash(self.told.channel.id, f"quota {command}", options=options, force=force)
        return await self.alone(by, asked)

    async def text(self, by: MemberClient, command: str, *, force: bool = False, **options: Any) -> str:
        return (await self.says(by, command, force=force, **options)).content

    async def set(self, amount: str, unit: str, period: str, **options: Any) -> str:
        return await self.text(self.admin, "set", amount=amount, unit=unit, period=period, **options)

    async def alone(self, by: MemberClient, asked: Invocation) -> Message:
        said = await self.told.world.changes.until(
            lambda: [message for message in asked.messages if not message.loading] or None, seconds=SECONDS_MAX
        )
        assert said[-1].visible_to == by.member.id
        assert len(said[-1].content) <= 2000
        return said[-1]

    async def foretold(self, by: MemberClient, **options: Any) -> str | None:
        """The refusal that `/quota explain` predicts, or None."""
        verdict = (await self.text(by, "explain", **options)).splitlines()[-1]
        assert verdict.startswith(("**Accepted:**", "**Refused:** "))
        return verdict.removeprefix("**Refused:** ") if verdict.startswith("**Refused") else None

    async def made(self, by: MemberClient, **options: Any) -> str | None:
        """Make a clip; the refusal, if there is one, must be the one foretold."""
        foretold = await self.foretold(by, **options)
        job = await self.told.ended(self.told.generate(by=by, **options))
        assert job.state is (JobState.DELIVERED if foretold is None else JobState.REFUSED), job.error_text
        assert job.error_text == foretold
        return foretold


@asynccontextmanager
async def quota_story(folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    async with story(folder, **settings) as told:
        artists = told.world.add_role(told.guild, "Artists")
        artist = told.world.add_member(told.guild, "Artist", roles=(artists,))
        admin = told.world.add_member(told.guild, "Admin", permissions=Permission.MANAGE_GUILD)
        client = told.sandbox.client
        yield Scene(told=told, admin=client(admin), artist=client(artist), artists=artists)


@asynccontextmanager
async def paid_scene(folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    async with unifically.running(clip=SAMPLES / "drift.mp4") as provider:
        row = ProviderSettings(
            api_key=SecretStr(provider.key), base_url=provider.url, typical_seconds=1, requests_per_second=100
        )
        known: dict[str, Any] = {"provider_order": "unifically", "providers": {"unifically": row}}
        async with quota_story(folder, **(known | settings)) as scene:
            yield scene


async def decide(scene: Scene) -> list[str]:
    """Everyone: two Fast clips a day; the artists instead: $5 a week each, up to 15 s; the server: $50 a month."""
    return [
        await scene.set("2", "clips", "day", role=scene.told.guild.id, tiers="fast"),
        await scene.set("5", "usd", "week", role=scene.artists.id, longest=15, tiers="fast, standard, pro"),
        await scene.set("50", "usd", "month"),
    ]


async def test_from_nothing_to_a_budget_in_three_commands(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        everyone, artists, server = await decide(scene)
        assert "**Everyone: clips a day**\nBefore: no rule\nNow: 2 clips a day each, only fast" in everyone
        assert "Now: $5.00 a week each, any tier, up to 15 s a clip" in artists
        assert "The budget of $5.00 a month that holds without a server rule in usd no longer applies." in server
        rules = (await scene.text(scene.admin, "show")).partition("**Rules here**")[2]
        assert f"<@&{scene.artists.id}>: $5.00 a week each" in rules
        member = scene.told.member
        assert "**Rules here**" not in await scene.text(member, "show")
        assert "The rules here do not allow tier pro" in (await scene.made(member, tier="pro") or "")
        assert await scene.made(member) is None
        assert await scene.made(member, tier="fast") is None
        assert "You have 0 clips left of 2 clips today" in (await scene.made(member) or "")
        assert await scene.made(scene.artist, tier="pro", duration=15) is None
        assert await scene.told.spent() == (2_000_000, 0)


async def test_an_artist_ends_at_the_weeks_five_dollars(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        await decide(scene)
        for _ in range(4):
            assert await scene.made(scene.artist, tier="pro", duration=15) is None
        refusal = await scene.made(scene.artist, tier="pro", duration=15)
        assert "You have $0.20 left of $5.00 this week; this clip takes $1.20." in (refusal or "")
        shown = await scene.text(scene.artist, "show")
        assert "$0.20 left of $5.00 this week\n-# $4.80 spent · resets <t:" in shown
        assert "$45.20 left of $50.00 this month\n-# $4.80 spent" in shown


async def test_a_stranger_of_no_role_meets_everyones_rule_only(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        await decide(scene)
        said = await scene.text(scene.told.other, "explain", tier="pro")
        assert "rules for everyone, and none is narrower" in said
        assert "✗ Allowed: only fast." in said
        of_artist = await scene.text(scene.admin, "explain", tier="pro", member=scene.artist.member.id)
        assert "They replace the rules for everyone." in of_artist
        assert "**Accepted:** $0.40 would be held, never more charged." in of_artist


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("set", {"amount": "1", "unit": "clips", "period": "day"}),
        ("grant", {"amount": "1", "unit": "clips", "member": "self"}),
        ("report", {}),
        ("pause", {}),
        ("resume", {}),
        ("history", {"server": True}),
        ("history", {"member": "admin"}),
        ("show", {"member": "admin"}),
        ("explain", {"member": "admin"}),
    ],
)
async def test_only_manage_server_changes_or_looks_at_others(
    tmp_path: Path, command: str, options: dict[str, Any]
) -> None:
    async with quota_story(tmp_path) as scene:
        ids = {"self": scene.artist.member.id, "admin": scene.admin.member.id}
        asked = {name: ids.get(value, value) for name, value in options.items()}
        for client in (scene.told.member, scene.artist):
            assert await scene.text(client, command, **asked) == "This needs Manage Server in this server."
        decided = await scene.text(scene.admin, "history", server=True)
        assert decided == "Nothing was decided yet."


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [
        ("-1", "usd", "it must lie between 0 and $1000000.00"),
        ("1e30", "usd", "$1000000.00 is the most"),
        ("NaN", "clips", "it must lie between 0 and"),
        ("0.0000001", "usd", "six decimals are the most"),
        ("1.5", "clips", "only whole numbers"),
        ("five", "seconds", "write a number such as 5"),
    ],
)
async def test_an_amount_that_is_none_changes_nothing(tmp_path: Path, amount: str, unit: str, said: str) -> None:
    async with quota_story(tmp_path) as scene:
        assert said in await scene.set(amount, unit, "day")
        assert said in await scene.text(scene.admin, "grant", amount=amount, unit=unit, role=scene.artists.id)
        assert await scene.text(scene.admin, "history", server=True) == "Nothing was decided yet."


async def test_a_subject_of_elsewhere_or_two_at_once_is_refused(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        world, guild = scene.told.world, scene.told.guild
        foreign = world.add_role(world.add_guild("Another"), "Artists")
        gone = world.add_member(guild, "Gone")
        world.remove_member(guild, gone)
        rule: dict[str, Any] = {"amount": "1", "unit": "clips", "period": "day"}
        said = await scene.text(scene.admin, "set", force=True, role=foreign.id, **rule)
        assert said == f"<@&{foreign.id}> is not a role of this server."
        said = await scene.text(scene.admin, "set", force=True, member=gone.id, **rule)
        assert said == f"<@{gone.id}> is not a member of this server."
        said = await scene.set("1", "clips", "day", role=scene.artists.id, member=scene.artist.member.id)
        assert said == "Name a role or a member, not both."
        assert "Name a member or a role" in await scene.text(scene.admin, "grant", amount="1", unit="clips")
        said = await scene.text(scene.admin, "grant", amount="1", unit="clips", role=guild.id)
        assert "for everyone, raise the rule instead" in said


async def test_two_admins_at_once_are_both_told_the_truth(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        rule: dict[str, Any] = {"unit": "clips", "period": "day"}
        place, name = scene.told.channel.id, "quota set"
        second = scene.told.sandbox.client(
            scene.told.world.add_member(scene.told.guild, "Second", permissions=Permission.MANAGE_GUILD)
        )
        asked = [by.slash(place, name, options={"amount": n, **rule}) for by, n in ((scene.admin, "3"), (second, "4"))]
        said = [(await scene.alone(*one)).content for one in zip((scene.admin, second), asked, strict=True)]
        first, last = sorted(said, key=lambda text: "Before: no rule" not in text)
        left = await scene.text(scene.told.member, "show")
        won = "4" if "Now: 4 clips" in last else "3"
        lost = "3" if won == "4" else "4"
        assert f"Now: {lost} clips a day" in first
        assert f"Before: {lost} clips a day\nNow: {won} clips a day" in last
        assert f"{won} clips left of {won} clips" in left
        decided = await scene.text(scene.admin, "history", server=True)
        assert f"no rule → {lost} clips" in decided
        assert f"{lost} clips → {won} clips" in decided


async def test_a_price_that_asks_for_approval_is_foretold(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        options: dict[str, Any] = {"name": "approve_above", "value": "1"}
        await scene.alone(scene.admin, scene.admin.slash(scene.told.channel.id, "settings set", options=options))
        assert "It then waits for somebody's approval." in await scene.text(scene.artist, "explain", duration=15)
        assert "approval" not in await scene.text(scene.artist, "explain", duration=5)
        assert "approval" not in await scene.text(scene.admin, "explain", duration=15)
        asked = scene.told.generate(by=scene.artist, duration=15)
        embed = (await asked.response(seconds=SECONDS_MAX)).embeds[0]
        job = await scene.told.workshop.books.write(lambda tx: tx.jobs.get(asked.id))
        assert job is not None
        assert job.state is JobState.APPROVING, embed
        assert await scene.told.spent() == (0, 1_200_000)


async def test_the_rule_of_somebody_who_left_can_be_removed(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        await scene.set("1", "clips", "day", member=scene.artist.member.id)
        scene.told.world.remove_member(scene.told.guild, scene.artist.member)
        options: dict[str, Any] = {"unit": "clips", "period": "day", "member": scene.artist.member.id}
        said = await scene.text(scene.admin, "set", force=True, amount="none", **options)
        assert "Before: 1 clip a day\nNow: no rule" in said


async def test_the_rules_of_deleted_roles_are_removed_with_one_button(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        world, guild = scene.told.world, scene.told.guild
        await scene.set("1", "clips", "day", role=scene.artists.id)
        await scene.set("3", "clips", "day", role=guild.id)
        assert (await scene.says(scene.admin, "show")).components == []
        world.remove_role(guild, scene.artists)
        shown = await scene.says(scene.admin, "show")
        assert f"Deleted role {scene.artists.id}: 1 clip a day each" in shown.content
        assert (await scene.says(scene.told.member, "show")).components == []
        data = {"component_type": 2, "custom_id": "dailies:sweep"}
        place, kind = scene.told.channel.id, InteractionType.COMPONENT
        forged = begin(world, scene.told.other.member, place, kind, data, source=shown)
        stranger = Invocation(world=world, interaction=forged)
        assert (await scene.alone(scene.told.other, stranger)).content == "This needs Manage Server in this server."
        swept = await scene.admin.click(shown, "dailies:sweep").response()
        assert swept.content == f"**Removed:**\nDeleted role {scene.artists.id}: 1 clip a day each"
        again = await scene.admin.click(shown, "dailies:sweep").response()
        assert again.content == "No rule here is for a deleted role."
        left = (await scene.text(scene.admin, "show")).partition("**Rules here**")[2]
        assert left.strip() == "Everyone: 3 clips a day each"


async def test_a_refusal_foretold_of_another_is_not_said_to_the_admin(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        await scene.set("0", "clips", "day", role=scene.told.guild.id)
        said = await scene.text(scene.admin, "explain", member=scene.artist.member.id)
        assert "**Refused**, and told: “You have 0 clips left" in said


async def test_zero_forbids_and_none_frees(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        member = scene.told.member
        said = await scene.set("0", "clips", "day", member=member.member.id)
        assert "No clips are accepted under it." in said
        assert "You have 0 clips left of 0 clips today" in (await scene.made(member, duration=4) or "")
        said = await scene.set("none", "clips", "day", member=member.member.id)
        assert "Before: 0 clips a day\nNow: no rule" in said
        assert await scene.made(member, duration=4) is None


async def test_a_bonus_is_drained_before_the_allowance(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        await scene.set("0.40", "usd", "day", role=scene.told.guild.id)
        member = scene.told.member
        options: dict[str, Any] = {"amount": "0.50", "unit": "usd", "member": member.member.id, "expires": "7d"}
        said = await scene.text(scene.admin, "grant", **options)
        assert "Bonus of $0.50" in said
        assert "It ends <t:" in said
        assert "it pays $0.40 first" in await scene.text(member, "explain")
        assert await scene.made(member) is None
        shown = await scene.text(member, "show")
        assert "$0.40 left of $0.40 today\n-# $0.00 spent" in shown
        assert "$0.10 left of $0.50\n-# bonus, used first · ends <t:" in shown
        assert await scene.made(member) is None
        assert "You have $0.10 left of $0.40 today; this clip takes $0.40" in (await scene.made(member) or "")


async def test_pause_refuses_new_clips_until_resume(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        assert "New clips are paused here." in await scene.text(scene.admin, "pause")
        assert "paused here already" in await scene.text(scene.admin, "pause")
        assert "New clips are paused here" in (await scene.made(scene.told.member, duration=4) or "")
        assert "New clips can be made here again." in await scene.text(scene.admin, "resume")
        assert "were not paused" in await scene.text(scene.admin, "resume")
        assert await scene.made(scene.told.member, duration=4) is None
        decided = await scene.text(scene.admin, "history", server=True)
        assert decided.count("new work: running → paused") == 1
        assert decided.count("new work: paused → running") == 1


async def test_a_rule_lowered_below_what_was_used_says_so(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        assert await scene.made(scene.told.member) is None
        said = await scene.set("0.10", "usd", "month")
        assert "$0.30 over the limit of $0.10 this month" in said
        assert "nothing new is accepted until <t:" in said
        assert "This server has $0.00 left of $0.10 this month" in (await scene.made(scene.told.member) or "")


async def test_history_turns_pages_for_whoever_may_see_it_now(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        for amount in range(1, 13):
            await scene.set(str(amount), "clips", "day")
        first = await scene.says(scene.admin, "history", server=True)
        assert "**Decisions in this server** · page 1" in first.content
        assert "11 clips → 12 clips" in first.content
        [older] = buttons(first)
        turned = scene.admin.click(first, older)
        await turned.acknowledged()
        await scene.told.world.changes.until(lambda: "page 2" in first.content or None, seconds=SECONDS_MAX)
        assert "no rule → 1 clip" in first.content
        [newer] = buttons(first)
        assert newer == "dailies:history:server:1:0"
        forged = begin(
            scene.told.world,
            scene.told.other.member,
            scene.told.channel.id,
            InteractionType.COMPONENT,
            {"component_type": 2, "custom_id": newer},
            source=first,
        )
        stranger = Invocation(world=scene.told.world, interaction=forged)
        assert (await scene.alone(scene.told.other, stranger)).content == "This needs Manage Server in this server."
        scene.admin.member.permissions = 0
        refused = await scene.alone(scene.admin, scene.admin.click(first, newer))
        assert refused.content == "This needs Manage Server in this server."
        assert "page 2" in first.content


async def test_members_read_their_own_ledger_and_admins_anyones(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        assert await scene.made(scene.told.member) is None
        own = await scene.text(scene.told.member, "history")
        assert "**charged**" in own
        assert "-# $0.40 · month 20" in own
        seen = await scene.text(scene.admin, "history", member=scene.told.member.member.id)
        assert seen == own
        assert await scene.text(scene.artist, "history") == "Nothing was booked yet."


async def test_a_report_is_a_picture_and_a_table(tmp_path: Path) -> None:
    async with paid_scene(tmp_path) as scene:
        assert await scene.made(scene.told.member) is None
        told = await scene.says(scene.admin, "report")
        assert "$0.40 charged of $5.00" in told.content
        picture, table = (one.path for one in told.attachments)
        with Image.open(picture) as drawn:
            assert (drawn.format, min(drawn.size) > 500) == ("PNG", True)
        rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
        assert [(row["row"], row["member"], row["spent_usd"]) for row in rows] == [
            ("day", "", "0.40"),
            ("member", "Member", "0.40"),
        ]


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_a_report_of_nothing_is_drawn_too(tmp_path: Path, period: str) -> None:
    async with quota_story(tmp_path) as scene:
        told = await scene.says(scene.admin, "report", period=period)
        assert "$0.00 charged" in told.content
        assert [one.filename.rpartition(".")[2] for one in told.attachments] == ["png", "csv"]


async def test_typing_an_amount_shows_how_it_is_read(tmp_path: Path) -> None:
    async with quota_story(tmp_path) as scene:
        options: dict[str, Any] = {"amount": "4.6", "unit": "usd"}
        typing = scene.admin.autocomplete(scene.told.channel.id, "quota set", focused="amount", options=options)
        assert [choice["name"] for choice in await typing.choices()] == ["$4.60"]


def buttons(message: Message) -> list[str]:
    return [button["custom_id"] for row in message.components for button in row["components"]]


async def test_of_thirty_requests_at_once_exactly_as_many_as_the_budget_holds_are_made(tmp_path: Path) -> None:
    async with paid_story(tmp_path, default_guild_budget_usd=2) as (told, provider):
        asked = [told.generate(f"fox {number}") for number in range(30)]
        jobs = [await told.ended(one) for one in asked]
        assert [job.state for job in jobs].count(JobState.DELIVERED) == 5
        assert {job.error_code for job in jobs if job.state is not JobState.DELIVERED} == {"quota_exceeded"}
        assert len(provider.submits) == 5
        assert await told.spent() == (2_000_000, 0)
