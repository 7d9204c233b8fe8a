"""Small pictures of large files: of stills, of a clip's frames, of a sound. Only a child process loads this module."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageOps

from bot.media.probe import probe
from bot.media.reading import UnreadableError
from bot.media.streams import Size, decoding, opened

PIXELS_MAX = 40_000_000
"""6000 × 6000, the largest reference that a provider takes, and a little."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_BEHIND = (49, 51, 56)
_RATE = 8_000
_SOUND_SECONDS_MAX = 60
_SOUND_FORMATS = {"wav": "wav", "mp3": "mp3"}
_QUARTER = 90


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a clip, upright and small."""

    seconds: float
    picture: Image.Image


def thumbnail(path: Path, box: Size) -> Image.Image:
    """Upright, RGB, within the box; its header's size is looked at before a pixel is decoded."""
    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > PIXELS_MAX:
            raise UnreadableError(f"has {image.width} × {image.height} pixels, too many to draw")
        image.draft("RGB", (box[0] * 2, box[1] * 2))
        small = _eight_bits(image)
        small.thumbnail((max(box) * 2, max(box) * 2), Image.Resampling.BOX)
        upright = ImageOps.exif_transpose(small)
    upright.thumbnail(box, Image.Resampling.LANCZOS)
    return _opaque(upright)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits in grey would otherwise be cut off at 255, and so be white."""
    exif = image.getexif()
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda level: level / 256).convert("L")
    elif image.mode not in {"RGB", "RGBA", "L"}:
        image = image.convert("RGBA")
    image.info["exif"] = exif.tobytes()
    return image


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    behind = Image.new("RGB", image.size, _BEHIND)
    behind.paste(image, mask=image)
    return behind


# -- clips


def frames_of(path: Path, *, count: int, box: Size) -> list[Shot]:
    """Evenly spaced, the first and the last among them; fewer only if the clip has fewer."""
    with decoding():
        with opened(path) as container:
            times = _times(container)
        wanted = _spread(times[0], count)
        with opened(path) as container:
            shots = [_shot(frame, box) for frame in _decoded(container, wanted, times[1])]
    if not shots:
        raise UnreadableError("has no frame that can be decoded")
    return shots


def _times(container: Any) -> tuple[list[int], list[int]]:
    """Of all shown frames, and of those that can be begun with; in the stream's ticks."""
    shown, keys = set(), set()
    for packet in container.demux(container.streams.video[0]):
        if packet.size and packet.pts is not None and not packet.is_discard:
            shown.add(packet.pts)
            if packet.is_keyframe:
                keys.add(packet.pts)
    return sorted(shown), sorted(keys)


def _spread(times: Sequence[int], count: int) -> list[int]:
    if not times:
        raise UnreadableError("has no frame")
    last = len(times) - 1
    places = {round(at * last / (count - 1)) for at in range(count)} if count > 1 else {0}
    return [times[place] for place in sorted(places)]


def _decoded(container: Any, wanted: Sequence[int], keys: Sequence[int]) -> Iterator[av.VideoFrame]:
    """What nobody needs is not decoded: nothing between a wanted frame and the next one's own beginning."""
    video, reached = container.streams.video[0], -(2**62)
    frames: Iterator[av.VideoFrame] = iter(())
    for pts in wanted:
        begin = bisect_right(keys, pts) - 1
        if begin >= 0 and keys[begin] > reached:
            container.seek(pts, stream=video, backward=True)
            frames = container.decode(video)
        for frame in frames:
            reached = frame.pts if frame.pts is not None else reached
            if reached >= pts:
                yield frame
                break


def _shot(frame: av.VideoFrame, box: Size) -> Shot:
    """Scaled before it is turned: that is far less work."""
    side = box[::-1] if abs(frame.rotation) == _QUARTER else box
    scale = min(side[0] / frame.width, side[1] / frame.height)
    size = max(round(frame.width * scale), 1), max(round(frame.height * scale), 1)
    small = frame.reformat(*size, format="rgb24", interpolation="AREA", src_colorspace=frame.colorspace)
    picture: Image.Image = small.to_image()  # type: ignore[no-untyped-call]  # PyAV gives it no types
    if frame.rotation:
        picture = picture.rotate(frame.rotation, expand=True)
    return Shot(float((frame.pts or 0) * (frame.time_base or Fraction(0))), picture)


# -- sounds


def waveform(path: Path, *, columns: int) -> list[float]:
    """The loudest moment of each part, 0 to 1, of the first minute."""
    with path.open("rb") as file:
        kind = probe(file, path.stat().st_size).format
    samples = array("h")
    with opened(path, _SOUND_FORMATS[kind]) as container:
        small = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
        for frame in container.decode(container.streams.audio[0]):
            for part in small.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
            if len(samples) >= _RATE * _SOUND_SECONDS_MAX:
                break
    return [max(abs(level) for level in part) / 32_768 for part in _parts(samples, columns)]


def _parts(samples: "array[int]", columns: int) -> Iterator["array[int]"]:
    if not samples:
        raise UnreadableError("has no sound")
    for at in range(columns):
        begin, end = at * len(samples) // columns, (at + 1) * len(samples) // columns
        yield samples[begin : max(end, begin + 1)]
