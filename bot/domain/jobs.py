"""A job, its states, and the one table of its legal moves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot.domain.errors import BotError
from bot.domain.requests import Plan, Request, Tier


class JobState(StrEnum):
    """Where a job stands; written before each act, and after it with what came of it."""

    COLLECTING = "COLLECTING"
    """Written down; references are copied, checked, routed and priced; what was agreed to is done to them."""
    CONFIRMING = "CONFIRMING"
    """Priced; nothing is held until the requester agrees to the price and to what must be done to the files."""
    APPROVING = "APPROVING"
    """Its money is held; it waits for the word of somebody who may approve."""
    QUEUED = "QUEUED"
    """Its money is held; it waits for a free place at the provider."""
    SUBMITTING = "SUBMITTING"
    """The intent is on disk; the POST may or may not have left."""
    UNCERTAIN = "UNCERTAIN"
    """The POST left and its outcome is unknown; it is never sent again."""
    RUNNING = "RUNNING"
    """The provider works on a task we know."""
    FETCHING = "FETCHING"
    """The provider has a clip; it is being copied to our disk and checked, and its last frame is kept."""
    FITTING = "FITTING"
    """The clip is on our disk; it is brought under its target's size limit. A film is joined first."""
    POSTING = "POSTING"
    """The clip is as it should be; it is being handed over."""
    DELIVERED = "DELIVERED"
    """Handed over and charged."""
    REFUSED = "REFUSED"
    """We said no before anything was held."""
    FAILED = "FAILED"
    """The provider said no or failed; released."""
    CANCELLED = "CANCELLED"
    """Taken back before it could cost; released."""
    ABANDONED = "ABANDONED"
    """No end in time; released, the possible cost is the operator's."""
    UNDELIVERABLE = "UNDELIVERABLE"
    """There is a clip and nowhere to put it; released and kept."""


_S = JobState
MOVES: Mapping[JobState, frozenset[JobState]] = {
    _S.COLLECTING: frozenset({_S.CONFIRMING, _S.APPROVING, _S.QUEUED, _S.FITTING, _S.REFUSED, _S.CANCELLED, _S.FAILED}),
    _S.CONFIRMING: frozenset({_S.COLLECTING, _S.APPROVING, _S.QUEUED, _S.REFUSED, _S.CANCELLED}),
    _S.APPROVING: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.FAILED}),
    _S.SUBMITTING: frozenset({_S.RUNNING, _S.UNCERTAIN, _S.QUEUED, _S.FAILED}),
    _S.UNCERTAIN: frozenset({_S.RUNNING, _S.ABANDONED}),
    _S.RUNNING: frozenset({_S.FETCHING, _S.FAILED, _S.CANCELLED, _S.ABANDONED}),
    _S.FETCHING: frozenset({_S.FITTING, _S.FAILED}),
    _S.FITTING: frozenset({_S.POSTING, _S.FETCHING, _S.FAILED, _S.UNDELIVERABLE}),
    _S.POSTING: frozenset({_S.DELIVERED, _S.UNDELIVERABLE, _S.FITTING}),
    _S.DELIVERED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.ABANDONED: frozenset(),
    _S.UNDELIVERABLE: frozenset(),
}
"""From each state, where a job may go. An end has nowhere to go."""

ENDS = frozenset(state for state, onward in MOVES.items() if not onward)
OPEN = frozenset(MOVES) - ENDS
HOLDING = OPEN - {_S.COLLECTING, _S.CONFIRMING}
"""A clip's job holds money exactly in the states between hold and end."""
PREVIEWABLE = frozenset({_S.CONFIRMING, _S.APPROVING, _S.QUEUED})
"""States with a plan of which nothing was handed over yet."""
AT_PROVIDER = frozenset({_S.SUBMITTING, _S.UNCERTAIN, _S.RUNNING})
"""States that take one of the account's concurrent places."""


class Work(StrEnum):
    """What a job makes. Only clips book anything in the ledger."""

    CLIP = "clip"
    PREVIEW = "preview"
    """The storyboard of another job's request, made here for free."""
    FILM = "film"
    """The chain that leads to a clip, joined here for free."""


class Fitting(StrEnum):
    """What was done to a clip so that its target takes it."""

    AS_IS = "as_is"
    REMUX = "remux"
    """The same streams in a new container, its index first."""
    ENCODE = "encode"


class TargetKind(StrEnum):
    """Who can serve a target: the bot on Discord, or any process with the data directory."""

    CHANNEL = "channel"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The card that asks for approval, where it stands, and who answered it."""

    channel_id: int
    message_id: int
    answered_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTarget:
    """A result that goes to Discord.

    `channel_id` is where the command was typed, `status_message_id` the public reply that became the card.
    `opens_thread` is False inside a thread and where none can be made; `parent_id` is the thread's channel.
    `by_manager`: the requester may manage the server, as the command itself said.
    """

    channel_id: int
    status_message_id: int
    opens_thread: bool
    parent_id: int | None = None
    by_manager: bool = False
    question: Question | None = None

    @property
    def kind(self) -> TargetKind:
        return TargetKind.CHANNEL


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTarget:
    """A result that goes to a file of the command line."""

    path: str

    @property
    def kind(self) -> TargetKind:
        return TargetKind.FILE


Target = ChannelTarget | FileTarget


OFFER_KEY = r"[a-z0-9_]{1,20}\.[a-z]{1,10}\.[0-9a-z]{1,8}\.\d{1,12}"
"""A pattern for what names an offer: all that a requester agrees to with a click."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a job that nobody could take as it stood may be made into, if its requester clicks."""

    provider: str
    title: str
    tier: Tier
    resolution: str
    quote_micros: int

    @property
    def key(self) -> str:
        return f"{self.provider}.{self.tier}.{self.resolution}.{self.quote_micros}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One clip on its way. `member_id` is a Discord id in decimals, or `cli`; `guild_id` is None on the command line.

    Times are milliseconds since 1970, UTC. `due_ms` is when the runner next has something to do for it, `since_ms`
    when it came into its state. `fence` counts saves: a save that knows an older one is refused. `tries` counts
    passing faults in this state. `thread_id` is the thread opened for it; that and `cancel_asked` are written beside
    a running step, so a save leaves them alone.

    `seen_ms` is when the provider last said that the task runs. `frame_link` is its own picture of the last frame.
    `usual_seconds` is what the provider needs for a clip like this, `ready_from_ms` to `ready_until_ms` when such a
    clip is usually ready. `is_late`: it watches the task of a job that was given up, for a clip that comes for free.
    `offers` stand on a job that ended because its provider could not take it.

    `parent_id` is the clip that this one continues, previews, or ends the film. `has_agreed`: the requester lets the
    references be changed as the plan says. `last_frame` is the content hash of the clip's last frame. `upload_path` is
    the file that fits the target, `clip_path` the original. `fitting` is AS_IS as soon as the original is known to play
    everywhere.
    """

    id: int
    guild_id: int | None
    member_id: str
    role_ids: tuple[int, ...] = ()
    work: Work = Work.CLIP
    parent_id: int | None = None
    target: Target
    request: Request
    state: JobState = JobState.COLLECTING
    created_ms: int
    due_ms: int
    since_ms: int
    fence: int = 0
    tries: int = 0
    attempts: int = 0
    plan: Plan | None = None
    quote_micros: int | None = None
    cost_micros: int | None = None
    account: str | None = None
    task_id: str | None = None
    submitted_ms: int | None = None
    seen_ms: int | None = None
    usual_seconds: int | None = None
    ready_from_ms: int | None = None
    ready_until_ms: int | None = None
    result: str | None = None
    frame_link: str | None = None
    progress: int | None = None
    cancel_asked: bool = False
    thread_id: int | None = None
    clip_path: str | None = None
    clip_bytes: int | None = None
    has_agreed: bool = False
    last_frame: str | None = None
    upload_path: str | None = None
    upload_bytes: int | None = None
    fitting: Fitting | None = None
    channel_id: int | None = None
    message_id: int | None = None
    error_code: str | None = None
    error_text: str | None = None
    is_late: bool = False
    offers: tuple[Offer, ...] = ()

    def to(self, state: JobState, *, now_ms: int, **changes: Any) -> "Job":  # Any: the fields of this class, by name
        """This job in another state, due at once. ValueError for a move that the table does not have: our own bug."""
        if state not in MOVES[self.state]:
            raise ValueError(f"job {self.id}: no move from {self.state} to {state}")
        moved = replace(self, state=state, since_ms=now_ms, due_ms=now_ms, tries=0)
        return replace(moved, **changes)

    def ended_by(self, state: JobState, error: BotError, *, now_ms: int) -> "Job":
        return self.to(state, now_ms=now_ms, error_code=error.code, error_text=str(error))

    def waiting(self, *, due_ms: int, **changes: Any) -> "Job":  # Any: the fields of this class, by name
        """This job in the same state, with something to do at `due_ms`."""
        return replace(replace(self, due_ms=due_ms), **changes)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def books_money(self) -> bool:
        return self.work is Work.CLIP and not self.is_late

    @property
    def title(self) -> str:
        """The prompt's first line, short enough for a thread's name (100 characters)."""
        line = self.request.prompt.splitlines()[0]
        return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"

    def log_fields(self) -> dict[str, object]:
        """What a log line may say of a job: never the prompt."""
        return {"job_id": self.id, "state": self.state.value, "guild_id": self.guild_id}


_TITLE_CHARS = 80
