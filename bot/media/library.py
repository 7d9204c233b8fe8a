"""The files on disk: references under their content hash, clips under their job."""

import asyncio
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from bot.domain.links import discord_link_ends_ms
from bot.domain.references import MEGABYTE, MediaInfo, Reference, ReferenceRules, StoredReference, check_size
from bot.domain.request_errors import (
    ReferenceExpiredError,
    ReferenceHostError,
    ReferenceMissingError,
    ReferenceUnreadableError,
)
from bot.domain.slots import kind_of
from bot.media.child import ChildFailedError, Ending, Limits, run_limited
from bot.media.download import Download, DownloadError, LinkExpiredError, TooLargeError, download
from bot.media.guard import ForbiddenAddressError, Guard, Resolve, resolve_host
from bot.media.parts import OverLimitError, Part, settle
from bot.media.probe import UnreadableError, probe
from bot.ports.outside import Clip, ClipUnreachableError, ClipUnusableError

COPY_CHUNK_BYTES = 1024 * 1024
REFERENCE_SECONDS_MAX = 120.0
CLIP_BYTES_MAX = 500 * MEGABYTE
CLIP_SECONDS_MAX = 600.0
CHECK_LIMITS = Limits(seconds=60, cpu_seconds=30)
CHECK_TARGET = "bot.media.clips:check_playable"
SHA256_LETTERS = 64
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_MISSING = "no such file is kept"


class Library:
    """The port `Media` on one folder: `references/ab/abcd….jpg`, `clips/<job id>.mp4`, `incoming/` for the unfinished.

    `client` serves connections only; make it with `trust_env=False`. `made_folder` is where our own renderer leaves
    its clips: a local source elsewhere is refused, for a provider's answer must not name files of this machine.
    """

    def __init__(
        self,
        *,
        folder: Path,
        made_folder: Path,
        client: httpx.AsyncClient,
        cdn_hosts: frozenset[str],
        rules: ReferenceRules,
        now: Callable[[], float] = time.time,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._references = folder / "references"
        self._clips = folder / "clips"
        self._incoming = folder / "incoming"
        self._made = made_folder
        self._client = client
        self._rules = rules
        self._now = now
        self._resolve = resolve
        self._cdn_guard = Guard(trusted=cdn_hosts, only=cdn_hosts, resolve=resolve)
        self._one_check = asyncio.Semaphore(1)

    async def tidy(self) -> None:
        """Remove what a killed process left half done. Only at start, by the owner of the folder."""
        await asyncio.to_thread(shutil.rmtree, self._incoming, ignore_errors=True)

    # -- references

    async def copy(self, *, reference: Reference) -> StoredReference:
        async with self._arrival() as arrived:
            got = await (self._copy_local if reference.is_local else self._copy_link)(reference, arrived)
            info = await asyncio.to_thread(_probed, arrived, reference)
            kept = self._references / got.sha256[:2] / f"{got.sha256}.{_EXTENSIONS.get(info.format, info.format)}"
            await asyncio.to_thread(_place, arrived, kept)
        return StoredReference(reference=reference, sha256=got.sha256, size_bytes=got.size_bytes, info=info)

    def stored_path(self, *, sha256: str) -> Path:
        """FileNotFoundError for anything that is not the content hash of a kept reference."""
        if len(sha256) != SHA256_LETTERS or not set(sha256) <= set("0123456789abcdef"):
            raise FileNotFoundError(_MISSING)
        for path in (self._references / sha256[:2]).glob(f"{sha256}.*"):
            return path
        raise FileNotFoundError(_MISSING)

    async def _copy_local(self, reference: Reference, destination: Path) -> Download:
        try:
            file, size_bytes = await asyncio.to_thread(_open_regular, reference.source)
        except (OSError, ValueError) as error:
            raise _missing(reference, _local_reason(error)) from error
        with file:
            check_size(reference, size_bytes, self._rules)
            try:
                return await _stream(file, destination, self._rules.bytes_max(kind_of(reference.place)))
            except OverLimitError as error:
                check_size(reference, error.size_bytes, self._rules)
                raise

    async def _copy_link(self, reference: Reference, destination: Path) -> Download:
        try:
            self._cdn_guard.admit(reference.source)
            self._refuse_expired(reference.source)
            return await download(
                self._client,
                reference.source,
                destination,
                bytes_max=self._rules.bytes_max(kind_of(reference.place)),
                seconds_max=REFERENCE_SECONDS_MAX,
                guard=self._cdn_guard,
            )
        except ForbiddenAddressError as error:
            host = error.host or "no readable address"
            raise ReferenceHostError(place=str(reference.place), name=reference.name, host=host) from error
        except LinkExpiredError as error:
            raise ReferenceExpiredError(place=str(reference.place), name=reference.name) from error
        except TooLargeError as error:
            check_size(reference, error.size_bytes, self._rules)
            raise
        except DownloadError as error:
            raise _missing(reference, f"its storage {error}") from error

    def _refuse_expired(self, link: str) -> None:
        ends_ms = discord_link_ends_ms(link)
        if ends_ms is not None and ends_ms < self._now() * 1000:
            raise LinkExpiredError("its time has passed")

    # -- clips

    async def keep_clip(self, *, job_id: int, source: str, trusted_host: str | None) -> Clip:
        kept = self._clips / f"{job_id}.mp4"
        clip = await asyncio.to_thread(_kept_clip, kept)
        if clip is not None:
            return clip
        async with self._arrival() as arrived:
            if _is_link(source):
                got = await self._fetch_clip(source, arrived, trusted_host)
            else:
                got = await self._take_made_clip(source, arrived)
            await self._check_clip(arrived)
            await asyncio.to_thread(_place, arrived, kept)
        if not _is_link(source):
            await asyncio.to_thread(Path(source).unlink, missing_ok=True)
        return Clip(path=kept, sha256=got.sha256, size_bytes=got.size_bytes)

    async def _fetch_clip(self, link: str, destination: Path, trusted_host: str | None) -> Download:
        trusted = frozenset({trusted_host} if trusted_host else ())
        try:
            return await download(
                self._client,
                link,
                destination,
                bytes_max=CLIP_BYTES_MAX,
                seconds_max=CLIP_SECONDS_MAX,
                guard=Guard(trusted=trusted, resolve=self._resolve),
            )
        except ForbiddenAddressError as error:
            raise ClipUnusableError(f"has a link that is not followed: {error}") from error
        except TooLargeError as error:
            raise ClipUnusableError(_clip_too_large()) from error
        except DownloadError as error:
            raise ClipUnreachableError(str(error)) from error

    async def _take_made_clip(self, source: str, destination: Path) -> Download:
        """Copied first: what is checked and kept is a file that nobody else writes to any more."""
        try:
            file, _ = await asyncio.to_thread(_open_made, Path(source), self._made)
        except (OSError, ValueError) as error:
            raise ClipUnusableError(f"cannot be read: {_local_reason(error)}") from error
        with file:
            try:
                return await _stream(file, destination, CLIP_BYTES_MAX)
            except OverLimitError as error:
                raise ClipUnusableError(_clip_too_large()) from error

    async def _check_clip(self, path: Path) -> None:
        try:
            async with self._one_check:
                await run_limited(CHECK_TARGET, {"path": str(path)}, limits=CHECK_LIMITS)
        except ChildFailedError as error:
            if error.ending is Ending.REFUSED:
                raise ClipUnusableError(error.reason) from error
            # The check broke down, not the clip: this machine may be short of time or memory just now.
            raise ClipUnreachableError(f"could not be checked: it {error.reason}") from error

    # -- what arrives

    @asynccontextmanager
    async def _arrival(self) -> AsyncIterator[Path]:
        """A name in `incoming/`, with nothing left there afterwards whatever happened."""
        await asyncio.to_thread(self._incoming.mkdir, parents=True, exist_ok=True)
        path = self._incoming / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _is_link(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def _missing(reference: Reference, reason: str) -> ReferenceMissingError:
    return ReferenceMissingError(place=str(reference.place), name=reference.name, reason=reason)


def _clip_too_large() -> str:
    return f"has more than {CLIP_BYTES_MAX // MEGABYTE} MB"


def _local_reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "this program may not read it"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _open_regular(path: str | Path) -> tuple[BinaryIO, int]:
    """A plain file and its size: a pipe or a device would wait or flow for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ValueError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a file")
    return os.fdopen(descriptor, "rb"), status.st_size


def _open_made(path: Path, folder: Path) -> tuple[BinaryIO, int]:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("it does not lie where clips are made")
    return _open_regular(path)


async def _stream(file: BinaryIO, destination: Path, bytes_max: int) -> Download:
    with Part(destination, bytes_max=bytes_max) as part:
        while chunk := await asyncio.to_thread(file.read, COPY_CHUNK_BYTES):
            await asyncio.to_thread(part.take, chunk)
        await asyncio.to_thread(part.keep)
        return Download(sha256=part.sha256, size_bytes=part.size_bytes)


def _probed(path: Path, reference: Reference) -> MediaInfo:
    try:
        with path.open("rb") as file:
            return probe(file, path.stat().st_size)
    except UnreadableError as error:
        raise ReferenceUnreadableError(place=str(reference.place), name=reference.name, reason=str(error)) from error


def _place(path: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    settle(path, kept)


def _kept_clip(path: Path) -> Clip | None:
    """It was checked before it got this name."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return Clip(path=path, sha256=sha256, size_bytes=os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return None
