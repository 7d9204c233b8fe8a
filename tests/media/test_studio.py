"""The studio: what takes a moment does not wait for what takes long, and what is killed leaves nothing."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.references import Reference, StoredReference
from bot.domain.slots import Kind, Slot
from bot.media.probe import probe
from bot.media.shelf import Shelf
from bot.media.studio import Studio
from tests.media.test_fit import ROOMY, grainy


@asynccontextmanager
async def long_fit(studio: Studio, folder: Path) -> AsyncIterator[None]:
    """A fit that waits for its clip's first byte, which never comes."""
    clip = folder / "never.mp4"
    os.mkfifo(clip)
    waiting = asyncio.create_task(studio.fit(job_id=1, clip=clip, bytes_max=ROOMY))
    writer = await asyncio.to_thread(clip.open, "wb")  # opens when the child reads: it is at work
    try:
        yield
        assert not waiting.done()
    finally:
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        writer.close()


def stored(shelf: Shelf, path: Path, folder: Path) -> StoredReference:
    """Kept under a made-up hash."""
    copy = folder / "copy"
    copy.write_bytes(path.read_bytes())
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    shelf.keep_reference(copy, sha256="a" * 64, format_name=info.format)
    place = Slot(kind=Kind.IMAGE, number=1)
    reference = Reference(place=place, name=path.name, source=str(path), declared_bytes=1)
    return StoredReference(reference=reference, sha256="a" * 64, size_bytes=path.stat().st_size, info=info)


async def test_looks_do_not_wait_for_a_long_encode(files: dict[str, Path], tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "kept")
    studio, one = Studio(shelf=shelf), stored(shelf, files["a.png"], tmp_path)
    async with asyncio.timeout(30), long_fit(studio, tmp_path):
        assert (await studio.strip(job_id=2, references=[one])).is_file()
        assert (await studio.contact_sheet(job_id=2, clip=files["last.mp4"])).is_file()
        assert shelf.reference(await studio.last_frame(clip=files["last.mp4"])).is_file()


async def test_what_a_killed_child_had_written_is_gone(tmp_path: Path) -> None:
    clip = grainy(tmp_path / "hard.mp4", codec="libx265", size=(640, 360), frames=96)
    incoming = tmp_path / "kept" / "incoming"
    studio = Studio(shelf=Shelf(tmp_path / "kept"))
    fitting = asyncio.create_task(studio.fit(job_id=1, clip=clip, bytes_max=ROOMY))
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(_has_bytes, incoming):
            assert not fitting.done()
    fitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fitting
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []


def _has_bytes(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.glob("*"))
