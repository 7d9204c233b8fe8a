"""Where a provider may call when a task has ended, and how little is asked then."""

from collections.abc import Callable

from bot.domain.polling import PollPlan
from bot.ports.books import Attempt
from bot.ports.outside import Provider

AT_ONCE_SECONDS = 0.0


class Hooks:
    """`address` names the door of an attempt, None without a public address: then everything is noticed by polls.

    `rang` tells whether a job's door was heard already: a provider may be done before we know its task.
    """

    def __init__(
        self, *, address: Callable[[str, str], str] | None, rang: Callable[[int], bool] = lambda _: False
    ) -> None:
        self._address = address
        self._rang = rang

    def calls(self, account: Provider) -> bool:
        return self._address is not None and account.capabilities.calls_back

    def address(self, account: Provider, attempt: Attempt) -> str | None:
        if self._address is None or not self.calls(account):
            return None
        return self._address(account.capabilities.provider, attempt.id)

    def first_look_seconds(self, account: Provider, attempt: Attempt, usual: PollPlan) -> float:
        return AT_ONCE_SECONDS if self._rang(attempt.job_id) else self.wait_seconds(account, usual, elapsed=0.0)

    def wait_seconds(self, account: Provider, usual: PollPlan, *, elapsed: float) -> float:
        """Until the next poll of a task that runs; where the provider calls, only a lost call needs one."""
        return usual.fallback_wait_seconds(elapsed) if self.calls(account) else usual.wait_seconds(elapsed)
