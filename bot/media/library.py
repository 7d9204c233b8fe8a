"""The files on disk: references under their content hash, clips under their job."""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import httpx

from bot.domain.chains import KEPT
from bot.domain.links import discord_link_ends_ms
from bot.domain.references import MEGABYTE, MediaInfo, Reference, ReferenceRules, StoredReference, check_copied_size
from bot.domain.request_errors import (
    ReferenceExpiredError,
    ReferenceHostError,
    ReferenceMissingError,
    ReferenceUnreadableError,
)
from bot.domain.slots import kind_of
from bot.media.download import Download, DownloadError, LinkExpiredError, TooLargeError, download
from bot.media.guard import ForbiddenAddressError, Guard, Resolve, resolve_host
from bot.media.limits import is_disk_full, is_file_full
from bot.media.looker import Frame, Look, Looker
from bot.media.parts import OverLimitError, Part
from bot.media.probe import UnreadableError, probe
from bot.media.shelf import SHA256_LETTERS, Shelf, kept_clip, place
from bot.ports.outside import Clip, ClipUnreachableError, ClipUnusableError, Studio, StudioRefusalError

COPY_CHUNK_BYTES = 1024 * 1024
REFERENCE_SECONDS_MAX = 120.0
CLIP_BYTES_MAX = 500 * MEGABYTE
CLIP_SECONDS_MAX = 600.0
_NO_ROOM = "has no room: the bot's disk is full"


class Library:
    """The port `Media` on a shelf; `studio` takes a frame out of a video that is to be continued.

    `client` serves connections only; make it with `trust_env=False`. `made_folder` is where our own renderer leaves
    its clips: a local source elsewhere is refused, for a provider's answer must not name files of this machine.
    """

    def __init__(
        self,
        *,
        shelf: Shelf,
        studio: Studio,
        looker: Looker,
        made_folder: Path,
        client: httpx.AsyncClient,
        cdn_hosts: frozenset[str],
        rules: ReferenceRules,
        now: Callable[[], float] = time.time,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._shelf = shelf
        self._studio = studio
        self._looker = looker
        self._made = made_folder
        self._client = client
        self._rules = rules
        self._now = now
        self._resolve = resolve
        self._cdn_guard = Guard(trusted=cdn_hosts, only=cdn_hosts, resolve=resolve)

    # -- references

    async def copy(self, *, reference: Reference) -> StoredReference:
        if reference.source.startswith(KEPT):
            return await asyncio.to_thread(self._kept_reference, reference)
        try:
            return await self._copied(reference)
        except OSError as error:
            if _is_without_room(error):
                raise _unreadable(reference, f"{_NO_ROOM}. Whoever hosts the bot must mend it") from error
            raise

    async def _copied(self, reference: Reference) -> StoredReference:
        async with self._shelf.arrival() as arrived:
            got = await (self._copy_local if reference.is_local else self._copy_link)(reference, arrived)
            if reference.is_taken:
                return await self._frame_of(reference, arrived)
            info = await asyncio.to_thread(_probed, arrived, reference)
            await asyncio.to_thread(self._shelf.keep_reference, arrived, sha256=got.sha256, format_name=info.format)
        return StoredReference(reference=reference, sha256=got.sha256, size_bytes=got.size_bytes, info=info)

    async def _frame_of(self, reference: Reference, video: Path) -> StoredReference:
        try:
            sha256 = await self._studio.last_frame(clip=video)
        except StudioRefusalError as refusal:
            raise _unreadable(reference, str(refusal)) from refusal
        kept = replace(reference, source=f"{KEPT}{sha256}")
        return await asyncio.to_thread(self._kept_reference, kept)

    def _kept_reference(self, reference: Reference) -> StoredReference:
        """Used anew, it is kept anew."""
        sha256 = reference.source.removeprefix(KEPT)
        try:
            path = self.stored_path(sha256=sha256)
            path.touch()
        except FileNotFoundError as error:
            raise _missing(reference, "it is no longer kept") from error
        info = _probed(path, reference)
        return StoredReference(reference=reference, sha256=sha256, size_bytes=path.stat().st_size, info=info)

    def stored_path(self, *, sha256: str) -> Path:
        return self._shelf.reference(sha256)

    def clip_path(self, *, job_id: int) -> Path | None:
        path = self._shelf.clip(job_id)
        return path if path.is_file() else None

    def linked_path(self, *, name: str) -> Path | None:
        """What a signed link's name stands for: `<content hash>.…` is a reference, `<job id>.mp4` a clip."""
        stem = name.partition(".")[0]
        if stem.isdecimal() and len(stem) < SHA256_LETTERS:
            return self.clip_path(job_id=int(stem))
        try:
            return self.stored_path(sha256=stem)
        except FileNotFoundError:
            return None

    def strip_path(self, *, job_id: int) -> Path | None:
        path = self._shelf.strip(job_id)
        return path if path.is_file() else None

    async def _copy_local(self, reference: Reference, destination: Path) -> Download:
        try:
            file, size_bytes = await asyncio.to_thread(_open_regular, reference.source)
        except (OSError, ValueError) as error:
            raise _missing(reference, _local_reason(error)) from error
        with file:
            check_copied_size(reference, size_bytes, self._rules)
            try:
                return await _stream(file, destination, self._rules.copy_bytes_max[kind_of(reference.place)])
            except OverLimitError as error:
                check_copied_size(reference, error.size_bytes, self._rules)
                raise

    async def _copy_link(self, reference: Reference, destination: Path) -> Download:
        try:
            self._cdn_guard.admit(reference.source)
            self._refuse_expired(reference.source)
            return await download(
                self._client,
                reference.source,
                destination,
                bytes_max=self._rules.copy_bytes_max[kind_of(reference.place)],
                seconds_max=REFERENCE_SECONDS_MAX,
                guard=self._cdn_guard,
            )
        except ForbiddenAddressError as error:
            host = error.host or "no readable address"
            raise ReferenceHostError(place=str(reference.place), name=reference.name, host=host) from error
        except LinkExpiredError as error:
            raise ReferenceExpiredError(place=str(reference.place), name=reference.name) from error
        except TooLargeError as error:
            check_copied_size(reference, error.size_bytes, self._rules)
            raise
        except DownloadError as error:
            raise _missing(reference, f"its storage {error}") from error

    def _refuse_expired(self, link: str) -> None:
        ends_ms = discord_link_ends_ms(link)
        if ends_ms is not None and ends_ms < self._now() * 1000:
            raise LinkExpiredError("its time has passed")

    # -- clips

    async def keep_clip(self, *, job_id: int, source: str, frame_link: str | None, trusted_host: str | None) -> Clip:
        trusted = frozenset({trusted_host} if trusted_host else ())
        frame = Frame(job_id=job_id, link=frame_link, guard=Guard(trusted=trusted, resolve=self._resolve))
        kept = self._shelf.clip(job_id)
        try:
            clip = await asyncio.to_thread(kept_clip, kept)
            if clip is not None:
                return _looked_at(clip, await self._looker.look(kept, frame))
            return await self._arrived_clip(kept, source, frame)
        except OSError as error:
            if _is_without_room(error):
                raise ClipUnreachableError(_NO_ROOM) from error
            raise

    async def _arrived_clip(self, kept: Path, source: str, frame: Frame) -> Clip:
        async with self._shelf.arrival() as arrived:
            if _is_link(source):
                async with self._looker.following(arrived, frame) as answer:
                    got = await self._fetch_clip(source, arrived, frame.guard)
                    look = await answer()
            else:
                got = await self._take_made_clip(source, arrived)
                look = await self._looker.look(arrived, frame)
            await asyncio.to_thread(place, arrived, kept)
        if not _is_link(source):
            await asyncio.to_thread(Path(source).unlink, missing_ok=True)
        return _looked_at(Clip(path=kept, sha256=got.sha256, size_bytes=got.size_bytes), look)

    async def _fetch_clip(self, link: str, destination: Path, guard: Guard) -> Download:
        try:
            return await download(
                self._client, link, destination, bytes_max=CLIP_BYTES_MAX, seconds_max=CLIP_SECONDS_MAX, guard=guard
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


def _is_without_room(error: OSError) -> bool:
    return is_disk_full(error) or is_file_full(error)


def _looked_at(clip: Clip, look: Look) -> Clip:
    return replace(clip, last_frame=look.last_frame, plays_everywhere=look.plays_everywhere)


def _is_link(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def _missing(reference: Reference, reason: str) -> ReferenceMissingError:
    return ReferenceMissingError(place=str(reference.place), name=reference.name, reason=reason)


def _unreadable(reference: Reference, reason: str) -> ReferenceUnreadableError:
    return ReferenceUnreadableError(place=str(reference.place), name=reference.name, reason=reason)


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
        raise _unreadable(reference, str(error)) from error
