"""A stage for the services: real books in a file, real media on disk, a scripted provider and delivery."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx

from bot.domain.capabilities import Capabilities, Transport
from bot.domain.jobs import ChannelTarget, Job, JobState, Target, TargetKind
from bot.domain.references import Reference, ReferenceRules
from bot.domain.requests import Plan, Request
from bot.domain.rules import Caps
from bot.domain.slots import Kind
from bot.media.library import Library
from bot.media.looker import Looker
from bot.media.shelf import Shelf
from bot.media.studio import Studio
from bot.ports.books import Transaction
from bot.ports.outside import Admins, Pending, Posted, Succeeded, TaskStatus, WireRequest
from bot.ports.outside import Studio as StudioPort
from bot.providers.unifically import CAPABILITIES as UNIFICALLY
from bot.services.accounts import Accounts
from bot.services.admission import Admission
from bot.services.alerts import AdminTeller
from bot.services.approvals import Approvals
from bot.services.bell import Bell
from bot.services.collect import Collector
from bot.services.desk import JobDesk
from bot.services.finish import Finisher
from bot.services.fit import Fitter
from bot.services.hooks import Hooks
from bot.services.intake import Intake
from bot.services.routing import Router
from bot.services.runner import Lane, Runner
from bot.services.sources import Sources
from bot.services.tell import Teller
from bot.storage.books import SqliteBooks, open_books
from bot.storage.views import SqliteViews, open_views
from bot.wiring.lanes import lanes_at_providers

T = TypeVar("T")
SAMPLES = Path(__file__).parents[2] / "bot" / "samples"
MEMBER, GUILD, JOB = "1001", 2002, 1433000000000000001
FILES = dict.fromkeys(Kind, (Transport.FILE,))
ROW = replace(UNIFICALLY, transports=FILES, requests_per_second=1000.0, typical_seconds=40, deadline_seconds=300)


class Clock:
    """Stands still until the runner has nothing to do; then it jumps to the next appointment."""

    def __init__(self) -> None:
        self.ms = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.ms


class JumpingBell(Bell):
    """Waits a moment for work under way to ring, then moves the clock instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.is_idle: Callable[[], bool] = lambda: True

    async def wait(self, seconds: float | None) -> None:
        if self.is_idle() and seconds and not self._rung.is_set():
            self._clock.ms += round(seconds * 1000) + 1
            await asyncio.sleep(0)
        else:
            await super().wait(seconds)


class NoticedBooks:
    """Real books that tell when somebody wrote: whoever waits for a change need not look all the time."""

    def __init__(self, books: SqliteBooks) -> None:
        self._books = books
        self._changed = asyncio.Event()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        try:
            return await self._books.write(work)
        finally:
            self._changed.set()

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """What is seen now; a change from here on is the next one."""
        self._changed.clear()
        return await self._books.write(work)

    async def next_change(self) -> None:
        await self._changed.wait()
        self._changed.clear()


@dataclass(kw_only=True)
class ScriptedProvider:
    """Answers from lists; the last answer stays. An exception in a list is raised."""

    capabilities: Capabilities = ROW
    account: str = "unifically#1"
    trusted_host: str | None = None
    submit_answers: list[str | Exception] = field(default_factory=lambda: ["task-1"])
    statuses: list[TaskStatus | Exception] = field(
        default_factory=lambda: [Pending(), Succeeded(video=str(SAMPLES / "drift.mp4"))]
    )
    stops: bool = False
    submits: list[str] = field(default_factory=list)
    callbacks: list[str | None] = field(default_factory=list)
    on_submit: Callable[[], None] = lambda: None
    submit_gate: asyncio.Event | None = None
    submitting: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self, *, plan: Plan, links: dict[str, str], callback: str | None = None) -> WireRequest:
        del callback
        return WireRequest(method="POST", url="", headers={}, body={"plan": plan.prompt, "links": links})

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str], callback: str | None = None) -> str:
        assert plan.references is not None
        assert links == {}
        self.callbacks.append(callback)
        self.submits.append(attempt_id)
        self.on_submit()
        self.submitting.set()
        if self.submit_gate is not None:
            await self.submit_gate.wait()
        return str(_next(self.submit_answers))

    async def read(self, *, task_id: str) -> TaskStatus:
        assert task_id == "task-1"
        status: TaskStatus = _next(self.statuses)
        return status

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        return {task_id: await self.read(task_id=task_id) for task_id in task_ids}

    async def cancel(self, *, task_id: str) -> bool:
        assert task_id == "task-1"
        return self.stops

    async def is_genuine(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        assert body is not None
        return headers.get("signature") != "forged"

    def called_task(self, *, plan: Plan, body: bytes) -> str | None:
        assert plan.prompt
        return body.decode() or None


def succeeding(made: Path, **changes: object) -> ScriptedProvider:
    """One whose first task is ready at the second look."""
    return ScriptedProvider(statuses=[Pending(), Succeeded(video=str(made))], **changes)  # type: ignore[arg-type] # passed on as they are


@dataclass(kw_only=True)
class ScriptedDelivery:
    """Remembers what it was told; raises what `post_answers` holds."""

    post_answers: list[Posted | Exception] = field(default_factory=lambda: [Posted(channel_id=5, message_id=6)])
    bytes_max: int | None = None
    posts: list[int] = field(default_factory=list)
    shown: list[JobState] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    on_show: Callable[[Job], None] = lambda _: None

    @property
    def serves(self) -> frozenset[TargetKind]:
        return frozenset(TargetKind)

    async def show(self, *, job: Job) -> int | None:
        self.shown.append(job.state)
        self.on_show(job)
        return None

    async def room(self, *, job: Job) -> int | None:
        assert job.clip_path is not None
        return self.bytes_max

    async def post(self, *, job: Job, clip: Path) -> Posted:
        assert clip.exists()
        self.posts.append(job.id)
        posted: Posted = _next(self.post_answers)
        return posted

    async def notify(self, *, job: Job) -> None:
        self.notices.append(job.error_text or "")


def _next(answers: list[Any]) -> Any:  # Any: each script is typed where it stands
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass(kw_only=True)
class Stage:
    """Everything the services need, and what a test asks of it."""

    books: NoticedBooks
    views: SqliteViews
    library: Library
    studio: Studio
    clock: Clock
    provider: ScriptedProvider
    delivery: ScriptedDelivery
    caps: Caps
    folder: Path
    admins: Admins | None = None
    others: Sequence[ScriptedProvider] = ()

    def __post_init__(self) -> None:
        self.bell = JumpingBell(self.clock)
        now_ms = self.clock.now_ms
        self.hand: StudioPort = self.studio
        everyone = [self.provider, *self.others]
        rows = {one.capabilities.provider: one.capabilities for one in everyone}
        self.router = Router(rows=rows, order=list(rows), draw_seed=lambda: 7)
        accounts = {name: [one for one in everyone if one.capabilities.provider == name] for name in rows}
        self.accounts = Accounts(providers=accounts, now_ms=now_ms, draw=lambda: 0.0)
        self.intake = Intake(books=self.books, bell=self.bell, now_ms=now_ms, rules=ReferenceRules())
        self.admission = Admission(router=self.router, caps=self.caps, now_ms=now_ms, resting=self.accounts.resting)
        self.approvals = Approvals(
            books=self.books, router=self.router, admission=self.admission, bell=self.bell, now_ms=now_ms
        )
        self.desk = JobDesk(books=self.books, views=self.views, router=self.router, bell=self.bell, now_ms=now_ms)

    def runner(self) -> Runner:
        now_ms = self.clock.now_ms
        sources = Sources(signed=None, now_ms=now_ms)
        collect = Collector(
            books=self.books,
            media=self.library,
            router=self.router,
            sources=sources,
            studio=self.hand,
            admission=self.admission,
            now_ms=now_ms,
        )
        at_providers = lanes_at_providers(
            books=self.books,
            router=self.router,
            accounts=self.accounts,
            sources=sources,
            hooks=Hooks(door=None),
            mint=count(2 * 10**18).__next__,
            now_ms=now_ms,
        )
        finish = Finisher(
            books=self.books,
            accounts=self.accounts,
            router=self.router,
            media=self.library,
            delivery=self.delivery,
            now_ms=now_ms,
        )
        fit = Fitter(books=self.books, media=self.library, studio=self.hand, delivery=self.delivery, now_ms=now_ms)
        steps = {
            JobState.COLLECTING: collect.step,
            JobState.CONFIRMING: self.approvals.expire,
            JobState.APPROVING: self.approvals.expire,
            **{state: step for lane in at_providers for state, step in lane.steps.items()},
            JobState.FETCHING: finish.fetch,
            JobState.FITTING: fit.step,
            JobState.POSTING: finish.post,
        }
        teller = Teller(books=self.books, delivery=self.delivery, now_ms=now_ms, admins=self._admin_teller())
        lane = Lane(name="all", steps=steps, limit=8, seconds_max=30)
        runner = Runner(
            books=self.books, lanes=[lane], teller=teller, delivery=self.delivery, bell=self.bell, now_ms=now_ms
        )
        self.bell.is_idle = lambda: runner.is_idle
        return runner

    def _admin_teller(self) -> AdminTeller | None:
        if self.admins is None:
            return None
        now_ms = self.clock.now_ms
        return AdminTeller(books=self.books, views=self.views, admins=self.admins, caps=self.caps, now_ms=now_ms)

    async def ask(
        self,
        prompt: str = "a fox",
        *,
        references: tuple[Reference, ...] = (),
        target: Target | None = None,
        job_id: int = JOB,
        guild_id: int = GUILD,
        **options: Any,
    ) -> Job:
        return await self.intake.accept(
            job_id=job_id,
            guild_id=guild_id,
            member_id=MEMBER,
            target=target or ChannelTarget(channel_id=5, status_message_id=4, opens_thread=True),
            request=Request(prompt=prompt, references=references, **options),
        )

    async def run_until(self, *states: JobState, job_id: int = JOB) -> Job:
        """Run until the job reached one of the states and everything due was told."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(self.runner().run())
            job = await self.reach(*states, job_id=job_id)
            running.cancel()
        return job

    async def run_until_shown(self, count: int) -> dict[int, Job]:
        """Run until so many jobs have a card that says when they are usually ready."""
        shown: dict[int, Job] = {}
        self.delivery.on_show = lambda job: shown.update({job.id: job} if job.ready_from_ms else {})
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(self.runner().run())
            while len(shown) < count:
                await self.books.next_change()
            running.cancel()
        return shown

    async def run_to_end(self) -> Job:
        return await self.run_until(*[state for state in JobState if state.name in ENDS])

    async def job(self, job_id: int = JOB) -> Job:
        job = await self.books.write(lambda tx: tx.jobs.get(job_id))
        assert job is not None
        return job

    async def reach(self, *states: JobState, job_id: int = JOB) -> Job:
        while True:
            job, told = await self.books.look(lambda tx: (tx.jobs.get(job_id), self._all_told(tx)))
            if job is not None and job.state in states and told:
                return job
            await self.books.next_change()

    def _all_told(self, tx: Transaction) -> bool:
        return not tx.outbox.due(targets=frozenset(TargetKind), now_ms=self.clock.now_ms(), limit=1)

    async def spent(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(spent, held) per owner kind and unit, of the month or the operator's day."""
        lines = await self.views.balances()
        return {(str(b["owner"]), str(b["unit"])): (int(b["spent"] or 0), int(b["held"] or 0)) for b in lines}


ENDS = {"DELIVERED", "REFUSED", "FAILED", "CANCELLED", "ABANDONED", "UNDELIVERABLE"}


@asynccontextmanager
async def set_stage(
    folder: Path,
    *,
    provider: ScriptedProvider | None = None,
    others: Sequence[ScriptedProvider] = (),
    delivery: ScriptedDelivery | None = None,
    budget_micros: int = 5_000_000,
) -> AsyncIterator[Stage]:
    async with open_books(folder) as books, open_views(folder) as views, httpx.AsyncClient(trust_env=False) as client:
        shelf = Shelf(folder)
        studio = Studio(shelf=shelf)
        library = Library(
            shelf=shelf,
            studio=studio,
            looker=Looker(shelf=shelf, client=client),
            made_folder=folder / "made",
            client=client,
            cdn_hosts=frozenset({"127.0.0.1"}),
            rules=ReferenceRules(),
        )
        yield Stage(
            books=NoticedBooks(books),
            views=views,
            library=library,
            studio=studio,
            clock=Clock(),
            provider=provider or ScriptedProvider(),
            delivery=delivery or ScriptedDelivery(),
            caps=Caps(guild_month_micros=budget_micros, operator_day_micros=50_000_000),
            folder=folder,
            others=others,
        )
