"""Who is next at a provider: places are shared fairly between servers, then between their members."""

from collections.abc import Callable

from bot.domain.fairness import FairQueue, Waiting
from bot.domain.jobs import Job
from bot.ports.books import Transaction


class Line:
    """The queue of each provider; every method is inside one transaction."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        # Everybody who waits asks for the same order, which takes milliseconds to play through.
        self._ordered: dict[str, tuple[FairQueue, list[Waiting]]] = {}
        self._places: dict[str, dict[int, int]] = {}

    def is_next(self, tx: Transaction, job: Job, provider: str) -> bool:
        """Whether of all who may go now this one is to go first. Whoever is instead is woken."""
        first = self._first(tx, job, provider)
        if first is not None and first.job_id != job.id:
            tx.jobs.bring_forward(first.job_id, due_ms=self._now_ms())
        return first is None or first.job_id == job.id

    def start(self, tx: Transaction, job: Job, provider: str) -> None:
        """It goes: its server and member pay for the time that it will probably take."""
        tx.providers.put_queue(provider, tx.providers.queue(provider).started(_waiting(job)))

    def take_back(self, tx: Transaction, job: Job) -> None:
        """It did not go after all."""
        self._correct(tx, job, actual_seconds=0.0)

    def finish(self, tx: Transaction, job: Job) -> None:
        """Its place is free again; its server and member pay for what it really took."""
        self._correct(tx, job, actual_seconds=(self._now_ms() - (job.submitted_ms or self._now_ms())) / 1000)

    def _correct(self, tx: Transaction, job: Job, *, actual_seconds: float) -> None:
        if job.plan is None or job.is_late:  # its place was free again when it was given up
            return
        queue = tx.providers.queue(job.plan.provider).corrected(
            guild_id=job.guild_id,
            member_id=job.member_id,
            expected_seconds=_waiting(job).seconds,
            actual_seconds=actual_seconds,
        )
        tx.providers.put_queue(job.plan.provider, queue)
        self.wake(tx, job, due_ms=self._now_ms())

    def wake(self, tx: Transaction, job: Job, *, due_ms: int) -> None:
        """Whoever goes next at this job's provider looks again by then."""
        first = self._first(tx, job, job.plan.provider) if job.plan else None
        if first is not None:
            tx.jobs.bring_forward(first.job_id, due_ms=due_ms)

    def place_of(self, tx: Transaction, job: Job, provider: str) -> int:
        """How many start before it, as things stand."""
        waiting = tx.jobs.waiting(provider, targets=frozenset({job.target.kind}))
        queue = tx.providers.queue(provider)
        if (queue, waiting) != self._ordered.get(provider):
            self._ordered[provider] = (queue, waiting)
            self._places[provider] = {job_id: place for place, job_id in enumerate(queue.order(waiting))}
        return self._places[provider].get(job.id, 0)

    def _first(self, tx: Transaction, job: Job, provider: str) -> Waiting | None:
        """Only of those that the same process serves."""
        return tx.providers.queue(provider).first(tx.jobs.waiting(provider, targets=frozenset({job.target.kind})))


def _waiting(job: Job) -> Waiting:
    return Waiting(job_id=job.id, guild_id=job.guild_id, member_id=job.member_id, seconds=float(job.usual_seconds or 0))
