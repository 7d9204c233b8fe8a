"""`/settings`, confirming a price, approving a clip, a budget that runs low: as each who may click."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.domain.jobs import Job, JobState
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.options import ClientRefusalError
from bot.sandbox.records import Channel, ChannelType, Message, Permission, Pings
from tests.standins import unifically
from tests.stories.rig import SAMPLES, Story
from tests.stories.test_unifically import paid_story


@dataclass(kw_only=True)
class Court:
    """A server with an admin, an approver by role, a member, and a stranger."""

    told: Story
    provider: unifically.Provider
    admin: MemberClient
    approver: MemberClient
    role_id: int
    desk: Channel

    async def set(self, name: str, value: str, *, by: MemberClient | None = None) -> str:
        options = {"name": name, "value": value}
        return (
            await (by or self.admin).slash(self.told.channel.id, "settings set", options=options).response()
        ).content

    async def job(self, asked: Invocation) -> Job | None:
        return await self.told.workshop.books.write(lambda tx: tx.jobs.get(asked.id))

    async def card(self, asked: Invocation, title: str) -> Message:
        """The requester's own card, once it says this."""
        return await self.seen(lambda: self._cards(asked), title)

    async def request(self, title: str, *, channel: Channel | None = None) -> Message:
        """The card in the approvers' channel, once it says this."""
        place = (channel or self.desk).id
        return await self.seen(lambda: self.told.world.messages(place), title)

    async def seen(self, messages: Callable[[], list[Message]], title: str) -> Message:
        def found() -> Message | None:
            return next((one for one in messages() if one.embeds and one.embeds[0]["title"] == title), None)

        return await self.told.world.changes.until(found, seconds=10)

    def _cards(self, asked: Invocation) -> list[Message]:
        message = self.told.world.stored.messages.get(asked.interaction.response_id or 0)
        return [] if message is None else [message]


@asynccontextmanager
async def court(folder: Path, **settings: Any) -> AsyncIterator[Court]:
    async with paid_story(folder, **settings) as (told, provider):
        yield seated(told, provider)


def seated(told: Story, provider: unifically.Provider) -> Court:
    role = told.world.add_role(told.guild, "Producers")
    admin = told.world.add_member(told.guild, "Admin", permissions=Permission.MANAGE_GUILD)
    approver = told.world.add_member(told.guild, "Producer", roles=(role,))
    return Court(
        told=told,
        provider=provider,
        admin=told.sandbox.client(admin),
        approver=told.sandbox.client(approver),
        role_id=role.id,
        desk=told.world.add_channel(told.guild, "approvals"),
    )


def fields(message: Message) -> dict[str, str]:
    return {field["name"]: field["value"] for field in message.embeds[0].get("fields", ())}


async def test_a_costly_clip_waits_for_an_admin_and_is_delivered_once_approved(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        assert await here.set("approve_above", "0.30") == "**approve_above** is now $0.30; it was none."
        await here.set("approval_channel", f"<#{here.desk.id}>")
        asked = here.told.generate()
        await here.card(asked, "Waiting for approval")
        request = await here.request("May this clip be made?")
        assert fields(request)["Price"] == "$0.40 held, never more"
        assert fields(request)["Asked by"] == f"<@{here.told.member.member.id}>"
        assert (request.pings, request.nonce) == (Pings(), f"{asked.id}-appr")
        assert await here.told.spent() == (0, 400_000)
        assert here.provider.submits == []
        clicked = here.admin.click(request, f"dailies:approve:{asked.id}")
        assert (await clicked.response()).content == "Approved. The clip is on its way."
        await here.told.clip(asked)
        assert await here.told.spent() == (400_000, 0)
        settled = await here.request("Approved")
        assert settled.id == request.id
        assert fields(settled)["Answer"] == f"<@{here.admin.member.id}> approved it."
        assert fields(settled)["Price"] == "$0.40 at most"
        assert settled.components == []


async def asked_for_approval(here: Court) -> tuple[Invocation, Message]:
    await here.set("approve_above", "0.30")
    await here.set("approval_channel", f"<#{here.desk.id}>")
    await here.set("approver_role", f"<@&{here.role_id}>")
    asked = here.told.generate()
    return asked, await here.request("May this clip be made?")


async def test_a_denial_frees_the_money_and_names_who(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        asked, request = await asked_for_approval(here)
        clicked = here.approver.click(request, f"dailies:deny:{asked.id}")
        assert "Denied. What was held is free again" in (await clicked.response()).content
        job = await here.told.ended(asked)
        assert (job.state, job.error_code) == (JobState.CANCELLED, "approval_denied")
        assert await here.told.spent() == (0, 0)
        assert here.provider.submits == []
        who = f"<@{here.approver.member.id}>"
        notice = here.told.world.messages((await asked.response()).id)[-1]
        assert f"{who} did not approve this clip. Nothing was charged." in notice.content
        assert notice.pings == Pings(users=frozenset({here.told.member.member.id}))
        assert fields(await here.request("Denied"))["Answer"] == f"{who} denied it."


async def test_whoever_approves_sees_the_references(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("approve_above", "0.30")
        asked = here.told.generate("@Image2 to @Audio1", image2=SAMPLES / "cat.jpg", audio1=SAMPLES / "mood.mp3")
        request = await here.request("May this clip be made?", channel=here.told.channel)
        shown = fields(request)["References"].splitlines()
        sizes = [f"{(SAMPLES / name).stat().st_size // 1000} kB" for name in ("cat.jpg", "mood.mp3")]
        assert shown == [f"`@Image2` cat.jpg · jpeg, {sizes[0]}", f"`@Audio1` mood.mp3 · mp3, {sizes[1]}"]
        await here.admin.click(request, f"dailies:deny:{asked.id}").response()
        await here.told.ended(asked)


async def test_a_click_that_breaks_is_answered_and_what_it_decided_stands(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        asked, request = await asked_for_approval(here)
        here.told.world.faults.answer("PATCH", r"/messages/@original$", 404)
        clicked = here.admin.click(request, f"dailies:approve:{asked.id}")
        assert "Something broke on our side" in (await clicked.response()).content
        await here.told.clip(asked)


async def test_a_stale_button_is_checked_at_the_click(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        asked, request = await asked_for_approval(here)
        button = f"dailies:approve:{asked.id}"
        for stranger in (here.told.other, here.told.member):
            refused = await stranger.click(request, button).response()
            needs = f"This needs Manage Server or the role <@&{here.role_id}> in this server."
            assert (refused.content, refused.visible_to) == (needs, stranger.member.id)
        here.approver.member.role_ids.clear()
        assert "This needs Manage Server" in (await here.approver.click(request, button).response()).content
        job = await here.job(asked)
        assert job is not None
        assert job.state is JobState.APPROVING


async def test_of_two_approvers_the_first_wins_and_the_second_is_told(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        asked, request = await asked_for_approval(here)
        first = here.approver.click(request, f"dailies:approve:{asked.id}")
        second = here.admin.click(request, f"dailies:deny:{asked.id}")
        again = here.approver.click(request, f"dailies:approve:{asked.id}")
        said = [(await one.response()).content for one in (first, second, again)]
        assert sorted(text.startswith("That was settled before: <@") for text in said) == [False, True, True]
        job = await here.told.ended(asked)
        assert job.state in {JobState.DELIVERED, JobState.CANCELLED}
        trail = await here.told.workshop.views.audit(here.told.guild.id, limit=10, before_seq=None)
        decided = [(one.what, one.before, one.after) for one in trail if one.what.startswith("approval")]
        after = "approved" if job.state is JobState.DELIVERED else "denied"
        assert decided == [(f"approval of job {asked.id}, $0.40", "waiting", after)]


async def test_who_may_approve_need_not_ask(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("approve_above", "0.30")
        await here.set("approver_role", f"<@&{here.role_id}>")
        for by in (here.admin, here.approver):
            await here.told.clip(here.told.generate(by=by))
        assert len(here.provider.submits) == 2


async def test_the_requester_may_take_it_back_while_it_waits(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        asked, request = await asked_for_approval(here)
        card = await here.card(asked, "Waiting for approval")
        await here.told.member.click(card, f"dailies:cancel:{asked.id}").response()
        assert (await here.told.ended(asked)).state is JobState.CANCELLED
        settled = await here.request("Not decided")
        assert fields(settled)["Answer"].startswith("Cancelled before it was sent to Unifically")
        assert (settled.id, settled.components) == (request.id, [])
        assert await here.told.spent() == (0, 0)


async def test_without_its_channel_the_request_comes_where_the_clip_was_asked_for(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("approve_above", "0.30")
        await here.set("approval_channel", f"<#{here.desk.id}>")
        here.told.world.remove_channel(here.desk.id)
        asked = here.told.generate()
        request = await here.request("May this clip be made?", channel=here.told.channel)
        await here.admin.click(request, f"dailies:approve:{asked.id}").response()
        await here.told.clip(asked)
        here.told.world.violations.clear()  # a channel that is gone was this story's point


async def test_a_lost_answer_shows_the_request_once(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        place = rf"/channels/{here.desk.id}/messages$"
        here.told.world.faults.drop("POST", place, moment="after")
        asked, request = await asked_for_approval(here)
        await here.admin.click(request, f"dailies:approve:{asked.id}").response()
        await here.told.clip(asked)
        assert [one for one in here.told.world.messages(here.desk.id) if one.visible_to is None] == [request]


# -- confirming


async def test_a_price_is_confirmed_by_its_requester_alone(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("confirm_above", "0.30")
        asked = here.told.generate()
        card = await here.card(asked, "Do you agree to the price?")
        assert fields(card)["Price"] == "$0.40 at most. Nothing is held until you confirm; after an hour it is dropped."
        assert await here.told.spent() == (0, 0)
        assert here.told.world.threads(here.told.channel.id) == []
        button = f"dailies:confirm:{asked.id}"
        for stranger in (here.told.other, here.admin):
            assert "no job" in (await stranger.click(card, button).response()).content
        clicks = [here.told.member.click(card, button) for _ in range(2)]
        said = sorted([(await click.response()).content for click in clicks])
        assert [text.split(":")[0] for text in said] == [said[0], "This clip no longer waits for a word"]
        assert said[0].startswith("Confirmed.")
        await here.told.clip(asked)
        assert await here.told.spent() == (400_000, 0)


async def test_a_confirmed_price_may_still_need_approval(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("confirm_above", "0.30")
        await here.set("approve_above", "0.30")
        asked = here.told.generate()
        card = await here.card(asked, "Do you agree to the price?")
        said = await here.told.member.click(card, f"dailies:confirm:{asked.id}").response()
        assert "needs approval here" in said.content
        request = await here.request("May this clip be made?", channel=here.told.channel)
        await here.admin.click(request, f"dailies:approve:{asked.id}").response()
        await here.told.clip(asked)


async def test_a_refusal_at_the_click_is_for_the_requester_alone(tmp_path: Path) -> None:
    async with court(tmp_path, default_guild_budget_usd="0.50") as here:
        await here.set("confirm_above", "0.30")
        first, second = here.told.generate("one"), here.told.generate("two")
        cards = [await here.card(asked, "Do you agree to the price?") for asked in (first, second)]
        await here.told.member.click(cards[0], f"dailies:confirm:{first.id}").response()
        refused = await here.told.member.click(cards[1], f"dailies:confirm:{second.id}").response()
        assert "This server has $0.10 left of $0.50 this month" in refused.content
        assert refused.visible_to == here.told.member.member.id
        card = await here.card(second, "Refused")
        assert "What happened" not in fields(card)
        assert card.components == []
        await here.told.clip(first)


async def test_a_confirmation_taken_back_holds_nothing(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("confirm_above", "0.30")
        asked = here.told.generate()
        card = await here.card(asked, "Do you agree to the price?")
        await here.told.member.click(card, f"dailies:cancel:{asked.id}").response()
        assert (await here.told.ended(asked)).state is JobState.CANCELLED
        assert await here.told.spent() == (0, 0)
        assert here.provider.submits == []


# -- settings


async def test_settings_are_for_those_who_manage_the_server(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        place = here.told.channel.id
        with pytest.raises(ClientRefusalError):
            here.told.member.slash(place, "settings show")
        for name, options in (
            ("settings show", {}),
            ("settings set", {"name": "watermark", "value": "on"}),
            ("settings reset", {"name": "watermark"}),
        ):
            forced = here.told.member.slash(place, name, options=options, force=True)
            message = await forced.response()
            assert message.content == "This needs Manage Server in this server."
            assert message.visible_to == here.told.member.member.id


async def test_show_says_meaning_value_and_default(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("approve_above", "$2")
        await here.set("channels", f"<#{here.told.channel.id}> <#{here.desk.id}>")
        shown = await here.admin.slash(here.told.channel.id, "settings show").response()
        assert shown.visible_to == here.admin.member.id
        assert "**approve_above**: $2.00 (default none)\n-# above this price somebody must approve" in shown.content
        assert f"**channels**: <#{here.told.channel.id}> <#{here.desk.id}> (default none)" in shown.content
        assert "**time_zone**: UTC\n-# where days, weeks and months begin" in shown.content
        assert "_micros" not in shown.content
        assert shown.content.count("-# ") == 14
        reset = here.admin.slash(here.told.channel.id, "settings reset", options={"name": "approve_above"})
        assert (await reset.response()).content == "**approve_above** is now none; it was $2.00."
        trail = await here.told.workshop.views.audit(here.told.guild.id, limit=1, before_seq=None)
        assert [(one.actor, one.before, one.after) for one in trail] == [(str(here.admin.member.id), "$2.00", "none")]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("time_zone", "Europe/Berlni", "the nearest: Europe/Berlin"),
        ("time_zone", "", "nearest"),
        ("approve_above", "1e30", "is the most"),
        ("approve_above", "NaN", "must lie between"),
        ("approve_above", "-1", "must lie between"),
        ("confirm_above", "0.0000001", "six decimals"),
        ("longest_seconds", "0", "is not a whole number from 1 to 60"),
        ("allowed_tiers", "fast, best", "is no tier; there is fast, standard, pro"),
        ("allowed_tiers", ",", "names no tier; there is fast, standard, pro"),
        ("watermark", "perhaps", "is neither on nor off"),
        ("approval_channel", "studio", "names no channel; write it as a mention"),
        ("alert_channel", "<#123456789012345678>", "<#123456789012345678> is not a text channel of this server"),
        ("approver_role", "<@&123456789012345678>", "<@&123456789012345678> is not a role of this server"),
        ("retention_days", "366", "is not a whole number from 1 to 365"),
        ("blocklist", " , ", "needs one to 200 words"),
    ],
)
async def test_a_bad_value_is_refused_with_what_would_do(tmp_path: Path, name: str, value: str, why: str) -> None:
    async with court(tmp_path) as here:
        options = {"name": name, "value": value or "Atlantis"}
        asked = here.admin.slash(here.told.channel.id, "settings set", options=options)
        refused = await asked.response()
        assert why in refused.content
        assert "_micros" not in refused.content
        assert refused.visible_to == here.admin.member.id
        assert await here.told.workshop.views.audit(here.told.guild.id, limit=1, before_seq=None) == []


async def test_a_channel_of_another_server_is_refused(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        world = here.told.world
        elsewhere = world.add_guild("Elsewhere")
        options = {"name": "alert_channel", "value": f"<#{world.add_channel(elsewhere).id}>"}
        refused = await here.admin.slash(here.told.channel.id, "settings set", options=options).response()
        assert "is not a text channel of this server" in refused.content
        role = world.add_role(elsewhere, "Artists")
        options = {"name": "approver_role", "value": f"<@&{role.id}>"}
        refused = await here.admin.slash(here.told.channel.id, "settings set", options=options).response()
        assert "is not a role of this server" in refused.content


@pytest.mark.parametrize(
    ("name", "typed", "offered"),
    [
        ("time_zone", "berl", "Europe/Berlin"),
        ("time_zone", "", "UTC"),
        ("default_tier", "p", "pro"),
        ("watermark", "", "off"),
        ("approve_above", "", "2"),
    ],
)
async def test_values_are_offered_as_they_are_typed(tmp_path: Path, name: str, typed: str, offered: str) -> None:
    async with court(tmp_path) as here:
        asked = here.admin.autocomplete(
            here.told.channel.id, "settings set", focused="value", options={"name": name, "value": typed}
        )
        assert offered in [choice["value"] for choice in await asked.choices()]


async def offers(here: Court, name: str, typed: str = "", *, by: MemberClient | None = None) -> dict[str, str]:
    options = {"name": name, "value": typed}
    asked = (by or here.admin).autocomplete(
        here.told.channel.id, "settings set", focused="value", options=options, force=True
    )
    return {choice["value"]: choice["name"] for choice in await asked.choices()}


async def test_channels_and_roles_are_offered_by_name_as_mentions(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        here.told.world.add_channel(here.told.guild, "ideas", kind=ChannelType.FORUM)
        studio, desk = f"<#{here.told.channel.id}>", f"<#{here.desk.id}>"
        assert await offers(here, "alert_channel") == {studio: "#studio", desk: "#approvals", "none": "none"}
        assert await offers(here, "alert_channel", "#appr") == {desk: "#approvals", "none": "none"}
        assert await offers(here, "channels", f"{studio} app") == {f"{studio} {desk}": "#studio #approvals"}
        assert "#ideas" in (await offers(here, "channels")).values()
        assert await offers(here, "approver_role", "@prod") == {f"<@&{here.role_id}>": "@Producers", "none": "none"}
        assert await offers(here, "alert_channel", by=here.told.other) == {}


async def test_many_channels_are_offered_as_far_as_discord_takes_them(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        for number in range(30):
            here.told.world.add_channel(here.told.guild, f"room-{number}")
        assert len(await offers(here, "alert_channel")) == 25
        assert len(await offers(here, "alert_channel", "room-2")) == 12
        long = " ".join(f"<#{here.desk.id + number}>" for number in range(5))
        assert await offers(here, "channels", f"{long} room") == {}


async def test_a_forum_takes_clips_but_no_messages(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        forum = here.told.world.add_channel(here.told.guild, "ideas", kind=ChannelType.FORUM)
        for name in ("alert_channel", "approval_channel"):
            said = await here.set(name, f"<#{forum.id}>")
            assert said == f"<#{forum.id}> is not a text channel of this server."
        assert "is now" in await here.set("channels", f"<#{forum.id}>")


async def test_a_long_list_that_changed_at_its_end_is_said_to_have_changed(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        words = ", ".join(f"word{number}" for number in range(150))
        await here.set("blocklist", words)
        assert "is now word0, word1" in await here.set("blocklist", f"{words}, one more")


async def test_the_servers_choices_bind_and_hold_nothing_when_they_refuse(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        told = here.told
        await here.set("allowed_tiers", "fast, standard")
        assert "The rules here do not allow tier pro" in await told.refusal(told.generate(tier="pro"))
        await here.set("longest_seconds", "6")
        assert "do not allow length 8 s; allowed: up to 6 s" in await told.refusal(told.generate(duration=8))
        await here.set("blocklist", "dragon, knife")
        assert "'knife'" in await told.refusal(told.generate("a Knife, falling"))
        await here.set("channels", f"<#{here.desk.id}>")
        assert f"use <#{here.desk.id}>" in await told.refusal(told.generate())
        assert await told.spent() == (0, 0)
        assert here.provider.submits == []
        thread = told.world.add_thread(here.desk, "rushes")
        await told.clip(told.generate(channel_id=thread.id))


async def test_the_default_tier_is_used_where_the_member_did_not_say(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("default_tier", "pro")
        await here.told.clip(here.told.generate())
        await here.told.clip(here.told.generate(tier="fast"))
        await here.set("default_tier", "standard")
        asked = here.told.generate()
        await here.told.clip(asked)
        assert "• Unifically has no standard tier; fast is made instead." in fields(await asked.response())["Notes"]
        await here.set("allowed_tiers", "pro")
        await here.told.clip(here.told.generate())
        payloads: list[Any] = [submit.payload for submit in here.provider.submits]
        pro, fast = "bytedance/seedance-2.0-pro", payloads[1]["model"]
        assert [one["model"] for one in payloads] == [pro, fast, fast, pro]
        assert fast != pro


# -- alerts


async def test_each_threshold_is_said_once_with_where_the_budget_stands(tmp_path: Path) -> None:
    async with court(tmp_path, default_guild_budget_usd="2.00") as here:
        alerts = here.told.world.add_channel(here.told.guild, "alerts")
        await here.set("alert_channel", f"<#{alerts.id}>")
        for _ in range(5):
            await here.told.clip(here.told.generate())
        said = here.told.world.messages(alerts.id)
        shares = [60, 80, 100]
        assert [
            f"{share} % used or held this month" in one.content for share, one in zip(shares, said, strict=True)
        ] == [True] * 3
        assert "$0.80 left of $2.00 · $0.80 spent · $0.40 held · resets <t:" in said[0].content
        titles = [one.content.splitlines()[0] for one in said]
        assert titles == [
            "**Half of this server's budget is used.**",
            "**This server's budget runs low.**",
            "**This server's budget is used up.**",
        ]
        assert {one.pings for one in said} == {Pings()}


# -- over a restart


async def test_a_restart_changes_nothing_for_a_waiting_job(tmp_path: Path) -> None:
    async with court(tmp_path) as here:
        await here.set("confirm_above", "0.30")
        await here.set("approve_above", "0.30")
        asked = here.told.generate()
        card = await here.card(asked, "Do you agree to the price?")
        await here.told.restart()
        await here.told.member.click(card, f"dailies:confirm:{asked.id}").response()
        request = await here.request("May this clip be made?", channel=here.told.channel)
        assert await here.told.spent() == (0, 400_000)
        await here.told.restart()
        await here.admin.click(request, f"dailies:approve:{asked.id}").response()
        await here.told.clip(asked)
        assert await here.told.spent() == (400_000, 0)
        messages = here.told.world.messages(here.told.channel.id)
        requests = [one for one in messages if one.nonce == f"{asked.id}-appr"]
        assert [one.embeds[0]["title"] for one in requests] == ["Approved"]
