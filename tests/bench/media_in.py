"""References on their way in, as one table: `python tests/bench/media_in.py [MUTATED]`.

M1: what the probe reads of a file and how long it computes; M2: lengths; M10: bad input; and what mending takes.
MUTATED damaged files are probed, 10,000 unless told otherwise. Times are of one run on one machine.
"""

import asyncio
import io
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from bot.domain.changes import Change, ChangeKind, changes_for
from bot.domain.references import MEGABYTE, MediaInfo, Reference, ReferenceRules, StoredReference
from bot.domain.slots import Kind, Slot
from bot.media.child import ChildFailedError, run_limited
from bot.media.mend import LIMITS
from bot.media.probe import UnreadableError, probe
from tests.bench.quota import Figure, show
from tests.media import making
from tests.media.test_image_headers import Counted

READ_BYTES_MAX, READS_MAX, READS_METADATA_MAX, CPU_MS_MAX = 32 * 1024, 2, 8, 5
SLOWEST_MS_MAX = 50
TIMES = 15
"""Of so many probes of one file the median counts."""
LENGTH_OFF_MS_MAX = 50
REFUSED_SECONDS_MAX = 5
GROWN_MEBIBYTES_MAX = 8
VBR = {"flags": "+qscale", "global_quality": str(118 * 4)}
WALKED = frozenset({"told.mp4"})
"""Only the last fragment shows whether the file is whole."""
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"


# -- the files


def photographs(folder: Path) -> Iterator[Path]:
    noise = np.random.default_rng(5).integers(0, 255, (2_000, 3_000, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    for name in ("a.jpg", "a.png", "a.bmp", "a.tiff", "a.gif"):
        image.save(folder / name)
        yield folder / name
    image.resize((1_500, 1_000)).save(folder / "a.webp", method=0)
    yield folder / "a.webp"
    data = (folder / "a.jpg").read_bytes()
    segment = b"\xff\xe2" + (65_000).to_bytes(2, "big") + bytes(64_998)
    (folder / "metadata.jpg").write_bytes(data[:2] + segment * 5 + data[2:])
    yield folder / "metadata.jpg"


def films(folder: Path) -> Iterator[Path]:
    for name, movflags in (("first.mp4", "faststart"), ("last.mp4", ""), ("last.mov", ""), ("told.mp4", FRAGMENTS)):
        path = folder / name
        making.clip(path, seconds=15, size=(320, 180), sound=True, movflags=movflags)
        if movflags == FRAGMENTS:
            making.tell_fragments_length(path, path, ticks=15_000)
        yield path


def sounds(folder: Path) -> Iterator[Path]:
    yield making.tone(folder / "a.wav", seconds=12)
    yield making.tone(folder / "cbr.mp3", seconds=12, codec="libmp3lame")
    yield making.tone(folder / "vbr.mp3", seconds=12, codec="libmp3lame", encoder=VBR)


def bare(folder: Path) -> Path:
    muxer = {"write_xing": "0"}
    return making.tone(folder / "bare.mp3", seconds=12, codec="libmp3lame", encoder=VBR, muxer=muxer)


# -- M1


def probing(paths: Sequence[Path]) -> Iterator[Figure]:
    for path in paths:
        data = path.read_bytes()
        counted = Counted(data)
        probe(counted, len(data))
        spent = median(_cpu_ms(lambda data=data: probe(io.BytesIO(data), len(data))) for _ in range(TIMES))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        reads_max = READS_METADATA_MAX if path.name == "metadata.jpg" else READS_MAX
        name = f"M1 probe of {path.name}, {len(data) / MEGABYTE:.1f} MB"
        found = f"{counted.read_bytes / 1024:.1f} KiB, {counted.reads} reads, {spent:.2f} ms"
        if path.name in WALKED:
            yield Figure(name=f"{name} (every fragment is walked)", found=found)
            continue
        yield Figure(
            name=name,
            found=found,
            asked=f"{READ_BYTES_MAX // 1024} KiB, {reads_max} reads, {CPU_MS_MAX} ms",
            is_met=counted.read_bytes <= READ_BYTES_MAX and counted.reads <= reads_max and spent <= CPU_MS_MAX,
        )


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def mutated(paths: Sequence[Path], count: int) -> Figure:
    """Any other error than UnreadableError ends the bench."""
    chance = random.Random(4)  # noqa: S311 (the same files on every run)
    sound = [path.read_bytes()[: 2 * MEGABYTE] for path in paths]
    slowest, refused = 0.0, 0
    for number in range(count):
        damaged = damage(sound[number % len(sound)], chance)
        began = time.thread_time()
        try:
            probe(io.BytesIO(damaged), len(damaged))
        except UnreadableError:
            refused += 1
        slowest = max(slowest, (time.thread_time() - began) * 1000)
    return Figure(
        name=f"M1 {count:,} mutated files: an answer or UnreadableError ({refused:,}); the slowest",
        found=f"{slowest:.1f} ms",
        asked=f"{SLOWEST_MS_MAX} ms",
        is_met=slowest <= SLOWEST_MS_MAX,
    )


def damage(data: bytes, chance: random.Random) -> bytes:
    """Flipped bytes, extreme numbers, cuts and repeats, most of them where headers are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(min(len(changed), chance.choice((200, 3_000, len(changed)))))
        match chance.randrange(4):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place : place + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            case 2:
                del changed[place : min(place + chance.randint(1, 400), len(changed) - 1)]
            case _:
                changed[place:place] = changed[: chance.randint(1, 400)]
    return bytes(changed)


# -- M2


def lengths(folder: Path) -> Iterator[Figure]:
    for name in ("cbr.mp3", "vbr.mp3", "bare.mp3", "first.mp4"):
        data = (folder / name).read_bytes()
        wanted = 15_000 if name == "first.mp4" else 12_000
        found = probe(io.BytesIO(data), len(data)).duration_ms
        is_met = abs(found - wanted) <= LENGTH_OFF_MS_MAX
        yield Figure(name=f"M2 length of {name}", found=f"{found} ms", asked=f"{wanted} ± 50 ms", is_met=is_met)


# -- M10


def bad_files(folder: Path) -> Iterator[Path]:
    film, picture = (folder / "first.mp4").read_bytes(), (folder / "a.png").read_bytes()
    header = bytearray(picture)
    header[16:24] = (50_000).to_bytes(4, "big") * 2
    made = {
        "empty.mp4": b"",
        "a.zip": b"PK\x03\x04" + bytes(999),
        "hls.mp4": b"#EXTM3U\nhttp://127.0.0.1/a.ts\n",
        "ffconcat.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "bomb.png": bytes(header),
        "cut.png": picture[: len(picture) // 2],
        "cut.mp4": film[: len(film) // 2],
        "flipped.png": _flipped(picture),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
        yield folder / name
    yield making.plain_clip(folder / "8192.mp4", side=8_192)


def _flipped(data: bytes) -> bytes:
    """One bit in the middle of the packed pixels."""
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 16
    return bytes(changed)


async def refused(path: Path) -> Figure:
    is_film = path.suffix in {".mp4", ".zip"}
    before = MediaInfo(kind=Kind.VIDEO if is_film else Kind.IMAGE, format=path.suffix[1:], width=320, height=180)
    change = Change(
        place=Slot(kind=before.kind, number=1),
        name=path.name,
        kinds=(ChangeKind.SHRINK,),
        before=before,
        bytes_before=1,
        width=320,
        height=180,
        format="mp4" if is_film else "png",
        duration_ms=2_000 if is_film else 0,
        bytes_max=MEGABYTE,
    )
    rss, began = getrusage(RUSAGE_SELF).ru_maxrss, time.perf_counter()
    reason = await _reason(path, change)
    seconds, grown = time.perf_counter() - began, (getrusage(RUSAGE_SELF).ru_maxrss - rss) / 1024
    return Figure(
        name=f"M10 {path.name}: {reason}",
        found=f"{seconds:.2f} s, +{grown:.0f} MiB",
        asked=f"{REFUSED_SECONDS_MAX} s, +{GROWN_MEBIBYTES_MAX} MiB",
        is_met=bool(reason) and seconds <= REFUSED_SECONDS_MAX and grown <= GROWN_MEBIBYTES_MAX,
    )


async def _reason(path: Path, change: Change) -> str:
    try:
        await _mended(path, change)
    except ChildFailedError as failure:
        return failure.reason
    return ""


async def _mended(path: Path, change: Change) -> dict[str, object]:
    arguments: dict[str, Any] = {
        "path": str(path),
        "output": str(path.with_suffix(".out")),
        "change": change.as_json(),
    }
    return await run_limited("bot.media.mend:mend", arguments, limits=LIMITS)


# -- mending


def good_files(folder: Path) -> Iterator[Path]:
    Image.new("RGBA", (8_192, 8_192), (9, 90, 200, 99)).save(folder / "8192.png")
    yield folder / "8192.png"
    Image.effect_noise((1_200, 900), 80).convert("RGB").resize((12_000, 9_000)).save(folder / "108mp.jpg", quality=80)
    yield folder / "108mp.jpg"
    yield making.clip(folder / "1080p.mov", seconds=5, size=(1920, 1080), codec="libx265", sound=True)
    yield making.tone(folder / "long.mp3", seconds=60, codec="libmp3lame")


async def mending(path: Path) -> Figure:
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    reference = Reference(place=Slot(kind=info.kind, number=1), name=path.name, source=str(path), declared_bytes=1)
    one = StoredReference(reference=reference, sha256="", size_bytes=path.stat().st_size, info=info)
    (change,) = changes_for([one], ReferenceRules())
    began, cpu = time.perf_counter(), getrusage(RUSAGE_CHILDREN).ru_utime
    said = await _mended(path, change)
    wall, cpu = time.perf_counter() - began, getrusage(RUSAGE_CHILDREN).ru_utime - cpu
    return Figure(
        name=f"{change.sentence} {said['width']}×{said['height']}, {said['duration_ms']} ms, {said['format']}",
        found=f"{wall:.1f} s, {cpu:.1f} CPU s",
    )


async def main(count: int) -> int:
    with TemporaryDirectory() as made:
        folder = Path(made)
        paths = [*photographs(folder), *films(folder), *sounds(folder)]
        unlikely = bare(folder)
        figures = [*probing(paths), mutated([*paths, unlikely], count), *lengths(folder)]
        figures += [await refused(path) for path in bad_files(folder)]
        figures += [await mending(path) for path in good_files(folder)]
    show(figures)
    return int(any(figure.is_met is False for figure in figures))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
