"""FETCHING and POSTING: the clip to our disk with its last frame, then to the requester, and the charge with it."""

import asyncio
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import structlog

from bot.domain.errors import BotError, ClipTooLargeError, DeliveryError, ResultUnusableError, UndeliverableError
from bot.domain.jobs import Fitting, Job, JobState
from bot.domain.pacing import backoff_seconds
from bot.domain.quota import Period, window_at
from bot.ports.books import Books, Transaction
from bot.ports.outside import (
    Clip,
    ClipUnreachableError,
    ClipUnusableError,
    Delivery,
    Media,
    Posted,
    Provider,
    ProviderBusyError,
    Succeeded,
    TaskGoneError,
    TryLaterError,
)
from bot.services.accounts import Accounts
from bot.services.moves import ACTOR, end, move
from bot.services.routing import Router

FETCH_SECONDS_MAX = 6 * 3600
"""A finished clip is paid for: an outage on either side is waited out while links can still be renewed."""
POST_SECONDS_MAX = 24 * 3600

log = structlog.get_logger(__name__)


class Finisher:
    """Nothing is charged before the clip is where it belongs; then both in one transaction."""

    def __init__(
        self,
        *,
        books: Books,
        accounts: Accounts,
        router: Router,
        media: Media,
        delivery: Delivery,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._accounts = accounts
        self._router = router
        self._media = media
        self._delivery = delivery
        self._now_ms = now_ms

    async def fetch(self, job: Job) -> None:
        """For FETCHING."""
        account = self._accounts.named(job.account or "")
        trusted = account.trusted_host if account else None
        try:
            clip = await self._media.keep_clip(
                job_id=job.id, source=job.result or "", frame_link=job.frame_link, trusted_host=trusted
            )
        except ClipUnusableError as fault:
            await self._fail(job, ResultUnusableError(provider=self._title(job), reason=str(fault)))
        except ClipUnreachableError as fault:
            await self._fetch_again(job, account, str(fault))
        else:
            await self._books.write(lambda tx: self._kept(tx, job, clip))

    async def post(self, job: Job) -> None:
        """For POSTING."""
        clip = Path(job.upload_path or "")
        if not await asyncio.to_thread(clip.is_file):
            log.warning("the file to post is gone", **job.log_fields())
            await self._books.write(lambda tx: move(tx, job, JobState.FITTING, now_ms=self._now_ms()))
            return
        try:
            posted = await self._delivery.post(job=job, clip=clip)
        except ClipTooLargeError as refusal:
            await self._fit_again(job, refusal)
        except TryLaterError as fault:
            log.warning("posting put off", reason=str(fault), **job.log_fields())
            if self._in_state_ms(job) > POST_SECONDS_MAX * 1000:
                gone = UndeliverableError(reason=str(fault), job=str(job.id))
                await self._end(job, JobState.UNDELIVERABLE, gone)
                return
            await self._put_off(job, fault.retry_after_seconds)
        except DeliveryError as fault:
            await self._end(job, JobState.UNDELIVERABLE, fault)
        else:
            await self._books.write(lambda tx: self._delivered(tx, job, posted))
            log.info("clip delivered", **job.log_fields())

    async def _fit_again(self, job: Job, refusal: ClipTooLargeError) -> None:
        """The target just said that it takes less than was believed."""
        try:
            room = await self._delivery.room(job=job)
        except TryLaterError as fault:
            await self._put_off(job, fault.retry_after_seconds)
            return
        if room is None or room >= (job.upload_bytes or 0):
            await self._end(job, JobState.UNDELIVERABLE, refusal)
            return
        log.info("the target takes less", room=room, **job.log_fields())
        await self._books.write(lambda tx: move(tx, job, JobState.FITTING, now_ms=self._now_ms()))

    def _kept(self, tx: Transaction, job: Job, clip: Clip) -> None:
        changes = {
            "clip_path": str(clip.path),
            "clip_bytes": clip.size_bytes,
            "last_frame": clip.last_frame,
            "fitting": Fitting.AS_IS if clip.plays_everywhere else None,
        }
        move(tx, job, JobState.FITTING, now_ms=self._now_ms(), **changes)

    def _delivered(self, tx: Transaction, job: Job, posted: Posted) -> None:
        now_ms = self._now_ms()
        changes = {"channel_id": posted.channel_id, "message_id": posted.message_id}
        move(tx, job, JobState.DELIVERED, now_ms=now_ms, cost_micros=self._charged(tx, job, now_ms), **changes)

    def _charged(self, tx: Transaction, job: Job, now_ms: int) -> int:
        if not job.books_money:
            return 0
        return tx.ledger.charge(
            job_id=job.id,
            cost_micros=job.cost_micros,
            actor=ACTOR,
            now_ms=now_ms,
            provider=job.plan.provider if job.plan else None,
            is_free=self._is_free(tx, job),
        )

    def _is_free(self, tx: Transaction, job: Job) -> bool:
        """Whether its account has the call free, of so many a month; a provider that tells its cost is believed."""
        if job.plan is None or job.cost_micros is not None:
            return False
        tier, attempts = job.plan.tier, tx.jobs.attempts(job.id)
        free = self._router.row(job.plan.provider).free_per_month.get(tier, 0)
        if not free or not attempts:
            return False
        month = window_at(Period.MONTH, attempts[-1].intent_ms, UTC)
        return tx.jobs.calls_until(attempts[-1], tier=tier, since_ms=month.starts_ms) <= free

    async def _fetch_again(self, job: Job, account: Provider | None, reason: str) -> None:
        """Links run out: ask for a fresh one, some times over, before giving the job up."""
        log.warning("clip not fetched", reason=reason, tries=job.tries, **job.log_fields())
        if self._in_state_ms(job) > FETCH_SECONDS_MAX * 1000:
            await self._fail(job, ResultUnusableError(provider=self._title(job), reason=f"never arrived: {reason}"))
            return
        await self._put_off(job, None, **await self._fresh_links(job, account))

    async def _fresh_links(self, job: Job, account: Provider | None) -> dict[str, str | None]:
        if account is None or job.task_id is None:
            return {}
        try:
            status = await account.read(task_id=job.task_id)
        except (ProviderBusyError, TaskGoneError):
            return {}
        return {"result": status.video, "frame_link": status.last_frame} if isinstance(status, Succeeded) else {}

    async def _put_off(self, job: Job, seconds: float | None, **changes: object) -> None:
        wait_ms = round((seconds or backoff_seconds(job.tries)) * 1000)
        waiting = job.waiting(due_ms=self._now_ms() + wait_ms, tries=job.tries + 1, **changes)
        await self._books.write(lambda tx: tx.jobs.save(waiting))

    async def _fail(self, job: Job, error: BotError) -> None:
        await self._end(job, JobState.FAILED, error)

    async def _end(self, job: Job, state: JobState, error: BotError) -> None:
        await self._books.write(lambda tx: end(tx, job, state, error, now_ms=self._now_ms()))
        log.warning("job ended without delivery", code=error.code, **job.log_fields())

    def _in_state_ms(self, job: Job) -> int:
        return self._now_ms() - job.since_ms

    def _title(self, job: Job) -> str:
        return self._router.row(job.plan.provider).title if job.plan else "The provider"
