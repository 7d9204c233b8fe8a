"""Where a provider may call when a task has ended, and how little is asked then."""

from typing import Protocol

from bot.domain.polling import PollPlan
from bot.ports.books import Attempt
from bot.ports.outside import Provider


class Door(Protocol):
    """The address where a provider may ring about one attempt."""

    def __call__(self, *, provider: str, attempt_id: str) -> str: ...


class Hooks:
    """`door` names the address of an attempt, None without a public address: then everything is noticed by polls."""

    def __init__(self, *, door: Door | None) -> None:
        self._door = door

    def calls(self, account: Provider) -> bool:
        return self._door is not None and account.capabilities.calls_back

    def address(self, account: Provider, attempt: Attempt) -> str | None:
        if self._door is None or not self.calls(account):
            return None
        return self._door(provider=account.capabilities.provider, attempt_id=attempt.id)

    def wait_seconds(self, account: Provider, usual: PollPlan, *, elapsed: float) -> float:
        """Until the next poll of a task that runs; where the provider calls, only a lost call needs one."""
        return usual.fallback_wait_seconds(elapsed) if self.calls(account) else usual.wait_seconds(elapsed)
