"""What a provider's callback may do: have a job asked about sooner, and name a task whose answer was lost."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum, auto

import structlog

from bot.domain.jobs import Job, JobState
from bot.ports.books import Attempt, Books, Transaction
from bot.services.accounts import Accounts
from bot.services.bell import Bell
from bot.services.moves import adopt

log = structlog.get_logger(__name__)


class Hearing(Enum):
    """What a callback was."""

    GENUINE = auto()
    UNSIGNED = auto()
    """Without the provider's signature, or with another."""
    UNKNOWN = auto()
    """Of no attempt that we know, or of an account that has no key any more."""


class Doorbell:
    """Nothing of a callback is believed: the truth is read from the provider with our key."""

    def __init__(self, *, books: Books, accounts: Accounts, bell: Bell, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._accounts = accounts
        self._bell = bell
        self._now_ms = now_ms

    async def hear(self, attempt_id: str, *, headers: Mapping[str, str], body: bytes) -> Hearing:
        """A call at the attempt's own address. The signature is that of the account that the attempt went to."""
        found = await self._books.write(lambda tx: _found(tx, attempt_id))
        account = self._accounts.named(found[1].account) if found else None
        if found is None or account is None or found[0].plan is None:
            return Hearing.UNKNOWN
        if not await account.is_genuine(headers=headers, body=body):
            log.warning("callback without a right signature", account=account.account, **found[0].log_fields())
            return Hearing.UNSIGNED
        await self.rung(attempt_id, account.called_task(plan=found[0].plan, body=body))
        return Hearing.GENUINE

    async def rung(self, attempt_id: str, task_id: str | None) -> None:
        """`task_id` counts only while we have none. Doubled, late or out of order, a ring is at most one more poll."""
        job_id = await self._books.write(lambda tx: self._heed(tx, attempt_id, task_id))
        if job_id is not None:
            self._bell.ring(job_id=job_id)

    def _heed(self, tx: Transaction, attempt_id: str, task_id: str | None) -> int | None:
        """The job to ask about, if any."""
        job, attempt = _found(tx, attempt_id) or (None, None)
        if job is None or attempt is None or attempt.number != job.attempts:
            return None
        match job.state:
            case JobState.RUNNING:
                return job.id
            case JobState.SUBMITTING:
                if task_id is not None and attempt.task_id is None:
                    tx.jobs.write_attempt(replace(attempt, task_id=task_id))
                return job.id
            case JobState.UNCERTAIN if task_id is not None:
                adopt(tx, job, task_id, now_ms=self._now_ms())
                return job.id
            case _:
                return None


def _found(tx: Transaction, attempt_id: str) -> tuple[Job, Attempt] | None:
    job_id, _, number = attempt_id.partition("-")
    job = tx.jobs.get(int(job_id))
    attempt = next((one for one in tx.jobs.attempts(int(job_id)) if one.number == int(number)), None)
    return None if job is None or attempt is None else (job, attempt)
