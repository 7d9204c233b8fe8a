"""Where files lie under the data directory, and how they come to lie there whole."""

import asyncio
import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.media.parts import settle
from bot.ports.outside import Clip

SHA256_LETTERS = 64
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_MISSING = "no such file is kept"


class Shelf:
    """`references/ab/abcd….jpg` by content hash; `clips/`, `uploads/`, `pictures/` by job; unfinished: `incoming/`."""

    def __init__(self, folder: Path) -> None:
        self._references = folder / "references"
        self._clips = folder / "clips"
        self._uploads = folder / "uploads"
        self._pictures = folder / "pictures"
        self._incoming = folder / "incoming"

    def tidy(self) -> None:
        """Remove what a killed process left half done. Only at start, by the owner of the folder."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    def clip(self, job_id: int) -> Path:
        return self._clips / f"{job_id}.mp4"

    def upload(self, job_id: int) -> Path:
        return self._uploads / f"{job_id}.mp4"

    def piece(self, job_id: int, number: int) -> Path:
        return self._uploads / f"{job_id}.mp4.{number:03d}"

    def sheet(self, job_id: int) -> Path:
        return self._pictures / f"{job_id}.sheet.jpg"

    def strip(self, job_id: int) -> Path:
        return self._pictures / f"{job_id}.strip.jpg"

    def reference(self, sha256: str) -> Path:
        """FileNotFoundError for anything that is not the content hash of a kept reference."""
        if len(sha256) != SHA256_LETTERS or not set(sha256) <= set("0123456789abcdef"):
            raise FileNotFoundError(_MISSING)
        for path in (self._references / sha256[:2]).glob(f"{sha256}.*"):
            return path
        raise FileNotFoundError(_MISSING)

    def keep_reference(self, arrived: Path, *, sha256: str, format_name: str) -> None:
        extension = _EXTENSIONS.get(format_name, format_name)
        place(arrived, self._references / sha256[:2] / f"{sha256}.{extension}")

    # -- throwing away

    async def jobs(self) -> list[int]:
        return await asyncio.to_thread(self._job_ids)

    async def remove_jobs(self, job_ids: Sequence[int]) -> int:
        names = {str(job_id) for job_id in job_ids}
        return await asyncio.to_thread(_remove, [path for path in self._of_jobs() if _stem(path) in names])

    async def remove_references(self, *, before_ms: int) -> int:
        return await asyncio.to_thread(self._remove_references, before_ms)

    def _remove_references(self, before_ms: int) -> int:
        return _remove([path for path in self._references.glob("*/*") if path.stat().st_mtime * 1000 < before_ms])

    def _job_ids(self) -> list[int]:
        return sorted({int(_stem(path)) for path in self._of_jobs()})

    def _of_jobs(self) -> list[Path]:
        folders = (self._clips, self._uploads, self._pictures)
        found = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
        return [path for path in found if _stem(path).isdecimal()]

    @asynccontextmanager
    async def arrival(self) -> AsyncIterator[Path]:
        """A name in `incoming/`, with nothing left there afterwards whatever happened."""
        await asyncio.to_thread(self._incoming.mkdir, parents=True, exist_ok=True)
        path = self._incoming / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    """The job's id: everything up to the first point."""
    return path.name.partition(".")[0]


def _remove(paths: Sequence[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def place(path: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    settle(path, kept)


def hashed(path: Path) -> tuple[str, int]:
    """Content hash and size. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def kept_clip(path: Path) -> Clip | None:
    """It was checked before it got this name."""
    try:
        sha256, size_bytes = hashed(path)
    except FileNotFoundError:
        return None
    return Clip(path=path, sha256=sha256, size_bytes=size_bytes)
