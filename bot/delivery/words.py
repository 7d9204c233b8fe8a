"""Sentences: what people read about a job."""

from discord.utils import escape_markdown, escape_mentions

from bot.domain.jobs import Fitting, Job, JobState, Offer, Work
from bot.domain.quota import dollars
from bot.domain.references import MEGABYTE
from bot.domain.requests import Plan

MESSAGE_CHARS = 2000
"""https://docs.discord.com/developers/resources/message"""
STAGES = {
    JobState.COLLECTING: "Collecting the references",
    JobState.CONFIRMING: "Do you agree to the price?",
    JobState.APPROVING: "Waiting for approval",
    JobState.QUEUED: "In the queue",
    JobState.SUBMITTING: "Handing over to the provider",
    JobState.UNCERTAIN: "Waiting: the provider's answer was lost",
    JobState.RUNNING: "Being made",
    JobState.FETCHING: "Finished, fetching the clip",
    JobState.FITTING: "Finished, preparing the file",
    JobState.POSTING: "Posting the clip",
    JobState.DELIVERED: "Delivered",
    JobState.REFUSED: "Refused",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Cancelled",
    JobState.ABANDONED: "Given up",
    JobState.UNDELIVERABLE: "Kept, not posted",
}

STAGES_OF_WORK: dict[Work, dict[JobState, str]] = {
    Work.CLIP: {},
    Work.PREVIEW: {
        JobState.QUEUED: "The preview is in the queue",
        JobState.RUNNING: "The preview is being drawn",
        JobState.DELIVERED: "Preview",
    },
    Work.FILM: {
        JobState.COLLECTING: "Looking for the clips",
        JobState.FITTING: "Joining the clips",
        JobState.POSTING: "Posting the film",
        JobState.DELIVERED: "Film",
    },
}


def stage(job: Job, *, ahead: int | None = None) -> str:
    """The true stage of a job; `ahead` is how many start before it."""
    words = STAGES_OF_WORK[job.work].get(job.state, STAGES[job.state])
    if job.state is JobState.CONFIRMING and job.plan is not None and job.plan.changes:
        return "May your files be changed like this?"
    if job.state is JobState.COLLECTING and job.has_agreed:
        return "Changing the files as agreed"
    if job.state is JobState.QUEUED and job.work is Work.CLIP and ahead is not None:
        return f"{words}: next" if ahead == 0 else f"{words}: {ahead} before it"
    return _running(job, words) if job.state is JobState.RUNNING else words


def _running(job: Job, words: str) -> str:
    if job.is_late:
        return "Overdue: free if it still comes"
    if job.progress:
        return f"{words}: {job.progress} %"
    return f"{words}: it can no longer be stopped" if job.cancel_asked else words


def options(plan: Plan) -> str:
    """`Fast · 5 s · 16:9 · 720p · sound · seed 7`."""
    parts = [plan.tier.value.capitalize(), f"{plan.duration_seconds} s", plan.aspect.value, plan.resolution]
    parts.append("sound" if plan.sound else "silent")
    parts += [] if plan.seed is None else [f"seed {plan.seed}"]
    return " · ".join(parts)


def offer(one: Offer) -> str:
    """A button's label, 80 characters at most; cents, rounded up, are enough to decide by."""
    cents = -(-one.quote_micros // 10_000)
    made = f"{one.tier.value.capitalize()}, {one.resolution}"
    return f"Make it at {one.title} ({made}): {dollars(cents * 10_000)} at most"


def expected(job: Job) -> str:
    """When such a clip is usually ready, as the reader's own clock counts; empty where nobody can say."""
    if job.state not in {JobState.QUEUED, JobState.SUBMITTING, JobState.RUNNING}:
        return ""
    if job.ready_from_ms is None or job.ready_until_ms is None:
        return ""
    return f"<t:{job.ready_from_ms // 1000}:R> – <t:{job.ready_until_ms // 1000}:R>"


def price(job: Job) -> str:
    """What is held, charged or freed, as the job's state has it."""
    quoted = dollars(job.quote_micros or 0)
    match job.state:
        case JobState.DELIVERED:
            return f"{dollars(job.cost_micros)} charged" if job.cost_micros else "Free"
        case JobState.FAILED | JobState.CANCELLED | JobState.ABANDONED | JobState.UNDELIVERABLE | JobState.REFUSED:
            return "Nothing charged"
        case JobState.CONFIRMING:
            return f"{quoted} at most. Nothing is held until you confirm; after an hour it is dropped."
        case _ if not job.quote_micros:
            return "Free"
        case JobState.COLLECTING:
            return f"{quoted} at most. Nothing is held yet."
        case _:
            return f"{quoted} held, never more"


def fitted(job: Job) -> str:
    """What was done to the file, where it was more than a new wrapping."""
    if job.fitting is not Fitting.ENCODE or not job.clip_bytes or not job.upload_bytes:
        return ""
    before, after = job.clip_bytes / MEGABYTE, job.upload_bytes / MEGABYTE
    return f"Re-encoded so that it plays and fits here ({before:.1f} → {after:.1f} MB)."


def line(job: Job) -> str:
    """One job in a list: stage, price, when, and the prompt's beginning."""
    cost = f" · {price(job)}" if job.quote_micros is not None else ""
    when = f"<t:{job.created_ms // 1000}:R>"
    return f"**{stage(job)}**{cost} · {when}\n-# {plain(job.title)} · job {job.id}"


def fitting(lines: list[str]) -> str:
    """As many lines as one message takes."""
    text = ""
    for line_ in lines:
        if len(text) + len(line_) + 1 > MESSAGE_CHARS:
            break
        text = f"{text}\n{line_}".strip()
    return text


def unformatted(text: str) -> str:
    """A sentence of ours with somebody's words in it: no markdown, but the mentions we wrote stay."""
    return escape_markdown(text)


def plain(text: str) -> str:
    """What a member typed, without its markdown and mentions taking effect."""
    return escape_mentions(escape_markdown(text))
