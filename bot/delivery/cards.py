"""A job as a card: one embed that is edited along the way, with its buttons."""

from collections.abc import Sequence
from dataclasses import replace

import discord

from bot.delivery import words
from bot.delivery.buttons import CancelButton, ClipAct, ClipButton, ConfirmButton, OfferButton
from bot.delivery.tree import total, tree
from bot.domain.chains import PREVIEWER, path_in
from bot.domain.changes import Change
from bot.domain.jobs import PREVIEWABLE, Fitting, Job, JobState, Work
from bot.domain.requests import Plan

PROMPT_CHARS = 1200
NAME_CHARS = 22
NOTE_CHARS, NOTES_CHARS = 400, 600
MORE_CHARS = 20
CANCELLABLE = frozenset({JobState.CONFIRMING, JobState.APPROVING, JobState.QUEUED, JobState.RUNNING})
COLOURS = {
    JobState.DELIVERED: 0x3BA55D,
    JobState.FAILED: 0xD83C3E,
    JobState.ABANDONED: 0xD83C3E,
    JobState.UNDELIVERABLE: 0xE6A23C,
    JobState.UNCERTAIN: 0xE6A23C,
    JobState.CANCELLED: 0x80848E,
    JobState.REFUSED: 0x80848E,
    JobState.CONFIRMING: 0xE6A23C,
    JobState.APPROVING: 0xE6A23C,
}
UNDER_WAY = 0x5865F2
EMBED_CHARS = 6000
FIELD_CHARS = 1024
"""Of all of an embed, and of one field's value (https://docs.discord.com/developers/resources/message)."""


def card(job: Job, *, ahead: int | None = None, family: Sequence[Job] = (), strip: str | None = None) -> discord.Embed:
    """Stage, prompt, slots with their names, options, price, notes; an error where there is one.

    `family` is every clip of its chain, `strip` the name of the attached picture of its references.
    """
    embed = discord.Embed(
        title=words.stage(job, ahead=ahead),
        description=_prompt(job),
        colour=COLOURS.get(job.state, UNDER_WAY),
    )
    if job.request.references and job.work is not Work.FILM:
        embed.add_field(name="References", value=_references(job), inline=False)
    if job.plan is not None:
        _add_plan(embed, job, job.plan)
    if job.work is Work.FILM:
        embed.add_field(name="Joined", value=total(path_in(family, job.parent_id or 0)), inline=False)
    elif len(family) > 1:
        embed.add_field(name="Chain", value=_cut(tree(family, job.id)), inline=False)
    if strip is not None:
        embed.set_image(url=f"attachment://{strip}")
    if job.error_text and job.state is not JobState.REFUSED:  # why is for the requester's eyes alone
        embed.add_field(name="What happened", value=_cut(words.plain(job.error_text)), inline=False)
    if job.message_id is not None and job.channel_id is not None:
        embed.add_field(name="The clip", value=jump_link(job), inline=False)
    # Whoever asked knows the prompt; the rest is news.
    over = len(embed) - EMBED_CHARS
    if over > 0:
        embed.description = _cut(embed.description or "", max(len(embed.description or "") - over, 1))
    return embed


def _add_plan(embed: discord.Embed, job: Job, plan: Plan) -> None:
    embed.add_field(name="Clip", value=words.options(plan), inline=False)
    embed.add_field(name="Price", value=words.price(job), inline=False)
    if expected := words.expected(job):
        embed.add_field(name="Usually ready", value=expected, inline=False)
    if plan.changes and job.state is JobState.CONFIRMING:
        for block in _blocks(_changes(plan.changes), most=3):
            embed.add_field(name="What will be done", value=block, inline=False)
    if plan.notes:
        embed.add_field(name="Notes", value=_blocks(_bullets(plan.notes), room=NOTES_CHARS)[0], inline=False)
    embed.set_footer(text=f"{plan.provider} · job {job.id}")


def buttons(job: Job) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    if job.state is JobState.CONFIRMING:
        view.add_item(ConfirmButton(job.id))
        if job.plan and any(not change.is_needed for change in job.plan.changes):
            view.add_item(ConfirmButton(job.id, as_is=True))
    for offer in job.offers:
        view.add_item(OfferButton(job.id, offer.key, label=words.offer(offer)))
    if job.work is Work.CLIP and job.state in PREVIEWABLE and job.plan and job.plan.provider != PREVIEWER:
        view.add_item(ClipButton(ClipAct.PREVIEW, job.id))
    if job.state in CANCELLABLE and not job.cancel_asked:
        view.add_item(CancelButton(job.id, may_cost=job.state is JobState.RUNNING and bool(job.quote_micros)))
    return view


def clip_buttons(job: Job, *, in_server: bool = True) -> discord.ui.View:
    """What stands under a clip, a film or a preview; each is checked again when it is clicked.

    In a direct message nothing new can be asked for: there is no server whose rules would hold.
    """
    acts = {
        Work.CLIP: [ClipAct.EXTEND, ClipAct.CHANGE, ClipAct.FRAME, ClipAct.SHEET],
        Work.FILM: [ClipAct.FRAME, ClipAct.SHEET],
        Work.PREVIEW: [ClipAct.SHEET],
    }[job.work]
    # Without its last frame nothing continues it.
    without = set() if in_server else {ClipAct.EXTEND, ClipAct.CHANGE}
    without |= set() if job.last_frame else {ClipAct.EXTEND, ClipAct.FRAME}
    kept = [act for act in acts if act not in without]
    original = [ClipAct.ORIGINAL] if job.fitting is Fitting.ENCODE else []
    view = discord.ui.View(timeout=None)
    for act in (*kept, *original):
        view.add_item(ClipButton(act, job.id))
    return view


def jump_link(job: Job) -> str:
    return f"https://discord.com/channels/{job.guild_id or '@me'}/{job.channel_id}/{job.message_id}"


def clip_content(job: Job, *, chain: Sequence[Job] = ()) -> str:
    """The message under which the clip stands: the requester, then the facts in small type; `chain` is a film's."""
    said = {
        Work.CLIP: "your clip is ready.",
        Work.FILM: "your film is ready.",
        Work.PREVIEW: "the preview: a storyboard made here, free of charge. The clip itself is not made yet.",
    }[job.work]
    made = words.options(job.plan) if job.plan else total(chain) if chain else ""
    late = "It came after it was given up, so it is free." if job.is_late else ""
    facts = [made, words.fitted(job), late]
    return "\n".join([f"<@{job.member_id}> {said}", *(f"-# {fact}" for fact in facts if fact)])


def _prompt(job: Job) -> str:
    text = job.request.prompt
    cut = text if len(text) <= PROMPT_CHARS else text[: PROMPT_CHARS - 1] + "…"
    return words.plain(cut)


def _references(job: Job) -> str:
    lines = [f"`{one.place}` {words.plain(_short(one.name))}" for one in job.request.references]
    return _cut("\n".join(lines))


def _short(name: str) -> str:
    """Seventeen names fit one field; a name's end says most."""
    return name if len(name) <= NAME_CHARS else f"…{name[1 - NAME_CHARS :]}"


def _changes(changes: Sequence[Change]) -> list[str]:
    """Short names, so that every change can be read before it is agreed to."""
    return _bullets([replace(change, name=_short(change.name)).sentence for change in changes])


def _bullets(notes: Sequence[str]) -> list[str]:
    return [f"• {_cut(words.plain(note), NOTE_CHARS)}" for note in notes]


def _blocks(lines: Sequence[str], *, most: int = 1, room: int = FIELD_CHARS) -> list[str]:
    """Whole lines in at most so many fields; what does not go in is counted in the last."""
    blocks = [""]
    for at, line in enumerate(lines):
        is_last = len(blocks) == most
        kept_free = MORE_CHARS if is_last and at < len(lines) - 1 else 0
        joined = f"{blocks[-1]}\n{line}".strip()
        if len(joined) <= room - kept_free:
            blocks[-1] = joined
        elif not is_last:
            blocks.append(line)
        else:
            blocks[-1] = f"{blocks[-1]}\n… and {len(lines) - at} more"
            break
    return blocks


def _cut(text: str, limit: int = FIELD_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
