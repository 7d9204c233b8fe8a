"""An order becomes an MP4. Runs in the limited child process, for it decodes files nobody vouches for."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from bot.domain.slots import Frame, Kind, Place, Slot
from bot.media.reading import UnreadableError
from bot.providers.animatic.ahead import ahead
from bot.providers.animatic.captions import LEVELS, Caption, Overlay, fill_bar, mark, strip
from bot.providers.animatic.cards import card_ground, card_words
from bot.providers.animatic.moves import eased, move_for
from bot.providers.animatic.order import Order, order_from, slots_in
from bot.providers.animatic.pictures import Picture, clip, still
from bot.providers.animatic.shots import FRAMES_PER_SECOND, Shot, Showing, Sounding, lay_sounds, plan_shots
from bot.providers.animatic.sound import LAYOUT, RATE, mixed

DISSOLVE_FRAMES = 7
DISSOLVE_FROM_FRAMES = 16
"""Showings that are shorter are cut hard: a dissolve would leave nothing of them."""

_THREADS = 2
_ENCODER = {"preset": "superfast", "crf": "24"}
_GOP_FRAMES = 48
_FRAMES_AHEAD = 4
_AUDIO_BITS_PER_SECOND = 160_000
_COMMENT = "ANIMATIC: storyboard preview, not generated video"


def render(*, order: dict[str, object], paths: dict[str, str], output: str) -> dict[str, object]:
    """Draw `order` with the files at `paths` (by place) into `output`, which is there only when it is whole."""
    reel = Reel(order_from(order), {place: Path(path) for place, path in paths.items()})
    target = Path(output)
    part = target.with_suffix(target.suffix + ".part")
    frames = _write(reel, part)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    return {"frames": frames, "bytes": target.stat().st_size}


@dataclass(frozen=True)
class Reel:
    """The order with its shots worked out."""

    order: Order
    paths: Mapping[str, Path]

    @property
    def raster(self) -> tuple[int, int]:
        return self.order.width, self.order.height

    @property
    def frames(self) -> int:
        return self.order.seconds * FRAMES_PER_SECOND

    @cached_property
    def shots(self) -> tuple[Shot, ...]:
        return plan_shots(self.order.prompt, self.frames, [material.where for material in self.order.materials])

    @cached_property
    def soundings(self) -> tuple[Sounding, ...]:
        timed = {slot: one.duration_ms for slot, one in slots_in(self.order).items() if one.duration_ms}
        return lay_sounds(self.shots, timed) if self.order.sound else ()

    @cached_property
    def bar(self) -> list[tuple[int, int]]:
        """Each shot's stretch of the line at the foot, with a gap between them."""
        edges = [shot.start * self.order.width // self.frames for shot in self.shots]
        return [(left, right - 3) for left, right in zip(edges, [*edges[1:], self.order.width + 3], strict=True)]

    def level(self, index: int) -> int:
        """How far the writing has faded in.

        A first or end frame must equal its input, so on that one frame nothing is written. That stays honest: the
        frame is the requester's own picture, and the mark is back within a third of a second.
        """
        has = {material.where for material in self.order.materials}
        first = index if Frame.FIRST in has else LEVELS
        end = self.frames - 1 - index if Frame.END in has else LEVELS
        return min(first, end, LEVELS)

    def heard(self, shot: Shot) -> frozenset[Place]:
        return frozenset(
            one.slot
            for one in self.soundings
            if one.slot.kind is Kind.AUDIO
            and one.start < shot.start + shot.frames
            and shot.start < one.start + one.frames
        )


# -- pictures


def _pictures(reel: Reel) -> Iterator[Picture]:
    """Every frame of the clip, with its writing."""
    marked = mark(reel.raster)
    index = 0
    before: Picture | None = None
    for shot in reel.shots:
        for showing in shot.showings:
            footer = strip(_caption(reel, shot, showing), reel.bar, reel.raster)
            for bare in _dissolved(before, _shown(reel, shot, showing), showing.frames):
                before = bare
                yield _dressed(bare, reel, index, (footer, marked))
                index += 1


def _dressed(bare: Picture, reel: Reel, index: int, overlays: tuple[Overlay, ...]) -> Picture:
    level = reel.level(index)
    if level == 0:
        return bare
    picture = bare.copy()
    for overlay in overlays:
        overlay.lay(picture, level)
    if level == LEVELS:
        fill_bar(picture, reel.bar, (index + 1) / reel.frames)
    return picture


def _dissolved(before: Picture | None, pictures: Iterator[Picture], frames: int) -> Iterator[Picture]:
    """Out of the last picture of the showing before, which has come to rest."""
    for index, picture in zip(range(frames), pictures, strict=False):
        if before is not None and index < DISSOLVE_FRAMES and frames >= DISSOLVE_FROM_FRAMES:
            yield before.mixed(picture, eased((index + 1) / (DISSOLVE_FRAMES + 1)))
        else:
            yield picture


def _shown(reel: Reel, shot: Shot, showing: Showing) -> Iterator[Picture]:
    if isinstance(showing.place, Slot) and showing.place.kind is Kind.VIDEO:
        period = max(1, slots_in(reel.order)[showing.place].duration_ms * FRAMES_PER_SECOND // 1000)
        with _named(reel, showing.place) as path:
            yield from clip(path, reel.raster, period)
    elif showing.place is None:
        words = card_words(_label(shot), shot.number, shot.words, reel.raster, reel.order.seed)
        for ground in _moved(card_ground(shot.number, reel.raster, reel.order.seed), reel, shot, showing):
            words.lay(ground, LEVELS)
            yield ground
    else:
        with _named(reel, showing.place) as path:
            canvas = still(path, reel.raster, exact=isinstance(showing.place, Frame))
        yield from _moved(canvas, reel, shot, showing)


def _moved(canvas: Picture, reel: Reel, shot: Shot, showing: Showing) -> Iterator[Picture]:
    move = move_for(showing, shot.camera, reel.order.seed)
    for index in range(showing.frames):
        view = move.at(index / max(1, showing.frames - 1))
        yield canvas.cut(view.box(canvas.size), reel.raster)


def _caption(reel: Reel, shot: Shot, showing: Showing) -> Caption:
    """A card says the number and the words itself."""
    heard = reel.heard(shot)
    on_card = showing.place is None
    return Caption(
        label="" if on_card else _label(shot),
        words="" if on_card else shot.words,
        places=tuple(dict.fromkeys((*shot.places, *sorted(one for one in heard if isinstance(one, Slot))))),
        active=heard | {showing.place} if showing.place else heard,
    )


def _label(shot: Shot) -> str:
    motion = shot.camera.value.replace("_", " ").upper() if shot.camera else ""
    return " · ".join(filter(None, (f"SHOT {shot.number}", motion)))


@contextmanager
def _named(reel: Reel, place: Place) -> Iterator[Path]:
    """A file that cannot be used is refused by its place and name."""
    material = next(one for one in reel.order.materials if one.where == place)
    try:
        yield reel.paths[material.place]
    except (UnreadableError, av.FFmpegError) as error:
        clause = str(error) if isinstance(error, UnreadableError) else "cannot be decoded"
        raise UnreadableError(f"{material.place}: {material.name} {clause}") from error


# -- the file


def _write(reel: Reel, path: Path) -> int:
    written = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = _COMMENT
        video = _video_stream(container, reel.raster)
        sounds = _sound_packets(container, reel)
        for written, picture in enumerate(ahead(_pictures(reel), _FRAMES_AHEAD), start=1):
            frame = picture.to_frame()
            frame.pts, frame.time_base = written - 1, Fraction(1, FRAMES_PER_SECOND)
            container.mux(video.encode(frame))
            # Side by side: written one after the other, the muxer would have to keep all of the first.
            while sounds and Fraction(sounds[0].dts or 0, RATE) <= Fraction(written, FRAMES_PER_SECOND):
                container.mux(sounds.popleft())
        container.mux(video.encode(None))
        container.mux(list(sounds))
    return written


def _video_stream(container: av.container.OutputContainer, raster: tuple[int, int]) -> VideoStream:
    stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
    stream.width, stream.height = raster
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.thread_count = _THREADS
    context.gop_size = _GOP_FRAMES
    context.time_base = Fraction(1, FRAMES_PER_SECOND)
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _sound_packets(container: av.container.OutputContainer, reel: Reel) -> "deque[av.Packet[AudioStream]]":
    """All of it at once: fifteen seconds are a few hundred kilobytes."""
    if not reel.order.sound:
        return deque()
    stream: AudioStream = container.add_stream("aac", rate=RATE, layout=LAYOUT)
    stream.bit_rate = _AUDIO_BITS_PER_SECOND
    sources = {slot: (reel.paths[one.place], one.format) for slot, one in slots_in(reel.order).items()}
    packets: deque[av.Packet[AudioStream]] = deque()
    for frame in mixed(reel.soundings, sources, reel.frames):
        packets.extend(stream.encode(frame))
    packets.extend(stream.encode(None))
    return packets
