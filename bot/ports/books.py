"""The store as the services see it: one transaction at a time, and read-only views for display."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

from bot.domain.circuits import Circuit
from bot.domain.fairness import FairQueue, Waiting
from bot.domain.guilds import GuildSettings
from bot.domain.jobs import Job, JobState, TargetKind, Work
from bot.domain.polling import Timing
from bot.domain.quota import Leg
from bot.domain.requests import Tier
from bot.domain.rules import Pool, Rule

T = TypeVar("T")


class StaleJobError(Exception):
    """Somebody saved the job since it was read; read it again."""


class Outcome(StrEnum):
    """What became of one submission."""

    UNKNOWN = "unknown"
    """Not known: the intent alone, or a lost answer."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission of a job; its id goes to the provider wherever there is a place for it."""

    job_id: int
    number: int
    provider: str
    account: str
    intent_ms: int
    outcome: Outcome = Outcome.UNKNOWN
    task_id: str | None = None
    exposure_micros: int = 0
    """What the operator may have to pay for it."""

    @property
    def id(self) -> str:
        return f"{self.job_id}-{self.number}"

    def became(self, outcome: Outcome, *, task_id: str | None = None, exposure_micros: int = 0) -> "Attempt":
        return replace(self, outcome=outcome, task_id=task_id, exposure_micros=exposure_micros)


class Jobs(Protocol):
    """Jobs, their attempts and their history."""

    def add(self, job: Job) -> Job:
        """Write a new job down; a second one with the same id answers the first."""
        ...

    def get(self, job_id: int) -> Job | None: ...

    def save(self, job: Job) -> Job:
        """Store the job if nobody saved it since; returns it with its new fence. Raises StaleJobError.

        `thread_id` and `cancel_asked` are left as they are: they have their own statements, which any moment may
        bring and which must not make a running step's save stale.
        """
        ...

    def see(self, job: Job) -> None:
        """Store of a job in the same state when it is due again and what was seen of its task; the rest as it is.

        What happens most often must cost least. Raises StaleJobError.
        """
        ...

    def place(self, job_id: int, *, thread_id: int) -> None:
        """Remember the thread that was opened for the job; no fence."""
        ...

    def ask_cancel(self, job_id: int) -> None:
        """Remember that the requester wants it stopped, and make it due; no fence."""
        ...

    def hurry(self, task_ids: frozenset[str], *, due_ms: int) -> None:
        """Make the running jobs of these tasks due; no fence."""
        ...

    def hurry_job(self, job_id: int, *, due_ms: int) -> None:
        """Make a running job due by then; no fence."""
        ...

    def due(
        self,
        *,
        states: frozenset[JobState],
        targets: frozenset[TargetKind],
        now_ms: int,
        limit: int,
        leaving_out: frozenset[int] = frozenset(),
    ) -> list[Job]:
        """Open jobs whose time has come, the longest waiting first."""
        ...

    def states_due(
        self, *, targets: frozenset[TargetKind], now_ms: int, leaving_out: frozenset[int]
    ) -> frozenset[JobState]:
        """In which states there are jobs, of those not left out, whose time has come."""
        ...

    def next_due_ms(self, *, targets: frozenset[TargetKind], leaving_out: frozenset[int]) -> int | None:
        """When the next open job, of those not left out, has something to do."""
        ...

    def count(self, *, account: str, states: frozenset[JobState]) -> int:
        """The jobs of an account in these states, without those that were given up."""
        ...

    def calls_until(self, attempt: Attempt, *, tier: Tier, since_ms: int) -> int:
        """How many calls of a tier the attempt's account took from then up to it, itself included.

        What may have been taken counts as well.
        """
        ...

    def last_intent_ms(self, *, account: str) -> int | None:
        """When the account was last handed something, or about to be."""
        ...

    def open_of(self, *, guild_id: int | None, member_id: str, work: Work) -> list[int]:
        """The ids of a member's open jobs of a kind."""
        ...

    def path_to(self, job_id: int) -> list[Job]:
        """The chain that leads to a clip, the first clip first."""
        ...

    def waiting(self, provider: str, *, targets: frozenset[TargetKind]) -> list[Waiting]:
        """The queued jobs of a provider that can be served here, the oldest first."""
        ...

    def queued_since_ms(self, job_id: int) -> int:
        """When a job that is or was queued came into the queue first."""
        ...

    def bring_forward(self, job_id: int, *, due_ms: int) -> None:
        """Make a queued job due by then at the latest; no fence."""
        ...

    def running_at(self, account: str) -> list[Job]:
        """The jobs whose tasks an account knows, the oldest first."""
        ...

    def open_bytes(self, *, guild_id: int | None, member_id: str | None) -> int:
        """The declared bytes of the references of open jobs: a member's, or with None everybody's."""
        ...

    def write_attempt(self, attempt: Attempt) -> None:
        """Insert, or replace outcome, task id and exposure of the same job and number."""
        ...

    def attempts(self, job_id: int) -> list[Attempt]: ...


class Ledger(Protocol):
    """Holds and what becomes of them; every method is all or nothing within its transaction."""

    def check(self, *, legs: Sequence[Leg]) -> None:
        """Raise QuotaExceededError if a hold of these legs would be refused now; changes nothing."""
        ...

    def hold(self, *, job_id: int, legs: Sequence[Leg], actor: str, now_ms: int) -> None:
        """Hold every leg or none; a second hold of the same job is the first. Raises QuotaExceededError."""
        ...

    def charge(
        self,
        *,
        job_id: int,
        cost_micros: int | None,
        actor: str,
        now_ms: int,
        provider: str | None = None,
        is_free: bool = False,
    ) -> int:
        """Resolve the job's holds by charging them; returns the micro-dollars charged.

        Never more than was held: what the provider took beyond that goes to the operator's loss. None charges all
        that was held. With `provider`, what it took is booked beside what was charged: nothing where it `is_free`.
        """
        ...

    def release(
        self, *, job_id: int, actor: str, now_ms: int, cost_micros: int | None = None, provider: str | None = None
    ) -> None:
        """Free every leg of the job; a job without holds is left as it is.

        With `provider` and `cost_micros`, what it took for nothing is booked as its cost.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who decided something, and when; `actor` is a Discord id in decimals, or a word such as `operator`."""

    actor: str
    at_ms: int


class Rules(Protocol):
    """What admins and the operator decided. Every change is written to the audit trail with what was there before."""

    def of_guild(self, guild_id: int) -> list[Rule]: ...

    def put(self, rule: Rule, *, by: By) -> None:
        """Set a rule; one with the same audience, subject, unit and period is replaced.

        The open balance of this period takes the new limit at once, by an `adjust` transfer; holds stay as they are.
        """
        ...

    def remove(self, rule: Rule, *, by: By) -> bool:
        """Take the rule with this key away; False when there was none."""
        ...

    def settings(self, guild_id: int) -> GuildSettings: ...

    def longest_retention_days(self) -> int:
        """Of all servers that ever had a job; a server that decided nothing counts with the default."""
        ...

    def put_setting(self, guild_id: int, name: str, value: object, *, by: By) -> None:
        """Set one field of the server's settings."""
        ...

    def paused_by(self, guild_id: int | None) -> str | None:
        """Who paused new work here (the operator pauses everywhere), or None."""
        ...

    def pause(self, *, guild_id: int | None, paused: bool, by: By) -> None:
        """Pause or resume new work in a guild, or everywhere when guild_id is None."""
        ...

    def add_pool(self, pool: Pool, *, by: By) -> Pool:
        """A bonus, granted in full by a transfer; returns it with its id."""
        ...

    def pools(self, guild_id: int, *, now_ms: int) -> list[tuple[Pool, int]]:
        """Every pool that did not end, with what is left of it."""
        ...

    def note(self, guild_id: int | None, what: str, *, before: str, after: str, by: By) -> None:
        """Write something else that was decided into the audit trail."""
        ...

    def first_alert(self, guild_id: int, *, window: str, percent: int) -> bool:
        """True once per server, window and threshold."""
        ...


class Telling(StrEnum):
    """What the outbox has to say about a job. A card always shows the job as it is now."""

    CARD = "card"
    NOTICE = "notice"
    APPROVAL = "approval"
    """The request for approval in its channel, and what became of it."""
    ALERT = "alert"
    """The server's budget crossed a threshold with this job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """Something to tell; `version` grows when it is asked for again meanwhile."""

    job_id: int
    telling: Telling
    version: int
    tries: int


class Outbox(Protocol):
    """What Discord still has to be told; written in the transaction that made it true."""

    def put(self, *, job_id: int, telling: Telling, due_ms: int) -> None:
        """Ask for it; an undone item of the same job and telling is brought forward, not doubled."""
        ...

    def due(self, *, targets: frozenset[TargetKind], now_ms: int, limit: int) -> list[OutboxItem]: ...

    def next_due_ms(self, *, targets: frozenset[TargetKind], leaving_out: frozenset[int]) -> int | None:
        """When there is something to tell next, but for the jobs left out."""
        ...

    def done(self, item: OutboxItem) -> None:
        """Forget it, unless it was asked for again since it was read."""
        ...

    def later(self, item: OutboxItem, *, due_ms: int) -> None:
        """Try it again at `due_ms`; counts a try."""
        ...


class ProviderNotes(Protocol):
    """What is known of providers beside their rows: who rests, who is next, how long tasks take."""

    def circuits(self, provider: str) -> list[Circuit]:
        """What is held against its accounts, whether they rest or are tried again."""
        ...

    def strike(self, circuit: Circuit) -> None:
        """Hold it against its account, in place of what was there."""
        ...

    def absolve(self, account: str) -> None:
        """It did its work: nothing is held against it any more."""
        ...

    def queue(self, provider: str) -> FairQueue: ...

    def put_queue(self, provider: str, queue: FairQueue) -> None: ...

    def timing(self, key: str) -> Timing:
        """How long tasks of a kind took; an empty one where none ended yet."""
        ...

    def put_timing(self, key: str, timing: Timing) -> None: ...


class Transaction(Protocol):
    """One transaction; everything in it happens or nothing."""

    @property
    def jobs(self) -> Jobs: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def providers(self) -> ProviderNotes: ...


class Books(Protocol):
    """The one way to change anything."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction on the writer's thread; answered only after the commit.

        `work` may run twice, so it touches only its transaction. What it raises undoes it and is raised here.
        """
        ...
