"""The figures of last frames and films as one table: `python tests/bench/media_out.py`.

The clips are hard: moving texture with grain, one key frame in ten seconds. Comparisons are of one run on one machine,
each a median.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from bot.media.film import copied, encoded
from bot.media.frames import final_frame, picture
from bot.media.last_frame import take_last_frame
from bot.media.streams import opened
from bot.media.takes import Take, look
from tests.media import filming

TIMES = 3
"""Of so many measurements the median counts."""
RASTERS = {"720p": (1280, 720), "1080p": (1920, 1080), "2K": (2560, 1440)}
FPS = 24
CLIP_SECONDS, SHOT_SECONDS = 15, 5
KEY_FRAMES = "250"
HARD_CRF = "18"
MEBIBYTE = 1024 * 1024
FRAME_MEBIBYTES_MAX = 300
FRAME_RATIO_MAX, COPY_RATIO_MIN, STEP_RATIO_MAX = 1.15, 10, 1.1
END_MILLISECONDS_MAX = 30
PEAK = "import sys; from bot.media.{0} import {1}; {1}(**{2!r}); print(open('/proc/self/status').read())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; `is_met` None: nothing was asked, it only explains the others."""

    name: str
    found: str
    asked: str = ""
    is_met: bool | None = None


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (a bench prints)


def show(figures: Sequence[Figure]) -> None:
    marks = {True: "ok", False: "MISSED", None: ""}
    rows = [("figure", "found", "asked", ""), *((f.name, f.found, f.asked, marks[f.is_met]) for f in figures)]
    names, found, asked = (max(len(row[at]) for row in rows) for at in range(3))
    for row in rows:
        say(f"{row[0]:<{names}}  {row[1]:>{found}}  {row[2]:>{asked}}  {row[3]}".rstrip())


# -- clips


def hard_clip(path: Path, size: tuple[int, int], *, seconds: int, first: int = 0, tone: float = 0) -> Path:
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.options = {"preset": "superfast", "crf": HARD_CRF, "g": KEY_FRAMES, "bf": "3"}
        video.width, video.height, video.pix_fmt, video.thread_count = *size, "yuv420p", 2
        sound: Any = container.add_stream("aac", rate=filming.RATE, layout="stereo") if tone else None
        for at, luma in enumerate(views(size, range(first, first + seconds * FPS))):
            frame = av.VideoFrame.from_ndarray(luma, format="gray").reformat(format="yuv420p", dst_color_range=1)
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone:
            filming.sing(container, sound, tone, seconds, filming.RATE)
    return path


def views(size: tuple[int, int], frames: range) -> Iterator[npt.NDArray[np.uint8]]:
    """A texture with detail of every size that pans by three pixels a frame, under grain."""
    chance = np.random.default_rng(9)
    width, height = size
    world = np.zeros((height, width))
    for detail in (2, 4, 8, 16, 32, 64):
        coarse = chance.normal(0, detail * 0.55, (height // detail + 1, width // detail + 1))
        world += np.kron(coarse, np.ones((detail, detail)))[:height, :width]
    shown, grains = (world + 120).astype(np.int16), chance.normal(0, 3, (8, height, width)).astype(np.int16)
    for index in frames:
        yield (np.roll(shown, -3 * index, axis=1) + grains[index % 8]).clip(0, 255).astype(np.uint8)


# -- measuring


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def computing_of(work: Callable[[], object]) -> float:
    """Of all its threads."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def peak_mebibytes(module: str, function: str, **arguments: object) -> float:
    """Of a process of its own."""
    code = PEAK.format(module, function, arguments)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    line = next(line for line in answer.stdout.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / MEBIBYTE


# -- M3


def last_frames(folder: Path) -> Iterator[Figure]:
    for name, size in RASTERS.items():
        clip = hard_clip(folder / f"{name}.mp4", size, seconds=CLIP_SECONDS)
        output = folder / "frame.png"
        found, asked = [], []
        for _ in range(TIMES):
            asked.append(seconds_of(lambda: plainly_taken(clip, output)))  # noqa: B023 (called at once)
            found.append(seconds_of(lambda: take_last_frame(path=str(clip), output=str(output))))  # noqa: B023 (as above)
        ratio = median(found) / median(asked)
        yield Figure(
            name=f"M3 {name}: time over decoding that group of pictures and writing it",
            found=f"{ratio:.2f} ({median(found) * 1000:.0f} ms)",
            asked=f"≤ {FRAME_RATIO_MAX}",
            is_met=ratio <= FRAME_RATIO_MAX,
        )
        peak = peak_mebibytes("last_frame", "take_last_frame", path=str(clip), output=str(output))
        yield Figure(
            name=f"M3 {name}: peak memory of the child",
            found=f"{peak:.0f} MiB",
            asked=f"≤ {FRAME_MEBIBYTES_MAX} MiB",
            is_met=peak <= FRAME_MEBIBYTES_MAX,
        )
        is_same = planes_of(final_frame(clip)) == planes_of(read_through(clip))
        yield Figure(
            name=f"M3 {name}: bit-equal to a decode from the start", found=str(is_same), asked="True", is_met=is_same
        )


def plainly_taken(clip: Path, output: Path) -> None:
    """Without any trick: every frame since the last key frame."""
    with opened(clip) as container:
        container.seek(2**40, stream=container.streams.video[0])
        last = None
        for frame in container.decode(video=0):
            last = frame
    if last is None:
        raise RuntimeError("no frame")
    picture(last, 1).save(output, format="PNG", compress_level=1)


def read_through(clip: Path) -> av.VideoFrame:
    with av.open(clip) as container:
        container.streams.video[0].thread_count = 1
        last = None
        for frame in container.decode(video=0):
            last = frame
    if last is None:
        raise RuntimeError("no frame")
    return last


def planes_of(frame: av.VideoFrame) -> list[bytes]:
    return [array.tobytes() for array in [frame.to_ndarray()]]


# -- M6


def films(folder: Path) -> Iterator[Figure]:
    for name in ("720p", "1080p"):
        frames = SHOT_SECONDS * FPS
        clips = [
            hard_clip(
                folder / f"{name}-{number}.mp4",
                RASTERS[name],
                seconds=SHOT_SECONDS,
                first=number * (frames - 1),
                tone=220 * (number + 1),
            )
            for number in range(3)
        ]
        yield from joined(name, clips, folder)


def joined(name: str, clips: Sequence[Path], folder: Path) -> Iterator[Figure]:
    copy, encode = folder / "copy.mp4", folder / "encode.mp4"
    endings = [folder / f"{clip.stem}.png" for clip in clips]
    for clip, ending in zip(clips, endings, strict=True):
        take_last_frame(path=str(clip), output=str(ending))
    copies, encodes = [], []
    for _ in range(TIMES):
        copies.append(computing_of(lambda: copied(looked(clips, endings), copy)))
        encodes.append(computing_of(lambda: encoded(looked(clips), encode)))
    ratio = median(encodes) / median(copies)
    yield Figure(
        name=f"M6 {name}, 3 × {SHOT_SECONDS} s: computing to encode over computing to copy",
        found=f"{ratio:.1f} ({median(encodes):.2f} s / {median(copies):.2f} s)",
        asked=f"≥ {COPY_RATIO_MIN}",
        is_met=ratio >= COPY_RATIO_MIN,
    )
    without = median(computing_of(lambda: copied(looked(clips), copy)) for _ in range(TIMES))
    yield Figure(name=f"M6 {name}: copied where no last frame is kept", found=f"{without:.2f} s")
    for how, film in (("copied", copy), ("encoded", encode)):
        yield from paces(f"M6 {name} {how}", film)
    peak = peak_mebibytes("stitch", "stitch", paths=[str(clip) for clip in clips], output=str(copy))
    yield Figure(name=f"M6 {name} copied: peak memory of the child", found=f"{peak:.0f} MiB")


def looked(clips: Sequence[Path], endings: Sequence[Path] = ()) -> list[Take]:
    return [look(clip, at, endings[at] if endings else None) for at, clip in enumerate(clips)]


def paces(name: str, film: Path) -> Iterator[Figure]:
    times = filming.times_of(film)
    gaps = sorted(set(np.diff(times).tolist()))
    yield Figure(name=f"{name}: ticks between frames", found=str(gaps), asked="[1, 512]", is_met=set(gaps) <= {1, 512})
    ends = ends_of(film)
    apart = abs(ends[0] - ends[1]) * 1000
    yield Figure(
        name=f"{name}: sound and picture end apart",
        found=f"{apart:.1f} ms",
        asked=f"≤ {END_MILLISECONDS_MAX} ms",
        is_met=apart <= END_MILLISECONDS_MAX,
    )
    ratio = step_ratio(film)
    yield Figure(
        name=f"{name}: largest step of the sound at joints over elsewhere",
        found=f"{ratio:.2f}",
        asked=f"≤ {STEP_RATIO_MAX}",
        is_met=ratio <= STEP_RATIO_MAX,
    )


def ends_of(film: Path) -> list[float]:
    with av.open(film) as container:
        return [float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams]


def step_ratio(film: Path) -> float:
    """Each joint against the second around it."""
    sound, worst = filming.sound_of(film), 0.0
    for number in (1, 2):
        at = round(number * (SHOT_SECONDS * FPS - 1) / FPS * filming.RATE)
        steps = np.abs(np.diff(sound[at - filming.RATE // 2 : at + filming.RATE // 2]))
        middle, joint = filming.RATE // 2, round(0.045 * filming.RATE)
        at_joint = steps[middle - joint : middle + joint].max()
        elsewhere = max(steps[: middle - joint].max(), steps[middle + joint :].max())
        worst = max(worst, float(at_joint / elsewhere))
    return worst


def main() -> None:
    with TemporaryDirectory() as folder:
        show([*last_frames(Path(folder)), *films(Path(folder))])


if __name__ == "__main__":
    main()
