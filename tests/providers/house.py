"""A paid account under test beside its stand-in and the web room that serves its references, all on loopback."""

import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bot.domain.links import SignedLinks
from bot.domain.references import StoredReference
from bot.domain.requests import Plan
from bot.ports.outside import TaskStatus
from bot.providers.account import Dialect, PaidAccount
from bot.providers.http import Clients, open_clients
from bot.web.app import make_app, serving
from tests.providers.planning import plan_for, stored
from tests.standins.loopback import KEY, Fate, StandIn, Trouble

SAMPLES = Path(__file__).parents[2] / "bot" / "samples"
CLIP = SAMPLES / "drift.mp4"
FILES = {
    "@Image1": SAMPLES / "cat.jpg",
    "@Image2": SAMPLES / "rocket.jpg",
    "@Video1": CLIP,
    "@Audio1": SAMPLES / "mood.mp3",
    "first_frame": SAMPLES / "coffee.jpg",
    "end_frame": SAMPLES / "astronaut.jpg",
}
SECRET = bytes(range(32))


class StandInAt(Protocol):
    """A stand-in on a loopback port that serves a clip."""

    def __call__(self, *, clip: Path) -> AbstractAsyncContextManager[StandIn]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dialect and how its stand-in is made to misbehave; None where the documents have no such answer.

    `understood` tells from a task's input what was asked: `seconds`, `aspect`, `resolution`, and `sound`, `seed`,
    `model` where the dialect has them. `base_url` adds the dialect's own root to the stand-in's address.
    """

    dialect: Dialect
    running: StandInAt
    understood: Callable[[dict[str, Any]], Mapping[str, object]]
    root: str = ""
    rate_limited: Callable[[str | None], Trouble]
    without_id: Callable[[], Trouble]
    error: Callable[[int, str], Trouble]
    moderated: Callable[[str], Fate] | None = None
    moderation: Trouble | None = None
    payment: Trouble | None = None


@dataclass(kw_only=True)
class House:
    """The account under test, the provider it talks to, and the web room that serves its references."""

    subject: Subject
    account: PaidAccount
    provider: StandIn
    clients: Clients
    links: SignedLinks
    folder: Path

    def stored_path(self, sha256: str) -> Path:
        return self.folder / sha256

    def linked_path(self, *, name: str) -> Path | None:
        path = self.stored_path(name.partition(".")[0])
        return path if path.is_file() else None

    def keep(self, place: str) -> StoredReference:
        path = FILES[place]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copyfile(path, self.stored_path(digest))
        return stored(place, sha256=digest, size_bytes=path.stat().st_size)

    def plan(self, prompt: str, *places: str, **options: Any) -> Plan:
        return plan_for(self.subject.dialect.capabilities, prompt, *(self.keep(place) for place in places), **options)

    def links_for(self, plan: Plan) -> dict[str, str]:
        taken = self.subject.dialect.capabilities
        return {
            one.sha256: self.links.link_for(sha256=one.sha256, extension=one.info.format)
            for one in plan.references
            if taken.takes_link(one.info.kind)
        }

    def account_at(self, *, key: str = KEY, seconds: float = 5.0) -> PaidAccount:
        return PaidAccount(
            dialect=self.subject.dialect,
            clients=self.clients,
            base_urls=[self.provider.url + self.subject.root],
            api_key=key,
            account="account#1",
            stored_path=self.stored_path,
            submit_seconds=seconds,
            read_seconds=seconds,
        )

    async def submit(
        self, plan: Plan | None = None, account: PaidAccount | None = None, callback: str | None = None
    ) -> str:
        plan = plan or self.plan("A cat in the rain")
        account = account or self.account
        return await account.submit(attempt_id="a1", plan=plan, links=self.links_for(plan), callback=callback)

    async def reads(self, task_id: str, count: int) -> list[TaskStatus]:
        return [await self.account.read(task_id=task_id) for _ in range(count)]

    async def end(self, fate: Fate) -> TaskStatus:
        """How a task with this fate ends."""
        self.provider.fates.append(fate)
        task_id = await self.submit()
        return (await self.reads(task_id, len(fate.statuses)))[-1]


@asynccontextmanager
async def opened(subject: Subject) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = await stack.enter_async_context(subject.running(clip=CLIP))
        clients = await stack.enter_async_context(open_clients())
        links = SignedLinks(public_url="", secret=SECRET, now_ms=lambda: 0)
        house = House(
            subject=subject,
            account=None,  # type: ignore[arg-type] # made below: it needs the house
            provider=provider,
            clients=clients,
            links=links,
            folder=folder,
        )
        house.account = house.account_at()
        app = make_app(files=house, secret=SECRET, now_ms=lambda: 0, healthy=lambda: True)
        port = await stack.enter_async_context(serving(app, host="127.0.0.1", port=0))
        house.links = replace(links, public_url=f"http://127.0.0.1:{port}")
        yield house
