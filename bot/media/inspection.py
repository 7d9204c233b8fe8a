"""One look through a finished clip, answering all that is asked of it: in a child process only.

Whether it plays, whether it goes as it is, and the picture of its last frame: the provider's own where that is good.
It may begin while the clip is still on its way.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.references import MediaInfo
from bot.media.limits import Limits
from bot.media.reading import UnreadableError

if TYPE_CHECKING:
    import av

TARGET = "bot.media.inspection:inspect"
LIMITS = Limits(seconds=120, cpu_seconds=150, file_bytes=64 * 1024 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A clip that plays; `plays_everywhere`: as it is, inside a message.

    `frame` is the format of its last frame's picture: the provider's own file where `is_theirs`, else made from the
    clip. `theirs_refusal` says why the provider's was not taken, `frame_refusal` why there is none at all.
    """

    plays_everywhere: bool
    frame: str | None
    is_theirs: bool = False
    theirs_refusal: str | None = None
    frame_refusal: str | None = None


def inspect(*, path: str, output: str, theirs: str | None = None) -> dict[str, object]:
    """The fields of `Inspection`; UnreadableError for a clip that does not play.

    `path` may be a name that the file gets only once it is whole. `theirs` is the last frame as the provider made it;
    where it is missing or wrong, the exact last frame is written to `output` as a PNG.
    """
    from bot.media.arriving import last_frame_arriving, wait_until_whole  # noqa: PLC0415 (it loads FFmpeg, and only a child needs it)
    from bot.media.clips import playing  # noqa: PLC0415 (as above)

    clip, early = Path(path), None
    still, refusal = _still(Path(theirs)) if theirs else (None, None)
    if still is None and not clip.exists():
        early = last_frame_arriving(clip)
    wait_until_whole(clip)
    found = playing(clip)
    if still is not None and (still.width, still.height) == (found.width, found.height):
        whole = Inspection(plays_everywhere=found.plays_everywhere, frame=still.format, is_theirs=True)
        return asdict(whole)
    if still is not None:
        refusal = f"has {still.width}×{still.height} pixels, the clip {found.width}×{found.height}"
    frame, none = _taken(early, clip, found.squeeze, Path(output))
    ours = Inspection(plays_everywhere=found.plays_everywhere, frame=frame, theirs_refusal=refusal, frame_refusal=none)
    return asdict(ours)


def _still(path: Path) -> tuple[MediaInfo | None, str | None]:
    """What a good picture is, or why it is none."""
    from bot.media.stills import still  # noqa: PLC0415 (it loads Pillow, and only a child needs it)

    try:
        return still(path), None
    except UnreadableError as refusal:
        return None, str(refusal)


def _taken(early: "av.VideoFrame | None", clip: Path, squeeze: float, output: Path) -> tuple[str | None, str | None]:
    """A clip that plays is delivered without its last frame too: damaged behind its beginning, or too large."""
    from bot.media.frames import final_frame, save_frame  # noqa: PLC0415 (they load FFmpeg)
    from bot.media.streams import decoding  # noqa: PLC0415 (as above)

    try:
        with decoding():
            save_frame(early or final_frame(clip), squeeze, output)
    except UnreadableError as refusal:
        return None, str(refusal)
    except MemoryError:
        return None, "needs more memory than allowed"
    return "png", None
