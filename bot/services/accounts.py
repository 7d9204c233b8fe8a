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

    def named(self, account: str) -> Provider | None:
        everyone = (one for accounts in self._providers.values() for one in accounts)
        return next((one for one in everyone if one.account == account), None)

    def free(self, tx: Transaction, provider: str) -> Provider | None:
        """An account with a free place and a free moment, the least busy first."""
        accounts = self._providers.get(provider, ())
        load = {one.account: tx.jobs.count(account=one.account, states=AT_PROVIDER) for one in accounts}
        fitting = [
            one for one in accounts if load[one.account] < one.capabilities.max_concurrent and self._rested(tx, one)
        ]
        return min(fitting, key=lambda one: load[one.account], default=None)

    def _rested(self, tx: Transaction, account: Provider) -> bool:
        last_ms = tx.jobs.last_intent_ms(account=account.account)
        return last_ms is None or self._now_ms() - last_ms >= 1000 / account.capabilities.requests_per_second
