"""The one loop that moves every open job, one step at a time; a restart is its first pass."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot.domain.errors import DatabaseError, InternalError
from bot.domain.jobs import MOVES, Job, JobState
from bot.domain.pacing import backoff_seconds
from bot.ports.books import Books, OutboxItem, StaleJobError, Transaction
from bot.ports.outside import Delivery
from bot.services.bell import Bell
from bot.services.moves import end
from bot.services.tell import Teller

FAULTS_MAX = 8
"""So many unexpected faults end a job of which nothing has left this machine."""
STUCK_MS = 24 * 3_600_000
"""Later states are tried every minute for a day: something was paid for, and the fault may be ours."""
NOTHING_LEFT = frozenset({JobState.COLLECTING, JobState.QUEUED})
FAULT_PAUSE_SECONDS = 1.0
TELLINGS_MAX = 8
TELLING_SECONDS_MAX = 60.0
IDLE_SECONDS_MAX = 30.0
RING_REST_MS = 5_000
"""However often a job is rung for, the provider is asked about it once in so long."""
CROWDED_SECONDS_MAX = 0.25
"""What is overdue waits for a full lane; whoever leaves it rings the bell."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One kind of work with its own limit, so that a slow upload never starves a poll."""

    name: str
    steps: Mapping[JobState, Callable[[Job], Awaitable[None]]]
    limit: int
    seconds_max: float


class Runner:
    """Starts what is due, in lanes, and sleeps until the next appointment or the bell."""

    def __init__(
        self,
        *,
        books: Books,
        lanes: Sequence[Lane],
        teller: Teller,
        delivery: Delivery,
        bell: Bell,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._lanes = lanes
        self._teller = teller
        self._targets = delivery.serves
        self._bell = bell
        self._now_ms = now_ms
        self._busy: dict[str, set[int]] = {lane.name: set() for lane in lanes}
        self._telling: set[tuple[int, str]] = set()
        self._rung: set[int] = set()
        self._polled_ms: dict[int, int] = {}

    async def run(self) -> None:
        """Until cancelled; steps under way are cancelled with it, and the next start carries them on."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._answer_bell()
                    next_ms = await self._start_due(group)
                except DatabaseError:  # a full disk passes, and what runs must go on
                    log.exception("the books cannot be read just now")
                    await asyncio.sleep(FAULT_PAUSE_SECONDS)
                    continue
                await self._bell.wait(self._idle_seconds(next_ms))

    async def _answer_bell(self) -> None:
        """A job under way waits for the end of its step: the appointment that the step makes would drown the ring."""
        heard, now_ms = self._bell.heard(), self._now_ms()
        self._rung |= heard.job_ids
        ready = {job_id for job_id in self._rung if not self._is_busy(job_id)}
        self._rung -= ready
        rested_ms = now_ms - RING_REST_MS
        self._polled_ms = {one: polled_ms for one, polled_ms in self._polled_ms.items() if polled_ms > rested_ms}
        due_ms = {job_id: self._polled_ms.get(job_id, rested_ms) + RING_REST_MS for job_id in ready}

        def hurry(tx: Transaction) -> None:
            tx.jobs.hurry(heard.task_ids, due_ms=now_ms)
            for job_id, moment_ms in due_ms.items():
                tx.jobs.hurry_job(job_id, due_ms=moment_ms)

        if heard.task_ids or ready:
            await self._books.write(hurry)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way: whatever comes next is an appointment."""
        return not self._telling and not any(self._busy.values())

    async def _start_due(self, group: asyncio.TaskGroup) -> int:
        """Start what is due; returns when there is something to do next."""
        now_ms = self._now_ms()
        jobs, items, next_ms = await self._books.write(lambda tx: self._due(tx, now_ms))
        for lane, job in jobs:
            self._busy[lane.name].add(job.id)
            if job.state is JobState.RUNNING:
                self._polled_ms[job.id] = now_ms
            group.create_task(self._step(lane, job))
        for item in items:
            key = (item.job_id, item.telling.value)
            if key not in self._telling and len(self._telling) < TELLINGS_MAX:
                self._telling.add(key)
                group.create_task(self._tell(item, key))
        return next_ms

    def _due(self, tx: Transaction, now_ms: int) -> tuple[list[tuple[Lane, Job]], list[OutboxItem], int]:
        """What each lane has room for, and the next appointment, in one look: jobs under way are not even read."""
        running = frozenset().union(*self._busy.values())
        due = tx.jobs.states_due(targets=self._targets, now_ms=now_ms, leaving_out=running)
        jobs = [
            (lane, job)
            for lane in self._lanes
            if (states := due & lane.steps.keys()) and (room := lane.limit - len(self._busy[lane.name])) > 0
            for job in tx.jobs.due(
                states=states,
                targets=self._targets,
                now_ms=now_ms,
                limit=room,
                leaving_out=running,
            )
        ]
        items = tx.outbox.due(targets=self._targets, now_ms=now_ms, limit=TELLINGS_MAX * 2)
        begun = running | {job.id for _, job in jobs}
        telling = frozenset(job_id for job_id, _ in self._telling) | {item.job_id for item in items}
        next_ms = min(
            tx.jobs.next_due_ms(targets=self._targets, leaving_out=begun) or _NEVER_MS,
            tx.outbox.next_due_ms(targets=self._targets, leaving_out=telling) or _NEVER_MS,
        )
        return jobs, items, next_ms

    async def _step(self, lane: Lane, job: Job) -> None:
        try:
            async with asyncio.timeout(lane.seconds_max):
                await lane.steps[job.state](job)
        except StaleJobError:
            log.info("somebody else moved the job", **job.log_fields())
        except Exception:  # a step must never stop the loop; what failed is logged, counted and tried again
            reference = secrets.token_hex(4)
            log.exception("step failed", reference=reference, **job.log_fields())
            await self._try_to_write(lambda tx: self._fault(tx, job, reference))
        finally:
            self._busy[lane.name].discard(job.id)
            self._bell.ring()

    async def _try_to_write(self, work: Callable[[Transaction], None]) -> None:
        """After a fault even this may fail, on a full disk for one: the row stays due and is met again soon."""
        try:
            await self._books.write(work)
        except Exception:  # as in a step
            log.exception("a fault could not be written down")
            await asyncio.sleep(FAULT_PAUSE_SECONDS)

    def _fault(self, tx: Transaction, seen: Job, reference: str) -> None:
        job = tx.jobs.get(seen.id)
        if job is None or job.state is not seen.state:
            return
        now_ms = self._now_ms()
        hopeless = job.state in NOTHING_LEFT and job.tries + 1 >= FAULTS_MAX
        stuck = now_ms - job.since_ms > STUCK_MS and JobState.FAILED in MOVES[job.state]
        if hopeless or stuck:
            end(tx, job, JobState.FAILED, InternalError(reference=reference), now_ms=now_ms)
            return
        wait_ms = round(backoff_seconds(job.tries) * 1000)
        tx.jobs.save(job.waiting(due_ms=now_ms + wait_ms, tries=job.tries + 1))

    async def _tell(self, item: OutboxItem, key: tuple[int, str]) -> None:
        try:
            async with asyncio.timeout(TELLING_SECONDS_MAX):
                await self._teller.step(item)
        except Exception:  # as in a step
            log.exception("telling failed", job_id=item.job_id, telling=item.telling.value)
            due_ms = self._now_ms() + round(backoff_seconds(item.tries) * 1000)
            await self._try_to_write(lambda tx: tx.outbox.later(item, due_ms=due_ms))
        finally:
            self._telling.discard(key)
            self._bell.ring()

    def _idle_seconds(self, next_ms: int) -> float:
        """Busy jobs are left out of the appointments: their own end rings the bell."""
        seconds = (next_ms - self._now_ms()) / 1000
        if seconds <= 0 and not self.is_idle:
            return CROWDED_SECONDS_MAX
        return min(max(seconds, 0), IDLE_SECONDS_MAX)

    def _is_busy(self, job_id: int) -> bool:
        return any(job_id in taken for taken in self._busy.values())


_NEVER_MS = 2**62
"""Later than any appointment."""
