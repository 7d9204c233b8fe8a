"""What people look at of a clip that was delivered: its last frame, a contact sheet, the original file."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import BotError
from bot.domain.film_errors import ClipGoneError, ClipUnknownError, LookFailedError
from bot.domain.jobs import Job, JobState
from bot.ports.books import Books
from bot.ports.outside import Media, Studio, StudioBusyError, StudioRefusalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The file as the provider made it: a link for some hours, or its pieces."""

    link: str | None
    pieces: tuple[Path, ...]
    size_bytes: int


class ClipDesk:
    """Shows what is kept of a clip to whoever sees its message."""

    def __init__(self, *, books: Books, media: Media, studio: Studio, signed: Callable[[int], str] | None) -> None:
        """`signed` makes a link to a clip by its job, where there is a public address."""
        self._books = books
        self._media = media
        self._studio = studio
        self._signed = signed

    async def last_frame(self, *, job_id: int, channel_id: int) -> Path:
        """The picture. Raises RequestError."""
        job = await self._clip(job_id, channel_id)
        if job.last_frame is None:
            raise LookFailedError(reason="its last frame could not be taken")
        sha256 = job.last_frame
        try:
            return await asyncio.to_thread(self._media.stored_path, sha256=sha256)
        except FileNotFoundError as error:
            raise await self._gone(job) from error

    async def contact_sheet(self, *, job_id: int, channel_id: int) -> Path:
        """A JPEG of the whole clip. Raises RequestError."""
        job = await self._clip(job_id, channel_id)
        try:
            return await self._studio.contact_sheet(job_id=job.id, clip=await self._file(job))
        except (StudioRefusalError, StudioBusyError) as fault:
            raise LookFailedError(reason=f"the clip {fault}") from fault

    async def original(self, *, job_id: int, channel_id: int, bytes_max: int) -> Original:
        """A link where there is a public address, else pieces of at most `bytes_max`. Raises RequestError."""
        job = await self._clip(job_id, channel_id)
        clip = await self._file(job)
        if self._signed is not None:
            return Original(link=self._signed(job.id), pieces=(), size_bytes=job.clip_bytes or 0)
        pieces = await self._studio.split(job_id=job.id, clip=clip, bytes_max=bytes_max)
        return Original(link=None, pieces=tuple(pieces), size_bytes=job.clip_bytes or 0)

    async def _clip(self, job_id: int, channel_id: int) -> Job:
        job = await self._books.write(lambda tx: tx.jobs.get(job_id))
        if job is None or job.state is not JobState.DELIVERED or job.channel_id != channel_id:
            raise ClipUnknownError(clip=str(job_id))
        return job

    async def _file(self, job: Job) -> Path:
        clip = await asyncio.to_thread(self._media.clip_path, job_id=job.id)
        if clip is None:
            raise await self._gone(job)
        return clip

    async def _gone(self, job: Job) -> BotError:
        guild_id = job.guild_id or 0
        choices = await self._books.write(lambda tx: tx.rules.settings(guild_id))
        return ClipGoneError(clip=str(job.id), days=choices.retention_days)
