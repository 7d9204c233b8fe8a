"""The outbox: what people still have to be told."""

from collections.abc import Callable

import structlog

from bot.domain.errors import DeliveryError
from bot.domain.jobs import Job
from bot.domain.pacing import backoff_seconds
from bot.ports.books import Books, OutboxItem, Telling
from bot.ports.outside import Delivery, TryLaterError
from bot.services.alerts import AdminTeller

TRIES_MAX = 1000
"""With a minute's pause each, most of a day."""

log = structlog.get_logger(__name__)


class Teller:
    """Says one item of the outbox; a card is drawn from the job as it is now. `admins` only where there is Discord."""

    def __init__(
        self, *, books: Books, delivery: Delivery, now_ms: Callable[[], int], admins: AdminTeller | None = None
    ) -> None:
        self._books = books
        self._delivery = delivery
        self._admins = admins
        self._now_ms = now_ms

    async def step(self, item: OutboxItem) -> None:
        job = await self._books.write(lambda tx: tx.jobs.get(item.job_id))
        try:
            if job is not None:
                await self._say(item, job)
        except TryLaterError as fault:
            if item.tries >= TRIES_MAX:
                log.warning("given up telling", telling=item.telling.value, job_id=item.job_id)
                await self._books.write(lambda tx: tx.outbox.done(item))
                return
            wait = fault.retry_after_seconds or backoff_seconds(item.tries)
            due_ms = self._now_ms() + round(wait * 1000)
            await self._books.write(lambda tx: tx.outbox.later(item, due_ms=due_ms))
            return
        except DeliveryError as fault:
            log.warning("could not tell", telling=item.telling.value, code=fault.code, job_id=item.job_id)
        await self._books.write(lambda tx: tx.outbox.done(item))

    async def _say(self, item: OutboxItem, job: Job) -> None:
        match item.telling:
            case Telling.NOTICE:
                await self._delivery.notify(job=job)
            case Telling.CARD:
                await self._show(job)
            case Telling.APPROVAL if self._admins is not None:
                await self._admins.ask(job)
            case Telling.ALERT if self._admins is not None:
                await self._admins.warn(job)

    async def _show(self, job: Job) -> None:
        thread_id = await self._delivery.show(job=job)
        if thread_id is not None and thread_id != job.thread_id:
            await self._books.write(lambda tx: tx.jobs.place(job.id, thread_id=thread_id))
