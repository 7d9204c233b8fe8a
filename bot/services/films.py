"""What may be made of a clip that exists: its continuation, a changed version, a film of its chain, a preview."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain.chains import KEPT, PREVIEWER, Continuation, begun_from, changed, continued, frame_of_video
from bot.domain.errors import BotError
from bot.domain.film_errors import (
    ClipGoneError,
    ClipUnknownError,
    FilmAloneError,
    NoClipHereError,
    PreviewBusyError,
    PreviewTooLateError,
)
from bot.domain.jobs import PREVIEWABLE, ChannelTarget, Job, JobState, Target, Work
from bot.domain.request_errors import JobUnknownError
from bot.domain.requests import Aspect, Request
from bot.ports.books import Books, Transaction
from bot.ports.outside import Media
from bot.ports.views import Views
from bot.services.bell import Bell
from bot.services.intake import Intake

CLIPS_LOOKED_THROUGH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for a new job, and where it goes; `channel_id` is where they are."""

    job_id: int
    guild_id: int | None
    channel_id: int
    member_id: str
    role_ids: tuple[int, ...]
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video file on somebody's message."""

    name: str
    link: str
    size_bytes: int
    message_id: int


class Films:
    """Writes the jobs down; a clip is only found where it stands, for whoever sees it there may use it."""

    def __init__(
        self,
        *,
        books: Books,
        views: Views,
        media: Media,
        intake: Intake,
        bell: Bell,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._views = views
        self._media = media
        self._intake = intake
        self._bell = bell
        self._now_ms = now_ms

    async def clips_here(self, *, guild_id: int | None, channel_id: int) -> list[Job]:
        """The newest first."""
        return await self._views.clips_here(guild_id=guild_id, channel_id=channel_id, limit=CLIPS_LOOKED_THROUGH)

    async def extend(self, asked: Asked, *, clip_id: int | None, wish: Continuation) -> Job:
        """Continue a clip, the newest one here unless it is named. Raises RequestError."""
        parent = await (self._newest(asked) if clip_id is None else self.clip(asked, clip_id))
        await self._check_frame(parent)
        return await self._begin(asked, continued(parent, wish), parent_id=parent.id)

    async def clip_on(self, asked: Asked, *, message_id: int) -> Job | None:
        """The clip of ours that a message carries."""
        found = await self._views.clip_at(message_id=message_id)
        return found if found is not None and _stands(found, asked) else None

    async def extend_video(self, asked: Asked, *, video: Video, wish: Continuation) -> Job:
        """Continue any video; one of ours keeps its place in the chain."""
        parent = await self.clip_on(asked, message_id=video.message_id)
        if parent is not None:
            return await self.extend(asked, clip_id=parent.id, wish=wish)
        frame = frame_of_video(name=video.name, source=video.link, size_bytes=video.size_bytes)
        return await self._begin(asked, begun_from(frame, wish), parent_id=None)

    async def change(self, asked: Asked, *, video: Video, prompt: str) -> Job:
        """A new clip with the video as @Video1."""
        request = changed(prompt=prompt, name=video.name, source=video.link, size_bytes=video.size_bytes)
        return await self._begin(asked, request, parent_id=None)

    async def join(self, asked: Asked, *, clip_id: int) -> Job:
        """One film of the chain that leads to a clip; costs nothing. Raises RequestError."""
        clip = await self.clip(asked, clip_id)
        chain = await self._views.path_to(clip.id)
        if len(chain) < 2:  # noqa: PLR2004 -- a film is of two clips at least
            raise FilmAloneError(clip=str(clip.id))
        for one in chain:
            if self._media.clip_path(job_id=one.id) is None:
                raise await self._gone(one)
        # The whole request: a prompt may name what came along.
        film = self._job(asked, Work.FILM, parent_id=clip.id, request=clip.request)
        return await self._write(lambda tx: tx.jobs.add(film))

    async def preview(self, asked: Asked, *, job_id: int) -> Job:
        """The storyboard of a job that waits, free and one at a time for each member. Raises RequestError."""
        return await self._write(lambda tx: self._preview(tx, asked, job_id))

    async def clip(self, asked: Asked, clip_id: int) -> Job:
        """A delivered clip that stands in the channel or was asked for there. Raises ClipUnknownError."""
        for job in await self._views.path_to(clip_id):
            if job.id == clip_id and _stands(job, asked):
                return job
        raise ClipUnknownError(clip=str(clip_id))

    async def _gone(self, clip: Job) -> BotError:
        guild_id = clip.guild_id or 0
        choices = await self._books.write(lambda tx: tx.rules.settings(guild_id))
        return ClipGoneError(clip=str(clip.id), days=choices.retention_days)

    async def _newest(self, asked: Asked) -> Job:
        newest = await self._views.clips_here(guild_id=asked.guild_id, channel_id=asked.channel_id, limit=1)
        if not newest:
            raise NoClipHereError
        return newest[0]

    async def _check_frame(self, parent: Job) -> None:
        try:
            await asyncio.to_thread(self._media.stored_path, sha256=parent.last_frame or "")
        except FileNotFoundError as error:
            raise await self._gone(parent) from error

    async def _begin(self, asked: Asked, request: Request, *, parent_id: int | None) -> Job:
        return await self._intake.accept(
            job_id=asked.job_id,
            guild_id=asked.guild_id,
            member_id=asked.member_id,
            role_ids=asked.role_ids,
            target=asked.target,
            request=request,
            parent_id=parent_id,
        )

    def _preview(self, tx: Transaction, asked: Asked, job_id: int) -> Job:
        doubled = tx.jobs.get(asked.job_id)
        if doubled is not None:
            return doubled
        job = tx.jobs.get(job_id)
        if job is None or (job.guild_id, job.member_id) != (asked.guild_id, asked.member_id):
            raise JobUnknownError(job=str(job_id))
        if job.state not in PREVIEWABLE or job.plan is None:
            raise PreviewTooLateError
        if tx.jobs.open_of(guild_id=asked.guild_id, member_id=asked.member_id, work=Work.PREVIEW):
            raise PreviewBusyError
        preview = self._job(asked, Work.PREVIEW, parent_id=job.id, request=_previewed(job))
        return tx.jobs.add(replace(preview, target=_without_thread(preview.target)))

    def _job(self, asked: Asked, work: Work, *, parent_id: int, request: Request) -> Job:
        now_ms = self._now_ms()
        return Job(
            id=asked.job_id,
            guild_id=asked.guild_id,
            member_id=asked.member_id,
            role_ids=asked.role_ids,
            work=work,
            parent_id=parent_id,
            target=asked.target,
            request=request,
            created_ms=now_ms,
            since_ms=now_ms,
            due_ms=now_ms,
        )

    async def _write(self, work: Callable[[Transaction], Job]) -> Job:
        job = await self._books.write(work)
        self._bell.ring()
        return job


def _stands(job: Job, asked: Asked) -> bool:
    delivered = job.state is JobState.DELIVERED and job.work is Work.CLIP and job.last_frame is not None
    places = {job.channel_id, getattr(job.target, "channel_id", None)}
    return delivered and job.guild_id == asked.guild_id and asked.channel_id in places


def _without_thread(target: Target) -> Target:
    """A preview stands beside the card that it is of."""
    return replace(target, opens_thread=False) if isinstance(target, ChannelTarget) else target


def _previewed(job: Job) -> Request:
    """What the storyboard needs of a request, with the references that were copied for it."""
    plan = job.plan
    if plan is None:
        raise ValueError(f"job {job.id} has no plan to preview")
    references = tuple(replace(one.reference, source=f"{KEPT}{one.sha256}") for one in plan.references)
    return Request(
        prompt=job.request.prompt,
        references=references,
        duration_seconds=plan.duration_seconds,
        aspect=None if plan.aspect is Aspect.AUTO else plan.aspect,
        sound=plan.sound,
        seed=plan.seed,
        camera=job.request.camera,
        provider=PREVIEWER,
    )
