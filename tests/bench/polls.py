"""What a poll costs this process: `PYTHONPATH=. python tests/bench/polls.py`.

The real runner, books and HTTP client ask a provider in another process about many running tasks; beside it the same
answers are fetched with nothing around them. CPU seconds of this process alone.
"""

import asyncio
import itertools
import multiprocessing
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from aiohttp import web

from bot.domain.jobs import ChannelTarget, Job, JobState, TargetKind
from bot.domain.quota import Leg
from bot.domain.requests import Aspect, Plan, Request, Tier
from bot.ports.books import Books, Transaction
from bot.providers.account import PaidAccount
from bot.providers.http import open_clients
from bot.providers.unifically import DIALECT
from bot.services.accounts import Accounts
from bot.services.bell import Bell
from bot.services.hooks import Hooks
from bot.services.routing import Router
from bot.services.runner import Runner
from bot.services.sources import Sources
from bot.services.tell import Teller
from bot.storage.books import open_books
from bot.wiring import now_ms
from bot.wiring.lanes import lanes_at_providers
from tests.bench.quota import Figure, show
from tests.services.stage import ScriptedDelivery
from tests.storage.making import usual_legs

POLLS = 1_000
APART_MS = 5
"""Far enough that mostly one poll is in flight."""
WAITING = 10_000
ANSWER = '{"code": 200, "success": true, "data": {"task_id": "t", "status": "processing"}}'
KIBIBYTE = 1024


def serve(pipe: Connection) -> None:
    """The provider's side; tells its port, and at the end how often it was asked over how many connections."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    asked, connections, more = [0], set[int](), asyncio.Condition()

    async def answer(request: web.Request) -> web.Response:
        connections.add(id(request.transport))
        async with more:
            asked[0] += 1
            more.notify_all()
        return web.Response(text=ANSWER, content_type="application/json")

    async def told(request: web.Request) -> web.Response:
        """Answered once so many polls have come."""
        async with more:
            await more.wait_for(lambda: asked[0] >= int(request.query["polls"]))
        return web.json_response([asked[0], len(connections)])

    app = web.Application()
    app.router.add_get("/told", told)
    app.router.add_get("/v1/tasks/{task_id}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.to_thread(pipe.recv)
    await runner.cleanup()


@asynccontextmanager
async def provider() -> AsyncIterator[str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{await asyncio.to_thread(ours.recv)}"
    finally:
        ours.send(None)
        process.join()


async def told(session: aiohttp.ClientSession, url: str, polls: int) -> tuple[int, int]:
    async with session.get(f"{url}/told", params={"polls": polls}) as response:
        asked, connections = await response.json()
        return asked, connections


async def bare_seconds(url: str) -> float:
    """CPU of one GET with nothing around it."""
    async with aiohttp.ClientSession() as session:
        before = time.process_time()
        for _ in range(POLLS):
            async with session.get(f"{url}/v1/tasks/t") as response:
                await response.json()
        return (time.process_time() - before) / POLLS


def running(job_id: int, due_ms: int) -> Job:
    plan = Plan(
        provider="unifically",
        model="bytedance/seedance-2.0-fast",
        tier=Tier.FAST,
        prompt="a fox in the snow, slowly turning towards us",
        duration_seconds=5,
        aspect=Aspect.WIDE,
        resolution="720p",
        sound=True,
        seed=7,
    )
    return Job(
        id=job_id,
        guild_id=1,
        member_id="7",
        target=ChannelTarget(channel_id=5, status_message_id=4, opens_thread=True),
        request=Request(prompt=plan.prompt),
        state=JobState.QUEUED,
        created_ms=due_ms,
        since_ms=due_ms,
        due_ms=due_ms,
        plan=plan,
        quote_micros=400_000,
    )


async def fill(books: Books, count: int, *, due_ms: int) -> None:
    """Running jobs, one due after the other from `due_ms` on."""
    legs = [replace(leg, limit=None) for leg in usual_legs()]
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        await books.write(partial(_fill, numbers=numbers, legs=legs, due_ms=due_ms))


def _fill(tx: Transaction, *, numbers: range, legs: list[Leg], due_ms: int) -> None:
    for number in numbers:
        job = running(10**18 + number, due_ms)
        tx.ledger.hold(job_id=job.id, legs=legs, actor="bench", now_ms=due_ms)
        job = tx.jobs.add(job)
        job = tx.jobs.save(job.to(JobState.SUBMITTING, now_ms=due_ms, account="unifically#1"))
        job = job.to(JobState.RUNNING, now_ms=due_ms, task_id=f"t{number}", submitted_ms=due_ms)
        tx.jobs.save(job.waiting(due_ms=due_ms + number * APART_MS))


@asynccontextmanager
async def runner(folder: Path, url: str, count: int, *, due_ms: int) -> AsyncIterator[Runner]:
    async with open_books(folder) as books, open_clients() as clients:
        await fill(books, count, due_ms=due_ms)
        row = replace(DIALECT.capabilities, requests_per_second=1_000.0)
        account = PaidAccount(
            dialect=DIALECT, clients=clients, base_urls=[url], api_key="k", account="unifically#1", capabilities=row
        )
        router = Router(rows={"unifically": row}, order=["unifically"], draw_seed=lambda: 7)
        delivery, bell = ScriptedDelivery(), Bell()
        lanes = lanes_at_providers(
            books=books,
            router=router,
            accounts=Accounts(providers={"unifically": [account]}, now_ms=now_ms),
            sources=Sources(signed=None, now_ms=now_ms),
            hooks=Hooks(door=None),
            mint=itertools.count(2 * 10**18).__next__,
            now_ms=now_ms,
        )
        teller = Teller(books=books, delivery=delivery, now_ms=now_ms)
        yield Runner(books=books, lanes=lanes, teller=teller, delivery=delivery, bell=bell, now_ms=now_ms)


async def whole_seconds(folder: Path, url: str) -> tuple[float, float]:
    """CPU of one poll through runner, books and client, and connections per 1,000 polls."""
    async with aiohttp.ClientSession() as session, runner(folder, url, POLLS, due_ms=now_ms() + 3_000) as one:
        first, connected = await told(session, url, 0)
        before = time.process_time()
        work = asyncio.create_task(one.run())
        polls, connections = await told(session, url, first + POLLS)
        spent = time.process_time() - before
        work.cancel()
    return spent / (polls - first), (connections - connected) * 1000 / (polls - first)


def resident_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / KIBIBYTE


async def kib_per_waiting(folder: Path, url: str) -> float:
    """What the process grows by for each running job that nobody asks about just now, while the runner runs."""
    async with runner(folder, url, WAITING, due_ms=now_ms() + 3_600_000) as one:
        before = resident_kib()
        work = asyncio.create_task(one.run())
        await asyncio.sleep(2)
        grown = resident_kib() - before
        work.cancel()
    return grown / WAITING


async def main() -> None:
    assert TargetKind.CHANNEL in ScriptedDelivery().serves
    with TemporaryDirectory() as folder:
        async with provider() as url:
            bare = await bare_seconds(url)
            whole, per_thousand = await whole_seconds(Path(folder) / "polls", url)
            waiting = await kib_per_waiting(Path(folder) / "waiting", url)
    ratio = whole / bare
    show(
        [
            Figure(name="S1 CPU per poll, whole / bare GET", found=f"{ratio:.1f}", asked="<= 10", is_met=ratio <= 10),
            Figure(name="  whole, bare: microseconds", found=f"{whole * 1e6:.0f}, {bare * 1e6:.0f}"),
            Figure(name="S2 KiB per waiting job of 10,000", found=f"{waiting:.2f}", asked="<= 2", is_met=waiting <= 2),
            Figure(
                name="S3 connections per 1,000 polls",
                found=f"{per_thousand:.1f}",
                asked="<= 10",
                is_met=per_thousand <= 10,
            ),
        ]
    )


if __name__ == "__main__":
    asyncio.run(main())
