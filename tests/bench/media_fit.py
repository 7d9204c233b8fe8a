"""Fitting and fetching in figures: `PYTHONPATH=. python tests/bench/media_fit.py [SECONDS]`.

Clips of SECONDS (15 unless told otherwise) of moving texture with grain are fitted under 10 MiB in the real child
(M4, M5); then files of 100 MB are fetched from a server in another process, one and then twenty at once, half of
them broken half-way (M9).
"""

import asyncio
import hashlib
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import av
import httpx
import numpy as np
from aiohttp import web

from bot.media.boxes import plays_while_it_loads
from bot.media.child import run_limited
from bot.media.download import Download, download
from bot.media.fit import LIMITS
from bot.media.guard import Guard
from tests.bench.quota import Figure, say, show

LIMIT = 10 * 1024 * 1024 - 64 * 1024
RASTERS = {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440)}
TEXTURE, GRAIN_LEVELS, GRAINS = 2048, 1.7, 8
"""The texture's side; how strong the grain is (so that 15 s at 1080p are 36 MB at CRF 18); how many take turns."""
SSIM_FRAMES = 120
FILE_BYTES, FILES = 100_000_000, 20
PIECE = bytes(range(256)) * 4_096
TICK_SECONDS = 0.005
MEBIBYTE = 1024 * 1024


# -- M4 and M5


def hard_clip(path: Path, size: tuple[int, int], seconds: float, codec: str = "libx264") -> Path:
    """A pan over texture as rough as nature's, with grain; noise for sound."""
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        video: Any = container.add_stream(codec, rate=24)  # Any: typed by codec name, which is a variable here
        video.width, video.height, video.pix_fmt, video.thread_count = *size, "yuv420p", 2
        video.options = {
            "preset": "superfast",
            "crf": "18",
            **({"x265-params": "log-level=none"} if codec == "libx265" else {}),
        }
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for index, picture in enumerate(_pan(size, round(seconds * 24))):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, round(seconds * 48_000), 1_024):
            noise = np.random.default_rng(start).normal(0, 0.1, (1, 1_024)).astype(np.float32)
            piece = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


def _pan(size: tuple[int, int], frames: int) -> Iterator[np.ndarray[Any, Any]]:
    random, (width, height) = np.random.default_rng(4), size
    waves = np.hypot(np.fft.fftfreq(TEXTURE)[:, None], np.fft.rfftfreq(TEXTURE)[None])
    waves[0, 0] = 1
    planes = [np.fft.irfft2(np.fft.rfft2(random.normal(size=(TEXTURE, TEXTURE))) / waves**1.25) for _ in range(3)]
    texture = np.stack([128 + 45 * (plane - plane.mean()) / plane.std() for plane in planes], axis=-1)
    wall = np.tile(texture.clip(0, 255).astype(np.uint8), (3, 3, 1))
    grains = random.normal(0, GRAIN_LEVELS, (GRAINS, height, width, 1)).astype(np.int8)
    for index in range(frames):
        top, left = round(index * 1.1) % TEXTURE, round(index * 2.3) % TEXTURE
        picture = wall[top : top + height, left : left + width].astype(np.int16) + grains[index % GRAINS]
        yield picture.clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What one call of the child gave and took."""

    result: dict[str, Any]
    cpu_seconds: float
    wall_seconds: float


async def fitted(path: Path, output: Path, bytes_max: int) -> Fitted:
    arguments: dict[str, object] = {"path": str(path), "output": str(output), "bytes_max": bytes_max}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = await run_limited("bot.media.fit:fit", arguments, limits=LIMITS)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Fitted(result=result, cpu_seconds=cpu, wall_seconds=wall)


def ssim(path: Path, output: Path) -> float:
    """The mean over the first frames, all planes."""
    with av.open(path) as before, av.open(output) as after:
        graph, streams = av.filter.Graph(), (before.streams.video[0], after.streams.video[0])
        sides = [graph.add_buffer(template=stream) for stream in streams]
        compare, sink = graph.add("ssim"), graph.add("buffersink")
        for at, side in enumerate(sides):
            side.link_to(compare, 0, at)
        compare.link_to(sink)
        graph.configure()
        found = []
        for frames in zip(before.decode(streams[0]), after.decode(streams[1]), strict=True):
            for side, frame in zip(sides, frames, strict=True):
                side.push(frame)
            told: Any = graph.vpull()  # Any: PyAV's types know no frame's metadata
            found.append(float(told.metadata["lavfi.ssim.All"]))
            if len(found) == SSIM_FRAMES:
                break
        return sum(found) / len(found)


async def fit_figures(folder: Path, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    for name, size in RASTERS.items():
        source, output = hard_clip(folder / f"{name}.mp4", size, seconds), folder / f"{name}-out.mp4"
        got = await fitted(source, output, LIMIT)
        figures += _hard_figures(name, got, ssim(source, output), source.stat().st_size, plays_inline(output))
    plain = folder / "last.mp4"
    _index_last(folder / "1080p.mp4", plain)
    got = await fitted(plain, folder / "remuxed.mp4", 10 * plain.stat().st_size)
    share, right = got.cpu_seconds / seconds, got.result["how"] == "remux"
    remux = "M4 1080p remux: CPU seconds with the child's start, of its length"
    figures.append(Figure(name=remux, found=f"{share:.3f}", asked="<= 0.05", is_met=share <= 0.05 and right))
    figures.append(Figure(name="   on the wall", found=f"{got.wall_seconds / seconds:.3f}"))
    hevc = hard_clip(folder / "hevc.mp4", (640, 360), 2, "libx265")
    got = await fitted(hevc, folder / "hevc-out.mp4", LIMIT)
    figures.append(
        Figure(
            name="M5 small HEVC becomes H.264, index first",
            found=str(got.result["how"]),
            asked="encode",
            is_met=plays_inline(folder / "hevc-out.mp4"),
        )
    )
    return figures


def _hard_figures(name: str, got: Fitted, likeness: float, size_bytes: int, plays: bool) -> list[Figure]:  # noqa: FBT001
    share, is_asked = got.result["bytes"] / LIMIT, name == "1080p"
    return [
        Figure(name=f"   {name} source, of the limit", found=f"{size_bytes / LIMIT:.2f}"),
        Figure(
            name=f"M4 {name} fitted, of the limit", found=f"{share:.3f}", asked="0.85-1.00", is_met=0.85 <= share <= 1
        ),
        Figure(
            name=f"M4 {name} encodes", found=str(got.result["tries"]), asked="<= 2", is_met=got.result["tries"] <= 2
        ),
        Figure(
            name=f"M4 {name} CPU seconds",
            found=f"{got.cpu_seconds:.1f}",
            asked="<= 12" if is_asked else "",
            is_met=got.cpu_seconds <= 12 if is_asked else None,
        ),
        Figure(
            name=f"M4 {name} SSIM",
            found=f"{likeness:.3f}",
            asked=">= 0.94" if is_asked else "",
            is_met=likeness >= 0.94 if is_asked else None,
        ),
        Figure(name=f"M5 {name} h264 yuv420p, aac, index first", found=str(plays), asked="True", is_met=plays),
    ]


def plays_inline(path: Path) -> bool:
    with av.open(path) as container:
        video, sounds = container.streams.video[0].codec_context, container.streams.audio
        codecs = {sound.codec_context.name for sound in sounds}
        return (video.name, video.pix_fmt) == ("h264", "yuv420p") and codecs == {"aac"} and plays_while_it_loads(path)


def _index_last(path: Path, output: Path) -> None:
    with av.open(path) as source, av.open(output, "w") as made:
        copies = {
            stream.index: made.add_stream_from_template(stream)
            for stream in (source.streams.video[0], source.streams.audio[0])
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                made.mux(packet)


# -- M9


async def serve() -> None:
    """`/1/…` breaks the first connection of each name half-way. Prints its port; ends with its standard input."""
    seen: set[str] = set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        begin = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        place = {"Content-Range": f"bytes {begin}-{FILE_BYTES - 1}/{FILE_BYTES}"} if begin else {}
        response = web.StreamResponse(status=206 if begin else 200, headers={"ETag": '"one"', **place})
        response.content_length = FILE_BYTES - begin
        await response.prepare(request)
        breaks = request.path.startswith("/1/") and request.path not in seen
        seen.add(request.path)
        end = FILE_BYTES // 2 if breaks else FILE_BYTES
        while begin < end:
            piece = PIECE[begin % len(PIECE) :][: end - begin]
            await response.write(piece)
            begin += len(piece)
        if breaks and request.transport is not None:
            request.transport.close()
        return response

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(str(runner.addresses[0][1]))
    await asyncio.to_thread(sys.stdin.read)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


@dataclass(slots=True)
class Watch:
    """How late the loop was, and how large the process grew, while a task ran."""

    delays: list[float]
    resident_bytes: int = 0

    async def run(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.delays.append(time.perf_counter() - begin - TICK_SECONDS)
            self.resident_bytes = max(self.resident_bytes, _resident_bytes())

    @property
    def p99_ms(self) -> float:
        return quantiles(self.delays, n=100)[98] * 1000


async def fetched(port: int, folder: Path, count: int) -> tuple[Watch, list[Download], float]:
    guard, watch = Guard(trusted=frozenset({f"127.0.0.1:{port}"})), Watch([])
    watching = asyncio.create_task(watch.run())
    begin = time.perf_counter()
    async with (
        httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(
                download(
                    client,
                    f"http://127.0.0.1:{port}/{at % 2}/{count}/{at}",
                    folder / f"{count}-{at}",
                    bytes_max=FILE_BYTES,
                    seconds_max=600,
                    guard=guard,
                )
            )
            for at in range(count)
        ]
    watching.cancel()
    return watch, [task.result() for task in tasks], time.perf_counter() - begin


async def fetch_figures(folder: Path) -> list[Figure]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    if server.stdout is None or server.stdin is None:
        raise RuntimeError("the server has no pipes")
    try:
        port = int(await server.stdout.readline())
        await fetched(port, folder, 1)
        base = _resident_bytes()
        one, _, one_seconds = await fetched(port, folder, 2)
        many, got, many_seconds = await fetched(port, folder, FILES)
    finally:
        server.stdin.close()
        await server.wait()
    whole = hashlib.sha256((PIECE * (FILE_BYTES // len(PIECE) + 1))[:FILE_BYTES]).hexdigest()
    grown, right = (many.resident_bytes - base) / MEBIBYTE, sum(each.sha256 == whole for each in got)
    return [
        Figure(name="M9 20 × 100 MB: RSS over idle, MiB", found=f"{grown:.1f}", asked="<= 64", is_met=grown <= 64),
        Figure(
            name="   the same, of 2 at once",
            found=f"{(many.resident_bytes - base) / max(one.resident_bytes - base, 1):.1f}",
        ),
        Figure(name="M9 loop delay p99, ms", found=f"{many.p99_ms:.1f}", asked="<= 50", is_met=many.p99_ms <= 50),
        Figure(name="   longest", found=f"{max(many.delays) * 1000:.1f}"),
        Figure(name="M9 files whole, of 20", found=str(right), asked="20", is_met=right == FILES),
        Figure(
            name="M9 resumed, of 10 broken",
            found=str(sum(each.resumes for each in got)),
            asked="10",
            is_met=sum(each.resumes for each in got) == FILES // 2,
        ),
        Figure(name="   MB a second, 20 against 2 at once", found=f"{FILES / many_seconds / (2 / one_seconds):.2f}"),
    ]


async def main(seconds: float) -> None:
    with TemporaryDirectory() as folder:
        figures = await fit_figures(Path(folder), seconds)
    with TemporaryDirectory() as folder:
        figures += await fetch_figures(Path(folder))
    show(figures)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1:] == ["serve"] else main(float(sys.argv[1]) if sys.argv[1:] else 15))
