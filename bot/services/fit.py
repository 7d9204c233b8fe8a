"""FITTING: a film is joined and its last frame taken, and the clip brought under its target's limit."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from bot.domain.errors import BotError, DeliveryError, UndeliverableError
from bot.domain.film_errors import FilmImpossibleError
from bot.domain.jobs import Fitting, Job, JobState, Work
from bot.domain.pacing import backoff_seconds
from bot.ports.books import Books
from bot.ports.outside import Delivery, Fitted, Media, Studio, StudioBusyError, StudioRefusalError, Take, TryLaterError
from bot.services.moves import end, move

FIT_SECONDS_MAX = 6 * 3600
"""So long a machine without time or memory is waited out; the clip itself is safe on our disk."""

log = structlog.get_logger(__name__)


class Fitter:
    """Works on files that are on our disk: doing it again after a stop gives the same."""

    def __init__(
        self, *, books: Books, media: Media, studio: Studio, delivery: Delivery, now_ms: Callable[[], int]
    ) -> None:
        self._books = books
        self._media = media
        self._studio = studio
        self._delivery = delivery
        self._now_ms = now_ms

    async def step(self, job: Job) -> None:
        try:
            clip = await self._clip(job)
            if clip is None:
                await self._fetch_anew(job)
                return
            last_frame = job.last_frame or await self._last_frame(job, clip)
            fitted = await self._fitted(job, clip)
        except (TryLaterError, StudioBusyError) as fault:
            await self._again(job, str(fault))
        except StudioRefusalError as refusal:
            await self._end(job, _cannot(job, str(refusal)))
        except DeliveryError as refusal:
            await self._end(job, refusal)
        else:
            await self._ready(job, clip, last_frame, fitted)

    async def _clip(self, job: Job) -> Path | None:
        kept = await asyncio.to_thread(self._media.clip_path, job_id=job.id)
        if kept is not None or job.work is not Work.FILM or job.parent_id is None:
            return kept
        chain = await self._books.write(lambda tx: tx.jobs.path_to(job.parent_id or 0))
        takes = [self._take(one) for one in chain]
        return (await self._studio.film(job_id=job.id, takes=takes)).path

    def _take(self, job: Job) -> Take:
        clip = self._media.clip_path(job_id=job.id)
        if clip is None:
            raise StudioRefusalError("one of its clips is no longer kept")
        return Take(clip=clip, last_frame=job.last_frame)

    async def _last_frame(self, job: Job, clip: Path) -> str | None:
        """A clip without it is a clip all the same."""
        try:
            return await self._studio.last_frame(clip=clip)
        except StudioRefusalError as refusal:
            log.warning("no last frame", reason=str(refusal), **job.log_fields())
            return None

    async def _fitted(self, job: Job, clip: Path) -> Fitted:
        room, size_bytes = await self._delivery.room(job=job), await _size_of(clip)
        if room is None or (job.fitting is Fitting.AS_IS and size_bytes <= room):
            return Fitted(path=clip, size_bytes=size_bytes, how=Fitting.AS_IS)
        return await self._studio.fit(job_id=job.id, clip=clip, bytes_max=room)

    async def _ready(self, job: Job, clip: Path, last_frame: str | None, fitted: Fitted) -> None:
        changes = {
            # Fitted before, it may have been posted before, longer ago than a nonce remembers: then it is looked for.
            "tries": int(job.upload_path is not None),
            "clip_path": str(clip),
            "clip_bytes": await _size_of(clip),
            "last_frame": last_frame,
            "upload_path": str(fitted.path),
            "upload_bytes": fitted.size_bytes,
            "fitting": fitted.how,
        }
        await self._books.write(lambda tx: move(tx, job, JobState.POSTING, now_ms=self._now_ms(), **changes))

    async def _fetch_anew(self, job: Job) -> None:
        log.warning("the kept clip is gone, fetching it again", **job.log_fields())
        await self._books.write(lambda tx: move(tx, job, JobState.FETCHING, now_ms=self._now_ms()))

    async def _again(self, job: Job, reason: str) -> None:
        log.warning("fitting put off", reason=reason, tries=job.tries, **job.log_fields())
        now_ms = self._now_ms()
        if now_ms - job.since_ms > FIT_SECONDS_MAX * 1000:
            await self._end(job, _cannot(job, reason))
            return
        waiting = job.waiting(due_ms=now_ms + round(backoff_seconds(job.tries) * 1000), tries=job.tries + 1)
        await self._books.write(lambda tx: tx.jobs.save(waiting))

    async def _end(self, job: Job, error: BotError) -> None:
        """A film that cannot be made has failed; a clip that was paid for is kept."""
        state = JobState.FAILED if job.work is Work.FILM else JobState.UNDELIVERABLE
        await self._books.write(lambda tx: end(tx, job, state, error, now_ms=self._now_ms()))
        log.warning("job ended without delivery", code=error.code, **job.log_fields())


async def _size_of(path: Path) -> int:
    return (await asyncio.to_thread(path.stat)).st_size


def _cannot(job: Job, reason: str) -> BotError:
    if job.work is Work.FILM:
        return FilmImpossibleError(reason=reason)
    return UndeliverableError(reason=f"the file {reason}", job=str(job.id))
