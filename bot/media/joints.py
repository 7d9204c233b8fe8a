"""Where two clips meet: whether the picture is shown twice, and how one sound becomes the other."""

import math
from array import array
from itertools import pairwise

JOINT_PSNR_MIN_DB = 30
"""Below it two pictures are two pictures. Measured on 320 × 180 pixels of luma."""
JOINT_WIDTH, JOINT_HEIGHT = 320, 180
FADE_SECONDS = 0.03
CHANNELS = 2
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEVEL_MAX = 32_767


def is_doubled(before: bytes, after: bytes) -> bool:
    """Of two pictures of the same size with one byte per pixel."""
    if len(before) != len(after):
        raise ValueError("the pictures differ in size")
    errors = sum((one - other) ** 2 for one, other in zip(before, after, strict=True))
    return errors == 0 or 10 * math.log10(255**2 * len(before) / errors) > JOINT_PSNR_MIN_DB


def faded(old: "array[int]", new: "array[int]") -> "array[int]":
    """Both are 16-bit stereo of one length. Of equal power, unless that makes a step that neither of them has.

    Two tones that happen to swing together add up to more than either; so near to equal gain as it takes, they do not.
    """
    largest = max(largest_step(old), largest_step(new))
    mixed = new
    for share in _SHARES:
        mixed = _mixed(old, new, share)
        if largest_step(mixed) <= largest:
            break
    return mixed


def _mixed(old: "array[int]", new: "array[int]", linear: float) -> "array[int]":
    """`linear` 0: the powers of both add up to one, 1: their gains do."""
    length = len(new) // CHANNELS
    mixed = array("h", new)
    for at in range(length):
        way = (at + 0.5) / length
        gain_old = (1 - linear) * math.cos(way * math.pi / 2) + linear * (1 - way)
        gain_new = (1 - linear) * math.sin(way * math.pi / 2) + linear * way
        for sample in range(at * CHANNELS, (at + 1) * CHANNELS):
            level = round(gain_old * old[sample] + gain_new * new[sample])
            mixed[sample] = max(min(level, _LEVEL_MAX), -_LEVEL_MAX)
    return mixed


def largest_step(samples: "array[int]") -> int:
    """Between neighbours of one channel."""
    return max(
        (abs(b - a) for channel in range(CHANNELS) for a, b in pairwise(samples[channel::CHANNELS])),
        default=0,
    )


def going_on(samples: "array[int]", begin: int, length: int) -> "array[int]":
    """So many stereo samples from `begin` on; behind the last one the sound runs backwards, which makes no step."""
    count = len(samples) // CHANNELS
    longer = array("h", samples[begin * CHANNELS : (begin + length) * CHANNELS])
    for at in range(begin + len(longer) // CHANNELS, begin + length):
        mirrored = max(2 * count - 1 - at, 0)
        longer.extend(samples[mirrored * CHANNELS : (mirrored + 1) * CHANNELS] or (0,) * CHANNELS)
    return longer
