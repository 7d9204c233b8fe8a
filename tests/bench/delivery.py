"""A clip's way from the provider's disk into the thread, in figures: `PYTHONPATH=. python tests/bench/delivery.py`.

The whole bot with a paid provider over the local Discord, all in this one process: what the bot itself grows by is
less than what is found here. Most clips are real video with a box of noise behind it, for only their bytes count;
one is real to its end. "Alone" are the same download and upload over the same links with nothing done to the file.
"""

import asyncio
import json
import os
import sqlite3
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import aiohttp
import httpx

from bot.media.download import download
from bot.media.guard import Guard
from tests.bench.media_fit import RASTERS, Watch, hard_clip
from tests.bench.quota import Figure, show
from tests.media import making
from tests.standins import unifically
from tests.stories.rig import Story
from tests.stories.test_unifically import paid_story

MEBIBYTE = 1024 * 1024
ONE_BYTES, MANY_BYTES, MANY = 50_000_000, 95_000_000, 20
BOOSTS = 3
TIMES = 5
RATIO, ASKED = 1.15, "<= 1.15"
REAL_SECONDS = 15
LINK_BYTES_PER_SECOND, PIECE_BYTES = 20_000_000, 64 * 1024


def padded(path: Path, size_bytes: int) -> Path:
    making.clip(path, seconds=5, size=(1280, 720), sound=True, movflags="faststart")
    missing = size_bytes - path.stat().st_size
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", missing, b"free"))
        for _ in range(0, missing - 8, MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
        file.truncate(size_bytes)
    return path


async def watched(work: Awaitable[object]) -> Watch:
    watch = Watch([])
    watching = asyncio.create_task(watch.run())
    await work
    watching.cancel()
    return watch


def in_states(folder: Path, job_id: int) -> dict[str, int]:
    """When the job came into each state, in milliseconds."""
    with closing(sqlite3.connect(f"file:{folder}/data/dailies.db?mode=ro", uri=True)) as books:
        return dict(books.execute("SELECT to_state, at_ms FROM event WHERE job_id = ?", (job_id,)).fetchall())


@asynccontextmanager
async def paced(port: int) -> AsyncIterator[int]:
    """A way to a port of this machine that lets so many bytes a second through in each direction; its own port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pour(reader, back), _pour(onward, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    free_at = clock()
    with suppress(ConnectionError):
        while chunk := await source.read(PIECE_BYTES):
            sink.write(chunk)
            await sink.drain()
            free_at = max(free_at, clock()) + len(chunk) / LINK_BYTES_PER_SECOND
            await asyncio.sleep(free_at - clock())
        sink.write_eof()


@asynccontextmanager
async def over_paced_links(told: Story, provider: unifically.Provider) -> AsyncIterator[None]:
    """The bot again, with both its links as slow as that."""
    sandbox, base = urlsplit(told.sandbox.api_url), urlsplit(provider.url)
    async with paced(sandbox.port or 0) as to_discord, paced(base.port or 0) as to_provider:
        provider.url = f"http://127.0.0.1:{to_provider}"
        row = told.settings.providers["unifically"].model_copy(update={"base_url": provider.url})
        api_url = f"http://127.0.0.1:{to_discord}{sandbox.path}"
        changed = {"providers": {"unifically": row}, "discord_api_url": api_url}
        told.settings = told.settings.model_copy(update=changed)
        await told.restart()
        yield


async def alone(told: Story, provider: unifically.Provider, folder: Path) -> float:
    """Seconds of the same download and the same upload with nothing between them, over the same links."""
    task = next(reversed(provider.tasks))
    begun = time.perf_counter()
    async with httpx.AsyncClient(trust_env=False) as client:
        link = provider.link_of(task)
        guard = Guard(trusted=frozenset({httpx.URL(link).netloc.decode()}))
        await download(client, link, folder / "alone.mp4", bytes_max=10**9, seconds_max=60, guard=guard)
    with (folder / "alone.mp4").open("rb") as file:
        form = aiohttp.FormData()
        said = {"nonce": f"{time.time_ns()}-one", "attachments": [{"id": 0, "filename": "alone.mp4"}]}
        form.add_field("payload_json", json.dumps(said))
        form.add_field("files[0]", file, filename="alone.mp4", content_type="video/mp4")
        headers = {"Authorization": f"Bot {told.sandbox.token}"}
        address = f"{told.settings.discord_api_url}/channels/{told.channel.id}/messages"
        async with aiohttp.ClientSession(headers=headers) as session, session.post(address, data=form) as answer:
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(await answer.text())
    took = time.perf_counter() - begun
    (folder / "alone.mp4").unlink()
    return took


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One clip's way in seconds: the bot's, the transfers' alone, its stages; and the loop's longest stall."""

    took: float
    alone: float
    stages: tuple[int, ...]
    stall: float


async def delivered(told: Story, provider: unifically.Provider, clip: Path, folder: Path) -> Delivered:
    provider.clips.append(clip)
    asked = told.generate("a fox")
    watch = await watched(told.clip(asked, seconds=120))
    at = in_states(folder, asked.id)
    stages = [at[state] for state in ("FETCHING", "FITTING", "POSTING", "DELIVERED")]
    return Delivered(
        took=(at["DELIVERED"] - at["FETCHING"]) / 1000,
        alone=await alone(told, provider, folder),
        stages=tuple(after - before for before, after in pairwise(stages)),
        stall=max(watch.delays),
    )


def figures_of(name: str, seen: Sequence[Delivered]) -> list[Figure]:
    ratio = median(one.took / one.alone for one in seen)
    middle = sorted(seen, key=lambda one: one.took / one.alone)[len(seen) // 2]
    stages = " + ".join(map(str, middle.stages))
    return [
        Figure(name=f"{name}: completed to posted / alone", found=f"{ratio:.2f}", asked=ASKED, is_met=ratio <= RATIO),
        Figure(name="  fetch + fit + post, and alone, ms", found=f"{stages}, {middle.alone * 1000:.0f}"),
    ]


async def one_at_a_time(folder: Path) -> list[Figure]:
    clips = {
        "50 MB": padded(folder / "one.mp4", ONE_BYTES),
        "15 s of 1080p": hard_clip(folder / "real.mp4", RASTERS["1080p"], REAL_SECONDS),
    }
    links: dict[str, AbstractAsyncContextManager[None]]
    figures, stalls = [], []
    async with paid_story(folder / "one", default_guild_budget_usd="50") as (told, provider):
        told.guild.premium_tier = BOOSTS
        links = {"loopback": nullcontext(), "20 MB/s": over_paced_links(told, provider)}
        for link, context in links.items():
            async with context:
                for name, clip in clips.items():
                    seen = [await delivered(told, provider, clip, folder / "one") for _ in range(TIMES)]
                    figures += figures_of(f"{name}, {link}", seen)
                    stalls += [one.stall for one in seen] if link == "loopback" else []
    stall = median(stalls) * 1000
    return [
        *figures,
        Figure(name="longest stall of the event loop, ms", found=f"{stall:.0f}", asked="<= 50", is_met=stall <= 50),
    ]


async def many_at_once(folder: Path) -> list[Figure]:
    clip = padded(folder / "many.mp4", MANY_BYTES)
    async with paid_story(folder / "many", default_guild_budget_usd="50") as (told, provider):
        told.guild.premium_tier = BOOSTS
        provider.clips.extend([clip] * (MANY + 1))
        await told.clip(told.generate("warm"))
        idle = (await watched(asyncio.sleep(0.1))).resident_bytes
        asked = [told.generate(f"fox {n}") for n in range(MANY)]
        watch = await watched(asyncio.gather(*(told.clip(one, seconds=300) for one in asked)))
        grown = (watch.resident_bytes - idle) / MEBIBYTE
    return [Figure(name=f"{MANY} × 95 MB: RSS over idle, MiB", found=f"{grown:.0f}", asked="<= 64", is_met=grown <= 64)]


async def main() -> None:
    with TemporaryDirectory() as folder:
        show([*await one_at_a_time(Path(folder)), *await many_at_once(Path(folder))])


if __name__ == "__main__":
    asyncio.run(main())
