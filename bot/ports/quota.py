"""What the quota desk answers: values that the cards put into words."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Generic, TypeVar

from bot.domain.errors import BotError
from bot.domain.guilds import GuildSettings
from bot.domain.quota import Leg, Window
from bot.domain.requests import Plan, Request
from bot.domain.rules import Binding, Pool, Rule
from bot.ports.views import Decision, HistoryLine, Spending, Standing

L = TypeVar("L", HistoryLine, Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A member of a server, with the roles they have now."""

    guild_id: int
    member_id: str
    role_ids: tuple[int, ...] = ()
    is_manager: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that somebody thinks about making, and where."""

    who: Who
    request: Request
    channel_id: int
    parent_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A balance and where it stands; `leg.amount` is what a request asks of it."""

    leg: Leg
    standing: Standing

    @property
    def fits(self) -> bool:
        left = self.standing.left
        return left is None or not self.leg.amount or self.leg.amount <= left


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A bonus that serves the member: what is left of it, and what the request would take first."""

    pool: Pool
    left: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One request against the rules at one moment. `plan` is None where it never came to a price."""

    who: Who
    rules: tuple[Rule, ...]
    """Every rule that is about this member, binding or not."""
    choices: GuildSettings
    binding: Binding
    plan: Plan | None
    price_micros: int
    draws: tuple[Draw, ...]
    legs: tuple[Leg, ...]
    verdict: BotError | None
    """What `/generate` would answer; None: it would be accepted."""
    awaits_confirming: bool
    awaits_approval: bool
    """Whoever may approve need not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A judged request, with where the balances stand."""

    judged: Judged
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What limits a member: their own balances, bonuses with what is left, and the server's."""

    who: Who
    binding: Binding
    own: tuple[Account, ...]
    server: tuple[Account, ...]
    pools: tuple[tuple[Pool, int], ...]
    rules: tuple[Rule, ...]
    """All rules of the server, for whoever manages it."""
    paused_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule as it was and as it is. `account` is the open balance under it, where the rule has one balance.

    `default_micros` is the server's budget without rules of its own, when this change put it in force or out of it.
    """

    key: Rule
    before: Rule | None
    after: Rule | None
    account: Account | None
    default_micros: int | None
    is_default_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[L]):
    """Some lines of a history, the newest first.

    `trail` says before which line each page up to this one begins, as far as it is known; 0 is the newest page.
    """

    owner: str | None
    lines: tuple[L, ...]
    number: int
    trail: tuple[int, ...]
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingReport:
    """What a period came to so far, in the server's own days, and the budget that paid it."""

    window: Window
    zone: tzinfo
    now_ms: int
    spendings: tuple[Spending, ...]
    budget_micros: int | None
    held_micros: int
