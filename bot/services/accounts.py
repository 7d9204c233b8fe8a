"""The providers' accounts: which one takes the next job, within its limits."""

from collections.abc import Callable, Mapping, Sequence

from bot.domain.jobs import AT_PROVIDER
from bot.ports.books import Transaction
from bot.ports.outside import Provider


class Accounts:
    """Every account by provider id. Requests per second are kept by spacing submits evenly: no burst credit."""

    def __init__(self, *, providers: Mapping[str, Sequence[Provider]], now_ms: Callable[[], int]) -> None:
        self._providers = providers
        self._now_ms = now_ms
        self._next_submit_ms: dict[str, int] = {}

    def named(self, account: str) -> Provider | None:
        everyone = (one for accounts in self._providers.values() for one in accounts)
        return next((one for one in everyone if one.account == account), None)

    def of(self, provider: str) -> Sequence[Provider]:
        return self._providers.get(provider, ())

    def free(self, tx: Transaction, provider: str) -> Provider | None:
        """An account with a free place and a free moment, the least busy first."""
        now_ms = self._now_ms()
        load = {one.account: tx.jobs.count(account=one.account, states=AT_PROVIDER) for one in self.of(provider)}
        fitting = [
            one
            for one in self.of(provider)
            if load[one.account] < one.capabilities.max_concurrent
            and self._next_submit_ms.get(one.account, 0) <= now_ms
        ]
        return min(fitting, key=lambda one: load[one.account], default=None)

    def took(self, account: Provider) -> None:
        """Remember a submit, so that the next one waits its turn."""
        gap_ms = round(1000 / account.capabilities.requests_per_second)
        self._next_submit_ms[account.account] = self._now_ms() + gap_ms
