"""The last frame of a clip as a picture, so that the next clip can begin with it: in a child process only."""

from pathlib import Path

from bot.media.limits import Limits

LIMITS = Limits(seconds=120, cpu_seconds=120, file_bytes=64 * 1024 * 1024)


def take_last_frame(*, path: str, output: str) -> dict[str, object]:
    """{"width", "height", "at_ms"} of the exact frame an MP4 or MOV shows last, written to `output` as a PNG.

    Turned as its file says, with square pixels. Two runs write the same bytes. Raises UnreadableError for a file
    that is cut off or damaged, instead of an earlier frame.
    """
    from bot.media.streams import decoding  # noqa: PLC0415 (it loads FFmpeg, and only a child needs it)

    with decoding():
        return _taken(Path(path), Path(output))


def _taken(path: Path, output: Path) -> dict[str, object]:
    from bot.media.frames import check_whole, final_frame, save_frame, squeeze_of  # noqa: PLC0415 (they load FFmpeg)

    check_whole(path)
    frame = final_frame(path)
    image = save_frame(frame, squeeze_of(path), output)
    return {"width": image.width, "height": image.height, "at_ms": round((frame.time or 0) * 1000)}
