"""The providers' accounts: which one takes the next job, and when each may be asked."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from bot.domain.circuits import Circuit, Trouble, struck
from bot.domain.jobs import AT_PROVIDER, JobState
from bot.domain.pacing import Bucket, backoff_seconds, most_urgent
from bot.ports.books import Transaction
from bot.ports.outside import Provider

TURN_SECONDS_MAX = 25.0


class Accounts:
    """Every account by provider id, each with its own turnstile."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Sequence[Provider]],
        now_ms: Callable[[], int],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._providers = providers
        self._now_ms = now_ms
        self._draw = draw
        self._tries: dict[str, int] = {}
        self._paused_ms: dict[str, int] = {}
        everyone = [one for accounts in providers.values() for one in accounts]
        self._by_name = {one.account: one for one in everyone}
        self._turnstiles = {
            one.account: Turnstile(Bucket(requests_per_second=one.capabilities.requests_per_second)) for one in everyone
        }

    def named(self, account: str) -> Provider | None:
        return self._by_name.get(account)

    def places(self, provider: str) -> int:
        """How many tasks the provider works on at once for us."""
        return sum(one.capabilities.max_concurrent for one in self._providers.get(provider, ()))

    def free(self, tx: Transaction, provider: str) -> Provider | None:
        """An account that may be handed a job now, the least busy first."""
        held = {one.account: one for one in tx.providers.circuits(provider)}
        accounts = self._providers.get(provider, ())
        load = {one.account: tx.jobs.count(account=one.account, states=AT_PROVIDER) for one in accounts}
        fitting = [
            one
            for one in accounts
            if load[one.account] < one.capabilities.max_concurrent
            and self._opens_ms(tx, one, held.get(one.account)) <= self._now_ms()
            and self._is_trusted(tx, held.get(one.account))
        ]
        return min(fitting, key=lambda one: load[one.account], default=None)

    def opens_ms(self, tx: Transaction, provider: str) -> int | None:
        """When an account may be handed a job again that may not be now; None where only places are missing."""
        held = {one.account: one for one in tx.providers.circuits(provider)}
        moments = [self._opens_ms(tx, one, held.get(one.account)) for one in self._providers.get(provider, ())]
        return min((at_ms for at_ms in moments if at_ms > self._now_ms()), default=None)

    def resting(self, tx: Transaction) -> dict[str, Circuit]:
        """The providers of which every account rests, each with the rest that is over first.

        A storm passes by itself, so where there is one among several accounts it is what counts.
        """
        found = {}
        for provider, accounts in self._providers.items():
            circuits = [one for one in tx.providers.circuits(provider) if one.is_resting(self._now_ms())]
            if accounts and {one.account for one in accounts} <= {one.account for one in circuits}:
                found[provider] = min(circuits, key=lambda one: (one.trouble is not Trouble.STORM, one.until_ms))
        return found

    def put_off(self, account: Provider, retry_after_seconds: float | None) -> None:
        """No job is handed to it for as long as it said, else for longer each time."""
        name = account.account
        tries = self._tries.get(name, 0)
        seconds = retry_after_seconds or backoff_seconds(tries, self._draw())
        self._tries[name] = tries + 1
        self._paused_ms[name] = self._now_ms() + round(seconds * 1000)

    def worked(self, account: Provider) -> None:
        self._tries.pop(account.account, None)

    def strike(self, tx: Transaction, account: Provider, trouble: Trouble, reason: str) -> Circuit:
        provider = account.capabilities.provider
        before = next((one for one in tx.providers.circuits(provider) if one.account == account.account), None)
        circuit = struck(
            before,
            account=account.account,
            provider=provider,
            trouble=trouble,
            reason=reason,
            now_ms=self._now_ms(),
        )
        tx.providers.strike(circuit)
        return circuit

    async def turn(self, account: Provider, urgency: Callable[[], float] | None = None) -> bool:
        """Wait until the account may be asked and nothing goes before; False when that takes too long.

        `urgency` is what a question gains now; without it this is a submit: a free place costs more than a late look.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS_MAX):
                await self._turnstiles[account.account].turn(urgency)
        except TimeoutError:
            return False
        return True

    def _opens_ms(self, tx: Transaction, account: Provider, circuit: Circuit | None) -> int:
        """Submits keep the account's distance in the books too, so that a restart brings no burst."""
        last_ms = tx.jobs.last_intent_ms(account=account.account) or 0
        rested_ms = last_ms + round(1000 / account.capabilities.requests_per_second)
        return max(rested_ms, self._paused_ms.get(account.account, 0), circuit.until_ms if circuit else 0)

    def _is_trusted(self, tx: Transaction, circuit: Circuit | None) -> bool:
        """After a trouble one job goes first; the others follow when it got through."""
        if circuit is None:
            return True
        return tx.jobs.count(account=circuit.account, states=frozenset({JobState.SUBMITTING})) == 0


class Turnstile:
    """One account's requests, one after the other at the bucket's pace: submits, then the most urgent question.

    Whoever wakes when the bucket is free gives the turn to the one that goes first then, be it another.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._numbers = count()
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._submits: list[int] = []
        self._polls: dict[int, Callable[[], float]] = {}

    async def turn(self, urgency: Callable[[], float] | None) -> None:
        """`urgency` None: a submit."""
        number, mine = next(self._numbers), asyncio.get_running_loop().create_future()
        self._turns[number] = mine
        if urgency is None:
            self._submits.append(number)
        else:
            self._polls[number] = urgency
        try:
            while not mine.done():
                seconds = self._bucket.wait_seconds(_loop_seconds())
                if seconds > 0:
                    await asyncio.wait({mine}, timeout=seconds)
                else:
                    self._give()
        finally:
            self._leave(number)

    def _give(self) -> None:
        urgencies = {number: urgency() for number, urgency in self._polls.items()}
        first = most_urgent(submits=self._submits, urgencies=urgencies)
        if first is not None:
            self._bucket.take(_loop_seconds())
            self._turns[first].set_result(None)
            self._leave(first)

    def _leave(self, number: int) -> None:
        self._turns.pop(number, None)
        self._polls.pop(number, None)
        if number in self._submits:
            self._submits.remove(number)


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
