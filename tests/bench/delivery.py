"""A clip's way from the provider's disk into the thread, in figures: `PYTHONPATH=. python tests/bench/delivery.py`.

The whole bot with a paid provider over the local Discord, all in this one process: what the bot itself grows by is
less than what is found here. Clips are of real video with a box of noise behind it, for only their bytes count.
"""

import asyncio
import json
import os
import sqlite3
import struct
import time
from collections.abc import Awaitable
from contextlib import closing
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx

from bot.media.download import download
from bot.media.guard import Guard
from tests.bench.media_fit import Watch
from tests.bench.quota import Figure, show
from tests.media import making
from tests.standins import unifically
from tests.stories.rig import Story
from tests.stories.test_unifically import paid_story

MEBIBYTE = 1024 * 1024
ONE_BYTES, MANY_BYTES, MANY = 50_000_000, 95_000_000, 20
BOOSTS = 3
TIMES = 3


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


async def alone(told: Story, provider: unifically.Provider, folder: Path) -> float:
    """Seconds of the same download and the same upload with nothing between them."""
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
        address = f"{told.sandbox.api_url}/channels/{told.channel.id}/messages"
        async with aiohttp.ClientSession(headers=headers) as session, session.post(address, data=form) as answer:
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(await answer.text())
    took = time.perf_counter() - begun
    (folder / "alone.mp4").unlink()
    return took


async def one_at_a_time(folder: Path) -> list[Figure]:
    clip = padded(folder / "one.mp4", ONE_BYTES)
    ratios, stalls, shares = [], [], []
    async with paid_story(folder / "one") as (told, provider):
        told.guild.premium_tier = BOOSTS
        provider.clips.extend([clip] * TIMES)
        for _ in range(TIMES):
            asked = told.generate("a fox")
            watch = await watched(told.clip(asked))
            at = in_states(folder / "one", asked.id)
            took = (at["DELIVERED"] - at["FETCHING"]) / 1000
            ratios.append(took / await alone(told, provider, folder))
            stalls.append(max(watch.delays) * 1000)
            stages = [at[state] for state in ("FETCHING", "FITTING", "POSTING", "DELIVERED")]
            shares.append(" + ".join(str(after - before) for before, after in pairwise(stages)))
    ratio, stall = sorted(ratios)[TIMES // 2], sorted(stalls)[TIMES // 2]
    return [
        Figure(name="50 MB: completed to posted / alone", found=f"{ratio:.2f}", asked="<= 1.15", is_met=ratio <= 1.15),
        Figure(name="  fetch + fit + post, ms", found=shares[-1]),
        Figure(name="  longest stall of the event loop, ms", found=f"{stall:.0f}", asked="<= 50", is_met=stall <= 50),
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
