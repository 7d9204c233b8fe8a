"""Chains as they are shown: what was refused is nobody else's business."""

from dataclasses import replace

from bot.domain.jobs import Job, JobState, Work
from bot.domain.references import Reference
from bot.domain.requests import Request
from bot.domain.slots import Kind, Slot
from bot.storage.books import SqliteBooks
from bot.storage.views import SqliteViews
from tests.storage.making import new_job

PICTURE = Reference(place=Slot(kind=Kind.IMAGE, number=1), name="a.png", source="https://x", declared_bytes=1_000)


def a_clip(job_id: int, state: JobState, *, parent_id: int | None = None) -> Job:
    return replace(new_job(job_id), state=state, parent_id=parent_id, message_id=job_id * 10, last_frame="f")


async def test_what_was_refused_or_may_yet_be_is_seen_only_from_itself(books: SqliteBooks, views: SqliteViews) -> None:
    first = a_clip(1, JobState.DELIVERED)
    states = [JobState.REFUSED, JobState.COLLECTING, JobState.FAILED, JobState.CONFIRMING, JobState.DELIVERED]
    branches = [a_clip(n, state, parent_id=1) for n, state in enumerate(states, start=2)]
    await books.write(lambda tx: [tx.jobs.add(job) for job in (first, *branches)])
    assert [job.id for job in await views.family_of(1)] == [1, 5, 6]
    assert [job.id for job in await views.family_of(2)] == [1, 2, 5, 6]


async def test_a_clip_is_found_by_the_message_that_carries_it(books: SqliteBooks, views: SqliteViews) -> None:
    clip, film = a_clip(1, JobState.DELIVERED), replace(a_clip(2, JobState.DELIVERED, parent_id=1), work=Work.FILM)
    await books.write(lambda tx: [tx.jobs.add(job) for job in (clip, film)])
    assert await views.clip_at(message_id=10) == clip
    assert await views.clip_at(message_id=20) is None
    assert await views.clip_at(message_id=30) is None


async def test_previews_and_films_count_no_copies(books: SqliteBooks) -> None:
    asked = replace(new_job(1), request=Request(prompt="@Image1 wakes", references=(PICTURE,)))
    shown = replace(asked, id=2, work=Work.PREVIEW, parent_id=1)
    await books.write(lambda tx: [tx.jobs.add(job) for job in (asked, shown)])
    assert await books.write(lambda tx: tx.jobs.open_bytes(guild_id=1, member_id="7")) == 1_000
