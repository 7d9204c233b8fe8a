"""Finished clips looked through in a child process, and the pictures of their last frames kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import structlog

from bot.domain.references import MEGABYTE
from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.download import Download, DownloadError, download
from bot.media.guard import ForbiddenAddressError, Guard
from bot.media.inspection import LIMITS, TARGET, Inspection
from bot.media.shelf import Shelf, hashed
from bot.ports.outside import ClipUnreachableError, ClipUnusableError

FRAME_BYTES_MAX = 64 * MEGABYTE
FRAME_SECONDS_MAX = 20.0
"""A clip waits so long for a picture that may never come, and then does without."""
FOLLOW_SECONDS_MAX = 720.0
"""A whole download and then some; the limit of computing time holds as ever."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where the provider's own picture of a last frame is, if anywhere; `guard` says what may be fetched."""

    job_id: int
    link: str | None
    guard: Guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found. `last_frame` is the content hash of the kept picture."""

    plays_everywhere: bool
    last_frame: str | None


class Looker:
    """Whole files are looked at one at a time, and one more while it arrives.

    `client` serves connections only; make it with `trust_env=False`. All raise ClipUnusableError, ClipUnreachableError.
    """

    def __init__(self, *, shelf: Shelf, client: httpx.AsyncClient) -> None:
        self._shelf = shelf
        self._client = client
        self._one_whole, self._one_arriving = asyncio.Semaphore(1), asyncio.Semaphore(1)

    async def look(self, clip: Path, frame: Frame) -> Look:
        """At a clip that is there."""
        async with self._one_whole:
            return await self._look(clip, frame, seconds=LIMITS.seconds)

    @asynccontextmanager
    async def following(self, clip: Path, frame: Frame) -> AsyncIterator[Callable[[], Awaitable[Look]]]:
        """Look at a clip while `download` brings it; what is yielded gives the answer once it is there."""
        if self._one_arriving.locked():
            yield lambda: self.look(clip, frame)
            return
        async with self._one_arriving, _begun(self._look(clip, frame, seconds=FOLLOW_SECONDS_MAX)) as looking:
            yield lambda: looking

    async def _look(self, clip: Path, frame: Frame, *, seconds: float) -> Look:
        async with self._shelf.arrival() as theirs, self._shelf.arrival() as ours:
            got = await self._fetched(frame, theirs)
            try:
                found = await _inspected(clip, ours, theirs if got else None, seconds=seconds)
            except ChildFailedError as failure:
                raise _fault(failure) from failure
            for refusal in filter(None, (found.theirs_refusal, found.frame_refusal)):
                log.warning("last frame not taken", reason=refusal, job_id=frame.job_id)
            if found.frame is None:
                return Look(plays_everywhere=found.plays_everywhere, last_frame=None)
            picture = theirs if found.is_theirs else ours
            sha256, _ = await asyncio.to_thread(hashed, picture)
            await asyncio.to_thread(self._shelf.keep_reference, picture, sha256=sha256, format_name=found.frame)
        return Look(plays_everywhere=found.plays_everywhere, last_frame=sha256)

    async def _fetched(self, frame: Frame, destination: Path) -> Download | None:
        """A picture that cannot be had never costs the clip."""
        if frame.link is None:
            return None
        try:
            return await download(
                self._client,
                frame.link,
                destination,
                bytes_max=FRAME_BYTES_MAX,
                seconds_max=FRAME_SECONDS_MAX,
                guard=frame.guard,
            )
        except (DownloadError, ForbiddenAddressError) as fault:
            log.warning("last frame not fetched", reason=str(fault), job_id=frame.job_id)
            return None


async def _inspected(clip: Path, ours: Path, theirs: Path | None, *, seconds: float) -> Inspection:
    arguments: dict[str, object] = {"path": str(clip), "output": str(ours), "theirs": str(theirs) if theirs else None}
    try:
        said: dict[str, Any] = await run_limited(TARGET, arguments, limits=replace(LIMITS, seconds=seconds))
    except ChildFailedError as failure:
        if theirs is None or failure.ending in {Ending.REFUSED, Ending.DISK}:
            raise
        # It may have been the picture: the clip is looked at without it.
        log.warning("last frame not taken", reason=failure.reason)
        return await _inspected(clip, ours, None, seconds=seconds)
    return Inspection(**said)


def _fault(failure: ChildFailedError) -> ClipUnusableError | ClipUnreachableError:
    if failure.ending in {Ending.REFUSED, Ending.MEMORY}:
        return ClipUnusableError(failure.reason)
    # The check broke down, not the clip: this machine may be short of time just now.
    return ClipUnreachableError(f"could not be checked: it {failure.reason}")


@asynccontextmanager
async def _begun(work: Awaitable[Look]) -> AsyncIterator["asyncio.Future[Look]"]:
    """A task that ends with its block at the latest."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # whatever failed with it is told already
