"""A reference made anew so that a provider takes it: smaller, shorter or in another format. In a child process only."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.domain.changes import Change, change_from
from bot.domain.references import MEGABYTE, MediaInfo, StoredReference
from bot.domain.slots import Kind
from bot.media.limits import Limits
from bot.media.probe import probe
from bot.media.reading import UnreadableError

LIMITS = Limits(seconds=240, cpu_seconds=240, file_bytes=256 * MEGABYTE)
"""Fifteen seconds of 4K film on two busy cores; a file that goes on its way has at most 50 MB."""


def mend(*, path: str, output: str, change: dict[str, Any]) -> dict[str, object]:
    """Write the changed file; its {"width", "height", "duration_ms", "format", "bytes"} as its own header says them.

    `change` is `Change.as_json()`; `width` and `height` are as displayed, 0 for sound; `duration_ms` is 0 for stills.
    A picture may come out as a JPEG where a PNG would be too large. Raises UnreadableError and leaves no output.
    """
    try:
        return _mended(Path(path), Path(output), change_from(change))
    except BaseException:  # whatever ends it, nothing half-made stays
        Path(output).unlink(missing_ok=True)
        raise


def mended_reference(stored: StoredReference, path: Path) -> StoredReference:
    """The reference with another file's hash, size and header. Blocks; raises UnreadableError."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(stored, sha256=sha256, size_bytes=path.stat().st_size, info=_header(path))


def _mended(path: Path, output: Path, change: Change) -> dict[str, object]:
    info = _header(path)
    if (info.kind, info.format) != (change.before.kind, change.before.format):
        raise UnreadableError(f"is {info.format.upper()}, not {change.before.format.upper()}")
    if info.kind is Kind.IMAGE:
        from bot.media.mending_pictures import mend_picture  # noqa: PLC0415 (it loads Pillow)

        mend_picture(path, output, info, change)
    else:
        _mend_stream(path, output, change)
    return _checked(output, change)


def _mend_stream(path: Path, output: Path, change: Change) -> None:
    from bot.media.mending_streams import mend_sound, mend_video  # noqa: PLC0415 (they load FFmpeg)
    from bot.media.streams import decoding  # noqa: PLC0415 (likewise)

    with decoding():
        (mend_video if change.before.kind is Kind.VIDEO else mend_sound)(path, output, change)


def _checked(output: Path, change: Change) -> dict[str, object]:
    made, size_bytes = _header(output), output.stat().st_size
    if size_bytes > change.bytes_max:
        raise UnreadableError(f"cannot be brought under {change.bytes_max / MEGABYTE:g} MB")
    return {
        "width": made.width,
        "height": made.height,
        "duration_ms": made.duration_ms,
        "format": made.format,
        "bytes": size_bytes,
    }


def _header(path: Path) -> MediaInfo:
    with path.open("rb") as file:
        return probe(file, path.stat().st_size)
