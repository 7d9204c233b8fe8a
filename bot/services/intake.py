"""A command becomes a job row; the runner does the rest."""

from collections.abc import Callable, Sequence

from bot.domain.jobs import Job, Target
from bot.domain.references import ReferenceRules, check_declared
from bot.domain.requests import Request
from bot.ports.books import Books
from bot.services.bell import Bell


class Intake:
    """Writes jobs down."""

    def __init__(self, *, books: Books, bell: Bell, now_ms: Callable[[], int], rules: ReferenceRules) -> None:
        self._books = books
        self._bell = bell
        self._now_ms = now_ms
        self._rules = rules

    def check(self, request: Request) -> None:
        """What can be said without any I/O: declared sizes, audio alone. Raises RequestError."""
        check_declared(request.references, self._rules)

    async def accept(
        self,
        *,
        job_id: int,
        guild_id: int | None,
        member_id: str,
        role_ids: Sequence[int] = (),
        target: Target,
        request: Request,
        parent_id: int | None = None,
    ) -> Job:
        """The job of this id: a doubled interaction is the same job."""
        self.check(request)
        now_ms = self._now_ms()
        job = Job(
            id=job_id,
            guild_id=guild_id,
            member_id=member_id,
            role_ids=tuple(role_ids),
            parent_id=parent_id,
            target=target,
            request=request,
            created_ms=now_ms,
            since_ms=now_ms,
            due_ms=now_ms,
        )
        written = await self._books.write(lambda tx: tx.jobs.add(job))
        self._bell.ring()
        return written
