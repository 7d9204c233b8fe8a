"""A clip made to fit under a number of bytes, so that it plays inside the message: in a child process only.

What plays there: an MP4 with H.264, 8 bits, 4:2:0 and sound as AAC or MP3, its index first, both sides even.
"""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from bot.media.boxes import plays_while_it_loads
from bot.media.limits import Limits
from bot.media.reading import UnreadableError

if TYPE_CHECKING:
    from bot.media.encoding import Look

LIMITS = Limits(seconds=900, cpu_seconds=900)
TRIES_MAX = 2

_QUALITY, _PRESET = "18", "superfast"
_BUFFER_SECONDS = 0.5
"""The encoder may run ahead of its rate by so much: the smaller, the closer a file comes to its limit."""
_AHEAD = 0.9
"""x264 begins with its buffer nine tenths full, so a file has at most rate × (length + 0.9 × buffer) bits."""
_BITS_PER_PIXEL_MIN = 0.045
"""Below it a smaller picture looks better than a coarser one."""
_PIXELS_MIN = 192 * 108
_INDEX_BYTES, _SAMPLE_BYTES = 4_096, 20
"""What the file itself costs, and each of its frames and pieces of sound in the index."""
_SOUND_BITS_MAX, _SOUND_BITS_MIN = 128_000, 24_000
_SOUND_SHARE, _SOUND_COPY_SHARE = 8, 4
"""Made anew, sound gets at most an eighth of the bits; it is copied as long as it takes at most a quarter."""
_SOUND_OVERSHOOT = 1.15
_SECOND_TRY_MARGIN = 0.97
_KIBIBYTE = 1024
FITTING_SOUND = frozenset({"", "aac", "mp3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The picture's raster and rate in bits per second; `sound_bits` 0: copied, or there is none."""

    width: int
    height: int
    video_bits: int
    sound_bits: int = 0


def fit(*, path: str, output: str, bytes_max: int) -> dict[str, object]:
    """{"how": "as_is" | "remux" | "encode", "bytes", "tries", "width", "height"}, the shape as displayed.

    `as_is` writes nothing. `tries` counts encodes of the picture: sound alone may be made anew. Raises UnreadableError.
    """
    from bot.media.streams import decoding  # noqa: PLC0415 (it loads FFmpeg, and only a child needs it)

    try:
        with decoding():
            return _fitted(Path(path), Path(output), bytes_max)
    except BaseException:  # whatever ends it, nothing half-made stays
        Path(output).unlink(missing_ok=True)
        raise


def _fitted(path: Path, output: Path, bytes_max: int) -> dict[str, object]:
    from bot.media.encoding import copy, look_at  # noqa: PLC0415 (they load FFmpeg)

    look = look_at(path)
    size_bytes = path.stat().st_size
    shape = {"width": look.width, "height": look.height}
    has_fitting_sound = look.sound_codec in FITTING_SOUND
    if look.fits_inline and size_bytes - (0 if has_fitting_sound else look.sound_bytes) <= bytes_max:
        if has_fitting_sound and plays_while_it_loads(path) and not look.has_more:
            return {"how": "as_is", "bytes": size_bytes, "tries": 0, **shape}
        copy(path, output, sound_bits=0 if has_fitting_sound else _SOUND_BITS_MAX)
        if output.stat().st_size <= bytes_max:
            how = "remux" if has_fitting_sound else "encode"
            return {"how": how, "bytes": output.stat().st_size, "tries": 0, **shape}
    return _encoded(path, output, look, bytes_max)


def _encoded(path: Path, output: Path, look: "Look", bytes_max: int) -> dict[str, object]:
    from bot.media.encoding import encode  # noqa: PLC0415 (it loads FFmpeg)

    aim = bytes_max
    for tries in range(1, TRIES_MAX + 1):
        plan = plan_for(look, aim)
        encode(path, output, look, plan)
        size_bytes = output.stat().st_size
        if size_bytes <= bytes_max:
            return {"how": "encode", "bytes": size_bytes, "tries": tries, "width": plan.width, "height": plan.height}
        aim = int(aim * bytes_max / size_bytes * _SECOND_TRY_MARGIN)
    raise _unwatchable(look, bytes_max)


def plan_for(look: "Look", bytes_max: int) -> Plan:
    """A file made by it has at most `bytes_max` bytes. Raises UnreadableError when that is too little to watch."""
    bits = 8 * (bytes_max - _INDEX_BYTES - _SAMPLE_BYTES * (look.frames + look.sound_packets))
    sound_bits = _sound_bits(look, bits)
    sound_total = int(sound_bits * look.sound_seconds * _SOUND_OVERSHOOT) if sound_bits else 8 * look.sound_bytes
    video_bits = rate_within(bits - sound_total, look.seconds)
    pixels = video_bits * look.seconds / look.frames / _BITS_PER_PIXEL_MIN
    if pixels < min(_PIXELS_MIN, look.width * look.height):
        raise _unwatchable(look, bytes_max)
    width, height = _raster(look.width, look.height, pixels)
    return Plan(width=width, height=height, video_bits=video_bits, sound_bits=sound_bits)


def rate_within(bits: float, seconds: float) -> int:
    """The rate, in bits per second, at which a film of this length cannot take more."""
    return int(bits / (seconds + _AHEAD * _BUFFER_SECONDS))


def x264_under(rate: int) -> dict[str, str]:
    """A steady quality in one pass, under a rate in bits per second."""
    kilobits = rate // 1000
    vbv = f"vbv-maxrate={kilobits}:vbv-bufsize={int(kilobits * _BUFFER_SECONDS)}"
    return {"preset": _PRESET, "crf": _QUALITY, "x264-params": vbv}


def _sound_bits(look: "Look", bits: int) -> int:
    if not look.sound_codec or (look.sound_codec == "aac" and 8 * look.sound_bytes * _SOUND_COPY_SHARE <= bits):
        return 0
    return max(min(_SOUND_BITS_MAX, int(bits / look.sound_seconds / _SOUND_SHARE)), _SOUND_BITS_MIN)


def _raster(width: int, height: int, pixels_max: float) -> tuple[int, int]:
    """Even sides; smaller only when there are too few bits for the pixels."""
    scale = min(1.0, sqrt(pixels_max / (width * height)))
    return max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2)


def _unwatchable(look: "Look", bytes_max: int) -> UnreadableError:
    limit = f"{bytes_max / _KIBIBYTE**2:.1f} MiB" if bytes_max >= _KIBIBYTE**2 else f"{bytes_max // _KIBIBYTE} KiB"
    return UnreadableError(f"is too long ({look.seconds:.0f} s) to be watchable in {limit}")
