"""Pictures as the three planes that the encoder takes: from stills, from clips, cut and mixed in place."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice, repeat
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bot.media.reading import UnreadableError
from bot.providers.animatic.shots import FRAMES_PER_SECOND

Size = tuple[int, int]
Box = tuple[float, float, float, float]

OVERSIZE = 1.15
"""Canvases are this much larger than the raster, so that a zoom shows real detail."""
COVER_RATIO_MAX = 1.3
"""A picture whose shape differs more is not cropped: it stands whole before a blurred cover of itself."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_BEHIND = (14, 15, 18)
_BLUR_SHRINK = 16
_DIM = 0.6
_CLIP_THREADS = 2
_UNSPECIFIED = 2
_LATE = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Picture:
    """Luma and two chroma planes at half size, BT.709, limited range; both sides are even."""

    planes: tuple[Image.Image, Image.Image, Image.Image]

    @property
    def size(self) -> Size:
        return self.planes[0].size

    def cut(self, box: Box, size: Size) -> "Picture":
        """A part of it, to fractions of a pixel (whole pixels would jitter in a slow move), at another size."""
        if size == self.size and box == whole(size):
            return self
        luma, *chroma = self.planes
        half, half_box = (size[0] // 2, size[1] // 2), (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        blue, red = (plane.resize(half, Image.Resampling.BILINEAR, half_box) for plane in chroma)
        return Picture((luma.resize(size, Image.Resampling.BICUBIC, box), blue, red))

    def mixed(self, other: "Picture", part: float) -> "Picture":
        luma, blue, red = (Image.blend(a, b, part) for a, b in zip(self.planes, other.planes, strict=True))
        return Picture((luma, blue, red))

    def copy(self) -> "Picture":
        luma, blue, red = (plane.copy() for plane in self.planes)
        return Picture((luma, blue, red))

    def to_frame(self) -> av.VideoFrame:
        frame = av.VideoFrame(*self.size, "yuv420p")
        for plane, image in zip(frame.planes, self.planes, strict=True):
            plane.update(image.crop((0, 0, plane.line_size, plane.height)).tobytes())
        return frame


def picture_of(image: Image.Image) -> Picture:
    """An RGB image of even sides."""
    return picture_from(av.VideoFrame.from_image(image.convert("RGB")))  # type: ignore[no-untyped-call]  # PyAV types its argument only as a comment


def picture_from(frame: av.VideoFrame) -> Picture:
    luma, blue, red = (_turned(_plane(plane), frame.rotation) for plane in _as_we_encode(frame).planes)
    return Picture((luma, blue, red))


def _as_we_encode(frame: av.VideoFrame) -> av.VideoFrame:
    # High definition without a tag is BT.709, whatever the scaler would take for granted.
    is_untagged = frame.colorspace == _UNSPECIFIED
    is_ours = is_untagged or frame.colorspace == Colorspace.ITU709
    if frame.format.name == "yuv420p" and is_ours and frame.color_range != ColorRange.JPEG:
        return frame
    return frame.reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709 if is_untagged else None,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )


def _plane(plane: av.video.plane.VideoPlane) -> Image.Image:
    return Image.frombuffer("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size, 1)


def _turned(image: Image.Image, degrees: int) -> Image.Image:
    """The frame's rotation counts counter-clockwise, as Pillow's does."""
    match degrees % 360:
        case 90:
            return image.transpose(Image.Transpose.ROTATE_90)
        case 180:
            return image.transpose(Image.Transpose.ROTATE_180)
        case 270:
            return image.transpose(Image.Transpose.ROTATE_270)
        case _:
            return image


def whole(size: Size) -> Box:
    return (0.0, 0.0, float(size[0]), float(size[1]))


def cover_box(size: Size, raster: Size) -> Box:
    """The largest part in the middle that has the raster's shape."""
    scale = min(size[0] / raster[0], size[1] / raster[1])
    width, height = raster[0] * scale, raster[1] * scale
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return (left, top, left + width, top + height)


def even(length: float) -> int:
    return max(2, 2 * round(length / 2))


# -- stills


def still(path: Path, raster: Size, *, exact: bool) -> Picture:
    """A canvas in the raster's shape. `exact` is for a first or end frame: cropped, and not a pixel larger."""
    over = 1.0 if exact else OVERSIZE
    size = (even(raster[0] * over), even(raster[1] * over))
    image = _loaded(path, size)
    apart = (image.width * size[1]) / (image.height * size[0])
    if exact or max(apart, 1 / apart) <= COVER_RATIO_MAX:
        return picture_of(image.resize(size, Image.Resampling.LANCZOS, cover_box(image.size, size)))
    return picture_of(_before_itself(image, size))


def _loaded(path: Path, size: Size) -> Image.Image:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.format == "JPEG":
                image.draft("RGB", (max(size) * 2, max(size) * 2))
            return _flat(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableError("cannot be decoded") from error


def _flat(image: Image.Image) -> Image.Image:
    """Eight bits, no alpha."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda level: level * (1 / 256)).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, _BEHIND)
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _before_itself(image: Image.Image, size: Size) -> Image.Image:
    whole = ImageOps.contain(image, size, Image.Resampling.LANCZOS)
    ground = _blurred(image, size)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def _blurred(image: Image.Image, size: Size) -> Image.Image:
    """Blurred at a sixteenth of the size: the same look for a fraction of the time."""
    small = (max(2, size[0] // _BLUR_SHRINK), max(2, size[1] // _BLUR_SHRINK))
    cover = image.resize(small, Image.Resampling.BOX, cover_box(image.size, size))
    soft = cover.filter(ImageFilter.GaussianBlur(2.5))
    return ImageEnhance.Brightness(soft.resize(size, Image.Resampling.BICUBIC)).enhance(_DIM)


# -- clips


def clip(path: Path, raster: Size, period: int) -> Iterator[Picture]:
    """The clip in real time on the raster, without end: after `period` frames it begins anew."""
    while True:
        left = period
        for picture in islice(_played(path, raster), period):
            yield picture
            left -= 1
        yield from repeat(picture, left)


def _played(path: Path, raster: Size) -> Iterator[Picture]:
    """One picture per output frame: the newest that is due then."""
    ticks = (Fraction(n, FRAMES_PER_SECOND) for n in count())
    due = next(ticks)
    newest: av.VideoFrame | None = None
    for at, frame in _decoded(path):
        while newest is not None and due + _LATE < at:
            yield _covering(newest, raster)
            due = next(ticks)
        newest = frame
    if newest is None:
        raise UnreadableError("has no frame that can be decoded")
    yield _covering(newest, raster)


def _covering(frame: av.VideoFrame, raster: Size) -> Picture:
    picture = picture_from(frame)
    return picture.cut(cover_box(picture.size, raster), raster)


def _decoded(path: Path) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Frames with their time from the first one on; a clip that breaks off ends there."""
    try:
        # The demuxer is named: a text file could otherwise make FFmpeg open other files.
        with av.open(str(path), format="mov", options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = _CLIP_THREADS
            first: Fraction | None = None
            for frame in container.decode(stream):
                at = Fraction(frame.pts or 0) * (frame.time_base or 0)
                first = at if first is None else first
                yield at - first, frame
    except (av.FFmpegError, IndexError):
        return
