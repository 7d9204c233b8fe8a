"""Work on the pictures of kept files, in child processes; each result is placed whole or not at all.

Of each kind one at a time: what takes a moment does not wait for what takes a quarter of an hour.
"""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from bot.domain.changes import Change
from bot.domain.jobs import Fitting
from bot.domain.references import StoredReference
from bot.media.child import ChildFailedError, Ending, run_limited
from bot.media.fit import LIMITS as FIT_LIMITS
from bot.media.last_frame import LIMITS as FRAME_LIMITS
from bot.media.limits import Limits
from bot.media.mend import LIMITS as MEND_LIMITS
from bot.media.mend import mended_reference
from bot.media.shelf import Shelf, hashed, kept_clip, place
from bot.media.stitch import LIMITS as FILM_LIMITS
from bot.ports.outside import Clip, Fitted, StudioBusyError, StudioRefusalError, Take

FRAME_TARGET = "bot.media.last_frame:take_last_frame"
MEND_TARGET = "bot.media.mend:mend"
FIT_TARGET = "bot.media.fit:fit"
FILM_TARGET = "bot.media.stitch:stitch"
SHEET_TARGET = "bot.media.sheets:contact_sheet"
STRIP_TARGET = "bot.media.sheets:strip"
SHEET_LIMITS = Limits(seconds=90, cpu_seconds=90)
COPY_CHUNK_BYTES = 1024 * 1024


class Studio:
    """The port `Studio` on a shelf."""

    def __init__(self, *, shelf: Shelf) -> None:
        self._shelf = shelf
        self._looks, self._mends, self._encodes = (asyncio.Semaphore(1) for _ in range(3))

    async def last_frame(self, *, clip: Path) -> str:
        async with self._shelf.arrival() as picture:
            await self._run(self._looks, FRAME_TARGET, FRAME_LIMITS, path=str(clip), output=str(picture))
            sha256, _ = await asyncio.to_thread(hashed, picture)
            await asyncio.to_thread(self._shelf.keep_reference, picture, sha256=sha256, format_name="png")
        return sha256

    async def mend(self, *, stored: StoredReference, change: Change) -> StoredReference:
        source = self._shelf.reference(stored.sha256)
        async with self._shelf.arrival() as changed:
            arguments = {"path": str(source), "output": str(changed), "change": change.as_json()}
            await self._run(self._mends, MEND_TARGET, MEND_LIMITS, **arguments)
            mended = await asyncio.to_thread(mended_reference, stored, changed)
            name = mended.info.format
            await asyncio.to_thread(self._shelf.keep_reference, changed, sha256=mended.sha256, format_name=name)
        return mended

    async def fit(self, *, job_id: int, clip: Path, bytes_max: int) -> Fitted:
        async with self._shelf.arrival() as fitted:
            arguments = {"path": str(clip), "output": str(fitted), "bytes_max": bytes_max}
            said = await self._run(self._encodes, FIT_TARGET, FIT_LIMITS, **arguments)
            how = Fitting(str(said["how"]))
            if how is Fitting.AS_IS:
                return Fitted(path=clip, size_bytes=await size_of(clip), how=how)
            await asyncio.to_thread(place, fitted, self._shelf.upload(job_id))
        path = self._shelf.upload(job_id)
        return Fitted(path=path, size_bytes=await size_of(path), how=how)

    async def film(self, *, job_id: int, takes: Sequence[Take]) -> Clip:
        kept = self._shelf.clip(job_id)
        if await asyncio.to_thread(kept_clip, kept) is None:
            async with self._shelf.arrival() as film:
                paths = [str(take.clip) for take in takes]
                endings = await asyncio.to_thread(self._endings, takes)
                await self._run(self._encodes, FILM_TARGET, FILM_LIMITS, paths=paths, endings=endings, output=str(film))
                await asyncio.to_thread(place, film, kept)
        made = await asyncio.to_thread(kept_clip, kept)
        if made is None:
            raise StudioBusyError("the film is gone again")
        return made

    def _endings(self, takes: Sequence[Take]) -> list[str | None]:
        """Known last frames spare decoding every clip to its end; one that was swept away is decoded."""
        endings: list[str | None] = []
        for take in takes:
            try:
                endings.append(str(self._shelf.reference(take.last_frame or "")))
            except FileNotFoundError:
                endings.append(None)
        return endings

    async def contact_sheet(self, *, job_id: int, clip: Path) -> Path:
        kept = self._shelf.sheet(job_id)
        if not await asyncio.to_thread(kept.is_file):
            async with self._shelf.arrival() as sheet:
                await self._run(self._looks, SHEET_TARGET, SHEET_LIMITS, path=str(clip), output=str(sheet))
                await asyncio.to_thread(place, sheet, kept)
        return kept

    async def strip(self, *, job_id: int, references: Sequence[StoredReference]) -> Path:
        kept = self._shelf.strip(job_id)
        pictures = [
            {"label": str(one.place), "path": str(self._shelf.reference(one.sha256)), "kind": one.info.kind.word}
            for one in references
        ]
        async with self._shelf.arrival() as strip:
            await self._run(self._looks, STRIP_TARGET, SHEET_LIMITS, pictures=pictures, output=str(strip))
            await asyncio.to_thread(place, strip, kept)
        return kept

    async def split(self, *, job_id: int, clip: Path, bytes_max: int) -> list[Path]:
        return await asyncio.to_thread(self._split, job_id, clip, bytes_max)

    def _split(self, job_id: int, clip: Path, bytes_max: int) -> list[Path]:
        count = -(-clip.stat().st_size // bytes_max)
        pieces = [self._shelf.piece(job_id, number) for number in range(1, count + 1)]
        try:
            with clip.open("rb") as file:
                for piece in pieces:
                    _write_piece(file, piece, bytes_max)
        except OSError:
            for piece in pieces:
                piece.unlink(missing_ok=True)
            raise
        return pieces

    async def _run(
        self, turn: asyncio.Semaphore, target: str, limits: Limits, **arguments: object
    ) -> dict[str, object]:
        try:
            async with turn:
                return await run_limited(target, arguments, limits=limits)
        except OSError as error:
            raise StudioBusyError(f"could not be worked on: {error.strerror}") from error
        except ChildFailedError as failure:
            # Out of memory, a file asks for too much: the same work would fail again.
            if failure.ending in {Ending.REFUSED, Ending.MEMORY}:
                raise StudioRefusalError(failure.reason) from failure
            raise StudioBusyError(failure.reason) from failure


async def size_of(path: Path) -> int:
    return (await asyncio.to_thread(path.stat)).st_size


def _write_piece(file: BinaryIO, piece: Path, bytes_max: int) -> None:
    """Another click may be sending the piece that is there: it is replaced, never written over."""
    piece.parent.mkdir(parents=True, exist_ok=True)
    part = piece.with_name(f"{piece.name}.{uuid.uuid4().hex}")
    try:
        with part.open("xb") as written:
            _copy(file, written, bytes_max)
        part.replace(piece)
    finally:
        part.unlink(missing_ok=True)


def _copy(file: BinaryIO, part: BinaryIO, bytes_max: int) -> None:
    left = bytes_max
    while chunk := file.read(min(COPY_CHUNK_BYTES, left)):
        part.write(chunk)
        left -= len(chunk)
