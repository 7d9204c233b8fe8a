"""The lanes of everything that talks to providers: who is next, handing over, noticing ends."""

from collections.abc import Callable

from bot.domain.jobs import JobState
from bot.ports.books import Books
from bot.services.accounts import Accounts
from bot.services.answers import Answers
from bot.services.detours import Detours
from bot.services.hooks import Hooks
from bot.services.line import Line
from bot.services.routing import Router
from bot.services.runner import Lane
from bot.services.sources import Sources
from bot.services.start import Starter
from bot.services.submit import Submitter
from bot.services.timings import Timings
from bot.services.watch import Watcher

POLLS_MAX = 200
"""They wait for their account's turn more than they work, and a slow account must not keep the others waiting."""


def lanes_at_providers(
    *,
    books: Books,
    router: Router,
    accounts: Accounts,
    sources: Sources,
    hooks: Hooks,
    mint: Callable[[], int],
    now_ms: Callable[[], int],
) -> list[Lane]:
    line = Line(now_ms=now_ms)
    timings = Timings(books=books, router=router, now_ms=now_ms)
    detours = Detours(router=router, accounts=accounts, sources=sources, now_ms=now_ms)
    submitter = Submitter(
        books=books,
        router=router,
        accounts=accounts,
        sources=sources,
        detours=detours,
        line=line,
        timings=timings,
        hooks=hooks,
        now_ms=now_ms,
    )
    starter = Starter(
        books=books,
        router=router,
        accounts=accounts,
        sources=sources,
        detours=detours,
        line=line,
        timings=timings,
        submitter=submitter,
        now_ms=now_ms,
    )
    answers = Answers(books=books, router=router, line=line, timings=timings, mint=mint, now_ms=now_ms)
    watcher = Watcher(books=books, accounts=accounts, answers=answers, timings=timings, hooks=hooks, now_ms=now_ms)
    submits = {
        JobState.QUEUED: starter.step,
        JobState.SUBMITTING: submitter.resume,
        JobState.UNCERTAIN: submitter.give_up,
    }
    return [
        Lane(name="submit", steps=submits, limit=8, seconds_max=60),
        Lane(name="poll", steps={JobState.RUNNING: watcher.step}, limit=POLLS_MAX, seconds_max=120),
    ]
