"""The storyboard's figures as one table: `python tests/bench/animatic.py [grid]`.

With `grid` every length in every shape and size is rendered and its frames are counted, which takes some minutes.
Times are of one run on one machine, with the child process and its start among them; of five the median counts.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import cast

import av
import numpy as np
from PIL import Image

from bot.domain.requests import Aspect, Camera
from bot.media.child import run_limited
from bot.providers.animatic.moves import move_for
from bot.providers.animatic.order import RASTERS, Material, Order
from bot.providers.animatic.pictures import OVERSIZE, picture_of
from bot.providers.animatic.provider import LIMITS, TARGET
from bot.providers.animatic.row import CAPABILITIES
from bot.providers.animatic.shots import FRAMES_PER_SECOND, Showing
from tests.bench.quota import Figure, Ticker, say, show

TIMES = 5
LONGEST_SECONDS = 15
REALTIME_MIN = {"720p": 2.0, "1080p": 1.0}
RSS_MEBIBYTES_MAX = 450
LATE_MS_MAX = 50
VARIATION_MAX = 0.1
PEEK_SECONDS = 0.05
PICTURE_SIZE = (1920, 1280)
PROMPT = "Shot 1: @Image1 in the rain. Camera: dolly in. Shot 2: @Image2, and pan left. Shot 3: @Image3 until the end"


class Desk:
    """A folder with three pictures that are hard to encode: texture of every scale, under grain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = {f"@Image{number}": str(folder / f"{number}.jpg") for number in (1, 2, 3)}
        for number, path in enumerate(self.paths.values()):
            Image.fromarray(_texture(PICTURE_SIZE, number)).save(path, quality=92)

    def order(self, resolution: str, aspect: Aspect = Aspect.WIDE, seconds: int = LONGEST_SECONDS) -> Order:
        width, height = RASTERS[resolution][aspect]
        materials = tuple(
            Material(place=place, name=Path(path).name, sha256="", format="jpeg", duration_ms=0)
            for place, path in self.paths.items()
        )
        return Order(
            prompt=PROMPT, seconds=seconds, width=width, height=height, sound=True, seed=1, materials=materials
        )

    async def render(self, order: Order, name: str = "out.mp4") -> Path:
        output = self.folder / name
        arguments: dict[str, object] = {"order": order.as_json(), "paths": self.paths, "output": str(output)}
        await run_limited(TARGET, arguments, limits=LIMITS)
        return output


def _texture(size: tuple[int, int], seed: int) -> "np.typing.NDArray[np.uint8]":
    """Strength by the inverse of the frequency, as nature has it, and grain on top."""
    width, height = size
    draw = np.random.default_rng(seed)
    spectrum = np.fft.fft2(draw.normal(size=(height, width, 3)), axes=(0, 1))
    across, down = np.fft.fftfreq(width)[None, :, None], np.fft.fftfreq(height)[:, None, None]
    waves = np.fft.ifft2(spectrum / np.maximum(np.hypot(across, down), 1e-3), axes=(0, 1)).real
    levels = (waves - waves.min()) / np.ptp(waves) * 255 + draw.normal(0, 8, (height, width, 1))
    return np.asarray(levels.clip(0, 255), dtype=np.uint8)


# -- how fast, how large


async def speed(desk: Desk, resolution: str) -> list[Figure]:
    order, took, peaks, cpu_before = desk.order(resolution), [], list[float](), _cpu_seconds()
    for _ in range(TIMES):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            rendering = group.create_task(desk.render(order))
            peaks.append(await _peak_while(rendering))
        took.append(LONGEST_SECONDS / (time.perf_counter() - began))
    found, asked, mebibytes = median(took), REALTIME_MIN[resolution], max(peaks)
    return [
        Figure(
            name=f"{resolution}, {LONGEST_SECONDS} s: times real time, median of {TIMES}",
            found=f"{found:.2f} ({min(took):.2f}–{max(took):.2f})",
            asked=f">= {asked:.0f}",
            is_met=found >= asked,
        ),
        Figure(
            name="  computing time for a second of the clip, mean",
            found=f"{(_cpu_seconds() - cpu_before) / TIMES / LONGEST_SECONDS:.2f} s",
        ),
        Figure(
            name="  largest memory of its child",
            found=f"{mebibytes:.0f} MiB",
            asked=f"<= {RSS_MEBIBYTES_MAX} MiB",
            is_met=mebibytes <= RSS_MEBIBYTES_MAX,
        ),
    ]


def _cpu_seconds() -> float:
    """Of all children so far; unlike the time on the clock it does not tell what else the machine does."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _peak_while(rendering: "asyncio.Task[Path]") -> float:
    """In MiB, by the system's own mark of the child's program: what it was forked from does not count."""
    last: dict[str, float] = {}
    while not rendering.done():
        for status in _children():
            with suppress(OSError, StopIteration):  # it ended in between
                line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
                last[status.parent.name] = int(line.split()[1]) / 1024
        await asyncio.wait([rendering], timeout=PEEK_SECONDS)
    return max(last.values(), default=0.0)


def _children() -> list[Path]:
    pids = " ".join(task.read_text() for task in Path("/proc/self/task").glob("*/children"))
    return [Path("/proc", pid, "status") for pid in pids.split()]


async def repeated(desk: Desk) -> Figure:
    order = desk.order("720p", seconds=5)
    one, same = [(await desk.render(order, name)).read_bytes() for name in ("one.mp4", "same.mp4")]
    other = (await desk.render(replace(order, seed=2), "other.mp4")).read_bytes()
    is_met = one == same != other
    found = "bit-equal" if one == same else "different"
    return Figure(
        name="the same order twice (and not with another seed)", found=found, asked="bit-equal", is_met=is_met
    )


async def lateness(desk: Desk) -> list[Figure]:
    """What the bot's own loop feels while a child renders."""
    ticker = Ticker()
    await desk.render(desk.order("1080p"))
    ticker.stop()
    late = quantiles(ticker.late_ms, n=100)[98]
    return [
        Figure(
            name=f"event loop late while 1080p renders, p99 of {len(ticker.late_ms):,} ticks",
            found=f"{late:.1f} ms",
            asked=f"<= {LATE_MS_MAX} ms",
            is_met=late <= LATE_MS_MAX,
        ),
        Figure(name="  at worst", found=f"{max(ticker.late_ms):.1f} ms"),
    ]


# -- how even


def evenness() -> list[Figure]:
    """A slow zoom of ten seconds in the middle third of its way, where easing has it at nearly one speed."""
    raster = RASTERS["720p"][Aspect.WIDE]
    canvas = picture_of(Image.fromarray(_texture((round(raster[0] * OVERSIZE), round(raster[1] * OVERSIZE)), 1)))
    frames = 10 * FRAMES_PER_SECOND
    move = move_for(Showing(place=None, start=0, frames=frames), Camera.ZOOM_IN, 0)
    boxes = [move.at(index / (frames - 1)).box(canvas.size) for index in range(frames // 3, 2 * frames // 3)]
    whole = [cast("tuple[float, float, float, float]", tuple(map(round, box))) for box in boxes]
    found, jittering = (_variation(canvas.cut(box, raster).planes[0] for box in cut) for cut in (boxes, whole))
    return [
        Figure(
            name="slow zoom at 720p: variation of its steps",
            found=f"{found:.3f}",
            asked=f"<= {VARIATION_MAX}",
            is_met=found <= VARIATION_MAX,
        ),
        Figure(name="  the same cut at whole pixels", found=f"{jittering:.3f}"),
    ]


def _variation(pictures: Iterator[Image.Image]) -> float:
    seen = pairwise(np.asarray(picture, np.float32) for picture in pictures)
    steps = [float(np.mean(np.abs(after - before))) for before, after in seen]
    return float(np.std(steps) / np.mean(steps))


# -- how many frames


async def grid(desk: Desk) -> Figure:
    cells = list(product(RASTERS, RASTERS["720p"], CAPABILITIES.durations))
    wrong = [cell for cell in cells if not await _is_exact(desk, *cell)]
    for cell in wrong:
        say(f"wrong number of frames or size: {cell}")
    return Figure(
        name=f"exactly 24 frames a second, in {len(cells)} lengths, shapes and sizes",
        found=f"{len(cells) - len(wrong)}",
        asked=f"{len(cells)}",
        is_met=not wrong,
    )


async def _is_exact(desk: Desk, resolution: str, aspect: Aspect, seconds: int) -> bool:
    order = desk.order(resolution, aspect, seconds)
    with av.open(str(await desk.render(order))) as container:
        video = container.streams.video[0]
        shape = (video.width, video.height) == (order.width, order.height)
        times = sorted(packet.pts or 0 for packet in container.demux(video) if packet.size)
        per_frame = 1 / (FRAMES_PER_SECOND * (video.time_base or 1))
    return shape and times == [round(index * per_frame) for index in range(FRAMES_PER_SECOND * seconds)]


async def main(options: Sequence[str]) -> None:
    began = time.perf_counter()
    with TemporaryDirectory() as made:
        desk = Desk(Path(made))
        figures = [one for resolution in REALTIME_MIN for one in await speed(desk, resolution)]
        figures += [await repeated(desk), *await lateness(desk), *evenness()]
        if "grid" in options:
            figures.append(await grid(desk))
    show([*figures, Figure(name="all of this", found=f"{time.perf_counter() - began:.0f} s")])
    sys.exit(any(figure.is_met is False for figure in figures))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
