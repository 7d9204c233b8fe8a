"""A chain of clips joined into one film: in a child process only."""

from pathlib import Path

from bot.media.limits import Limits
from bot.media.reading import UnreadableError

LIMITS = Limits(seconds=3600, cpu_seconds=3600, file_bytes=2 * 1024 * 1024 * 1024)


def stitch(*, paths: list[str], output: str, endings: list[str | None] | None = None) -> dict[str, object]:
    """{"how": "copy" | "encode", "frames", "seconds", "joints", "width", "height"} of an MP4 that plays while it loads.

    H.264 with 8 bits, and AAC when any clip has sound. `joints` counts frames that two clips have in common and that
    are shown once; `frames` is what is shown: those of all clips less `joints`. A copied film holds the doubled frames
    all the same, for one tick each, so it has `frames` + `joints` samples. `endings` are pictures of the clips' last
    frames where they are kept, as `take_last_frame` makes them: without one a clip is decoded up to its end.
    Raises UnreadableError with the clip's number.
    """
    from bot.media.film import copied, encoded  # noqa: PLC0415 (it loads FFmpeg, and only a child needs it)
    from bot.media.takes import look  # noqa: PLC0415 (as above)

    kept = [Path(ending) if ending else None for ending in endings or [None] * len(paths)]
    clips = zip(paths, kept, strict=True)
    takes = [look(Path(path), number, ending) for number, (path, ending) in enumerate(clips, start=1)]
    if not takes:
        raise UnreadableError("no clip was named")
    film = copied(takes, Path(output))
    how = "copy" if film else "encode"
    film = film or encoded(takes, Path(output))
    shape = {"width": film.width, "height": film.height}
    return {"how": how, "frames": film.frames, "seconds": film.seconds, "joints": film.joints, **shape}
