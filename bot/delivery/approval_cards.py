"""Telling a server's admins: the request for approval with its two buttons, and that a budget runs low."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import discord

from bot.delivery import words
from bot.delivery.bars import bar, standing_line
from bot.delivery.buttons import ApprovalButton
from bot.delivery.posting import FRESH_MS, NO_PLACE, translated
from bot.domain.errors import ApprovalDeniedError, UndeliverableError
from bot.domain.jobs import ChannelTarget, Job, JobState, Question
from bot.domain.quota import Leg, Period, dollars
from bot.domain.references import MEGABYTE, Reference, StoredReference
from bot.ports.views import Standing

PROMPT_CHARS = 1200
NAME_CHARS = 22
FIELD_CHARS_MAX = 1024
"""https://docs.discord.com/developers/resources/message"""
FOUND_MAX = 100
"""How many messages back an earlier post is looked for, beyond what its nonce remembers."""
PERIODS = {
    Period.DAY: "today",
    Period.WEEK: "this week",
    Period.MONTH: "this month",
    Period.TOTAL: "in all",
}
TITLES = {
    100: "This server's budget is used up.",
    95: "This server's budget is nearly used up.",
    80: "This server's budget runs low.",
    50: "Half of this server's budget is used.",
    0: "This server's budget:",
}
OPEN, YES, NO = 0xE6A23C, 0x3BA55D, 0x80848E


class ApprovalCards:
    """Posts as the bot and mentions nobody: a request must not become a way to ping admins."""

    def __init__(self, *, client: discord.Client, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._now_ms = now_ms

    async def ask(self, *, job: Job, channel_id: int | None) -> Question | None:
        """The next place only after a definite refusal of the one before; a deleted card is not drawn again."""
        if not isinstance(job.target, ChannelTarget):
            return None
        with translated():
            if job.target.question is not None:
                await self._edit(job, job.target.question)
                return job.target.question
            for place in dict.fromkeys((channel_id, job.target.channel_id)):
                question = None if place is None else await self._ask_in(job, place)
                if question is not None:
                    return question
        return None

    async def warn(self, *, job: Job, channel_id: int, budgets: Sequence[tuple[Leg, Standing]]) -> None:
        try:
            with translated():
                await self._channel(job, channel_id).send(
                    warning(budgets), nonce=f"{job.id}-alrt", allowed_mentions=discord.AllowedMentions.none()
                )
        except discord.HTTPException as fault:
            raise UndeliverableError(reason=fault.text or str(fault), job=str(job.id)) from fault

    async def _ask_in(self, job: Job, channel_id: int) -> Question | None:
        try:
            message = await self._found(job, channel_id)
            if message is not None:
                await self._edit(job, Question(channel_id=channel_id, message_id=message.id))
            elif job.state is JobState.APPROVING:
                message = await self._channel(job, channel_id).send(
                    embed=card(job),
                    view=buttons(job),
                    nonce=f"{job.id}-appr",
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except discord.HTTPException as fault:
            if fault.code not in NO_PLACE and fault.status not in {403, 404}:
                raise
            return None
        return None if message is None else Question(channel_id=channel_id, message_id=message.id)

    async def _edit(self, job: Job, question: Question) -> None:
        message = self._channel(job, question.channel_id).get_partial_message(question.message_id)
        try:
            await message.edit(embed=card(job), view=buttons(job), allowed_mentions=discord.AllowedMentions.none())
        except (discord.NotFound, discord.Forbidden):
            return

    async def _found(self, job: Job, channel_id: int) -> discord.Message | None:
        """An earlier post whose answer was lost."""
        if job.state is JobState.APPROVING and self._now_ms() - job.since_ms <= FRESH_MS:
            return None
        after = datetime.fromtimestamp(job.created_ms / 1000, tz=UTC)
        try:
            async for message in self._channel(job, channel_id).history(limit=FOUND_MAX, after=after):
                if any(embed.footer.text == _footer(job) for embed in message.embeds):
                    return message
        except discord.Forbidden:  # it may post here, but not read what was posted
            return None
        return None

    def _channel(self, job: Job, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id, guild_id=job.guild_id)


def card(job: Job) -> discord.Embed:
    """Who asks for what at which price, and the answer once there is one."""
    text = job.request.prompt
    cut = text if len(text) <= PROMPT_CHARS else text[: PROMPT_CHARS - 1] + "…"
    embed = discord.Embed(title=_title(job), description=words.plain(cut), colour=_colour(job))
    embed.add_field(name="Asked by", value=f"<@{job.member_id}>")
    if job.request.references:
        embed.add_field(name="References", value=_references(job), inline=False)
    if job.plan is not None:
        embed.add_field(name="Clip", value=words.options(job.plan), inline=False)
        embed.add_field(name="Price", value=_price(job), inline=False)
    if job.state is not JobState.APPROVING:
        embed.add_field(name="Answer", value=outcome(job), inline=False)
    elif isinstance(job.target, ChannelTarget):
        link = f"https://discord.com/channels/{job.guild_id}/{job.target.channel_id}/{job.target.status_message_id}"
        embed.add_field(name="The request", value=link, inline=False)
    embed.set_footer(text=_footer(job))
    return embed


def _references(job: Job) -> str:
    """Each slot with its file, of the kind and size that its own bytes turned out to have."""
    stored = {} if job.plan is None else {one.place: one for one in job.plan.references}
    lines = [_reference(one, stored.get(one.place)) for one in job.request.references]
    while len("\n".join(lines)) > FIELD_CHARS_MAX:
        lines = [*lines[:-2], "…"]
    return "\n".join(lines)


def _reference(one: Reference, stored: StoredReference | None) -> str:
    name = one.name if len(one.name) <= NAME_CHARS else f"…{one.name[1 - NAME_CHARS :]}"
    size_bytes = one.declared_bytes if stored is None else stored.size_bytes
    kind = "" if stored is None else f"{stored.info.format}, "
    return f"`{one.place}` {words.plain(name)} · {kind}{_size(size_bytes)}"


def _size(size_bytes: int) -> str:
    if size_bytes < MEGABYTE:
        return f"{max(size_bytes // 1000, 1)} kB"
    return f"{size_bytes / MEGABYTE:.1f} MB"


def buttons(job: Job) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    if job.state is JobState.APPROVING:
        view.add_item(ApprovalButton(job.id, is_approved=True))
        view.add_item(ApprovalButton(job.id, is_approved=False))
    return view


def outcome(job: Job) -> str:
    """What became of the question."""
    who = _answered_by(job)
    if who is not None:
        verb = "denied" if _is_denied(job) else "approved"
        return f"<@{who}> {verb} it."
    return job.error_text or "It is no longer waiting."


def warning(budgets: Sequence[tuple[Leg, Standing]]) -> str:
    """Where each budget stands now, in the order of need."""
    shares = sorted(budgets, key=lambda one: -_percent(*one))
    used = _percent(*shares[0])
    title = next(said for percent, said in TITLES.items() if used >= percent)
    return "\n".join([f"**{title}**", *(_budget(leg, standing) for leg, standing in shares)])


def _budget(leg: Leg, standing: Standing) -> str:
    limit, spent, held = leg.limit or 0, standing.spent, standing.held
    line = standing_line(unit=leg.unit, limit=limit, spent=spent, held=held, window=leg.window)
    used = f"{_percent(leg, standing)} % used or held {PERIODS[leg.window.period]}"
    return f"`{bar(spent, held, limit)}` {used}\n-# {line}"


def _percent(leg: Leg, standing: Standing) -> int:
    return (standing.spent + standing.held) * 100 // (leg.limit or 1)


def _answered_by(job: Job) -> str | None:
    question = job.target.question if isinstance(job.target, ChannelTarget) else None
    return None if question is None else question.answered_by


def _is_denied(job: Job) -> bool:
    return job.error_code == ApprovalDeniedError.code


def _title(job: Job) -> str:
    if job.state is JobState.APPROVING:
        return "May this clip be made?"
    if _answered_by(job) is None:
        return "Not decided"
    return "Denied" if _is_denied(job) else "Approved"


def _price(job: Job) -> str:
    """An approved card is not drawn again when the clip is charged, so it says what stays true."""
    is_approved = _answered_by(job) is not None and not _is_denied(job)
    return f"{dollars(job.quote_micros or 0)} at most" if is_approved else words.price(job)


def _colour(job: Job) -> int:
    if job.state is JobState.APPROVING:
        return OPEN
    return NO if _answered_by(job) is None or _is_denied(job) else YES


def _footer(job: Job) -> str:
    return f"Approval · job {job.id}"
