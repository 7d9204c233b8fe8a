"""What the services need of the outside world: a provider, media files, and a way to tell people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.domain.capabilities import Capabilities
from bot.domain.changes import Change
from bot.domain.jobs import Fitting, Job, Question, TargetKind
from bot.domain.quota import Leg
from bot.domain.references import Reference, StoredReference
from bot.domain.requests import Plan
from bot.ports.views import Standing

# -- media


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A finished clip on our disk, checked playable.

    `last_frame` is the content hash of its kept picture, `plays_everywhere`: as it is, inside a message. None and False
    where that was not looked at.
    """

    path: Path
    sha256: str
    size_bytes: int
    last_frame: str | None = None
    plays_everywhere: bool = False


class Media(Protocol):
    """Files on disk: references by content hash, clips by job."""

    async def copy(self, *, reference: Reference) -> StoredReference:
        """Stream a reference to disk under its byte limit and probe its own bytes.

        Raises ReferenceTooLargeError, ReferenceExpiredError, ReferenceHostError, ReferenceMissingError,
        ReferenceUnreadableError.
        """
        ...

    def stored_path(self, *, sha256: str) -> Path: ...

    def clip_path(self, *, job_id: int) -> Path | None:
        """The original of a kept clip; None once its time was over."""
        ...

    async def keep_clip(self, *, job_id: int, source: str, frame_link: str | None, trusted_host: str | None) -> Clip:
        """Fetch a result (a link, or an absolute path of a clip made here) to disk and check that it plays.

        Its last frame is kept as a reference: the provider's own picture behind `frame_link` where that is good, else
        the clip's exact last frame. A picture that cannot be had costs nothing but itself.
        `trusted_host` (host or host:port) may lie on a private address: the provider's own configured base.
        Doing it again for a kept clip fetches no clip. Raises ClipUnusableError; ClipUnreachableError to try again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A clip as its target takes it."""

    path: Path
    size_bytes: int
    how: Fitting


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One clip of a film; `last_frame` is its content hash, where it is known."""

    clip: Path
    last_frame: str | None


class Studio(Protocol):
    """Work on the pictures themselves, of files that are on our disk already; each in a child process.

    All raise StudioRefusalError for what cannot be done to this file, StudioBusyError for what may work later.
    """

    async def last_frame(self, *, clip: Path) -> str:
        """Keep the exact last frame as a reference; its content hash."""
        ...

    async def mend(self, *, stored: StoredReference, change: Change) -> StoredReference:
        """Keep a changed copy of a reference."""
        ...

    async def fit(self, *, job_id: int, clip: Path, bytes_max: int) -> Fitted:
        """The clip playable everywhere and no larger than allowed; itself where it is that already."""
        ...

    async def film(self, *, job_id: int, takes: Sequence[Take]) -> Clip:
        """The clips joined, kept as the job's own clip; doing it again answers from disk."""
        ...

    async def contact_sheet(self, *, job_id: int, clip: Path) -> Path:
        """One picture of the whole clip."""
        ...

    async def strip(self, *, job_id: int, references: Sequence[StoredReference]) -> Path:
        """One picture of all references, each with its slot's name."""
        ...

    async def split(self, *, job_id: int, clip: Path, bytes_max: int) -> list[Path]:
        """The file cut into pieces that a message takes; put together they are the file again."""
        ...


class Attic(Protocol):
    """What lies on our disk, and throwing it away."""

    async def jobs(self) -> list[int]:
        """The jobs of which any file is kept."""
        ...

    async def remove_jobs(self, job_ids: Sequence[int]) -> int:
        """Clips, uploads and pictures of these jobs; how many files went."""
        ...

    async def remove_references(self, *, before_ms: int) -> int:
        """References that nobody used since then; how many files went."""
        ...


class StudioRefusalError(Exception):
    """It cannot be done to this file; the text is a clause such as `is cut off`."""


class StudioBusyError(Exception):
    """The work broke down or took too long: this machine may be short of time or memory just now."""


class ClipUnusableError(Exception):
    """The clip is broken or forbidden; the text is a clause such as `is cut off (71 of 96 frames)`."""


class ClipUnreachableError(Exception):
    """The clip could not be fetched now; asking the provider for a fresh link may help."""


# -- providers


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """The exact request, secrets removed, as a dry run shows it."""

    method: str
    url: str
    headers: dict[str, str]
    body: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Not finished; `progress` in percent where the provider tells."""

    progress: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """`video` is a link, or an absolute path for what was made here; `cost_micros` only where the provider tells.

    `last_frame` is a link to the last frame as a picture, where the provider makes one.
    """

    video: str
    cost_micros: int | None = None
    last_frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider's own end without a clip, in its words (scrubbed of our keys)."""

    reason: str
    moderation: bool = False


TaskStatus = Pending | Succeeded | Failed


class NotSentError(Exception):
    """Nothing was taken: the same attempt may be sent again. `retry_after_seconds` where the provider said.

    `is_trouble`: the provider could not be reached or is broken; otherwise it only asks to wait, or we ourselves hold
    the attempt back.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after_seconds: float | None = None,
        is_trouble: bool = False,
        is_answer: bool = False,
    ) -> None:
        """`is_answer`: the provider itself said that it is in trouble; it is to be asked again only some times."""
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.is_trouble = is_trouble
        self.is_answer = is_answer


class UnknownOutcomeError(Exception):
    """The request may have been accepted: it must not be sent again."""


class TaskGoneError(Exception):
    """The provider does not know the task (HTTP 404)."""


class ProviderBusyError(Exception):
    """A read failed for now (5xx, 429, network): ask again later. `is_key_refused`: not before our key is mended."""

    def __init__(self, reason: str, *, is_key_refused: bool = False) -> None:
        super().__init__(reason)
        self.is_key_refused = is_key_refused


class Provider(Protocol):
    """One account of one provider."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def account(self) -> str:
        """A name for the key, without the key."""
        ...

    @property
    def trusted_host(self) -> str | None: ...

    def describe(self, *, plan: Plan, links: dict[str, str], callback: str | None = None) -> WireRequest:
        """The request that `submit` would send; `links` gives each reference's address by content hash."""
        ...

    async def submit(self, *, attempt_id: str, plan: Plan, links: dict[str, str], callback: str | None = None) -> str:
        """Hand the plan over once and return the provider's task id.

        `callback` is the address to call at the end; it is left out where the provider calls nobody back.

        Raises NotSentError, UnknownOutcomeError, or a ProviderError when the provider said no (nothing was made).
        """
        ...

    async def read(self, *, task_id: str) -> TaskStatus:
        """Where the task stands. Raises TaskGoneError, ProviderBusyError."""
        ...

    async def read_many(self, *, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """One request for several tasks, where the provider lists them; what it does not name is left out.

        Raises ProviderBusyError.
        """
        ...

    async def cancel(self, *, task_id: str) -> bool:
        """True only when the provider confirmed that the task will neither run nor cost."""
        ...

    async def is_genuine(self, *, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a callback bears this account's signature; True where the provider signs none."""
        ...

    def called_task(self, *, plan: Plan, body: bytes) -> str | None:
        """The id of the task that a callback speaks of."""
        ...


# -- telling people


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where the clip is: a Discord message, or the path of the file."""

    channel_id: int | None = None
    message_id: int | None = None
    path: str | None = None


class TryLaterError(Exception):
    """Telling failed for now; `retry_after_seconds` where the other side said."""

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class Delivery(Protocol):
    """Telling the requester: over Discord, or on the command line."""

    @property
    def serves(self) -> frozenset[TargetKind]: ...

    async def show(self, *, job: Job) -> int | None:
        """Bring the job's card up to date; returns the thread's id once one was opened. Raises TryLaterError."""
        ...

    async def room(self, *, job: Job) -> int | None:
        """How many bytes its target takes, by all that is known; None for no limit. Raises TryLaterError."""
        ...

    async def post(self, *, job: Job, clip: Path) -> Posted:
        """Hand the clip over; doing it again returns the first one.

        Raises ClipTooLargeError, after which `room` is smaller; DeliveryError; TryLaterError.
        """
        ...

    async def notify(self, *, job: Job) -> None:
        """Tell the requester of an end without a clip, once. Raises TryLaterError."""
        ...


class Admins(Protocol):
    """Telling those who look after a server."""

    async def ask(self, *, job: Job, channel_id: int | None) -> Question | None:
        """Ask for approval there, else where the clip was asked for; once asked, say what became of it.

        Returns where the question stands, None where it could not be asked. Raises TryLaterError.
        """
        ...

    async def warn(self, *, job: Job, channel_id: int, budgets: Sequence[tuple[Leg, Standing]]) -> None:
        """Say where the server's budgets stand. Raises DeliveryError, TryLaterError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of a server; a forum takes threads, but no messages of its own."""

    id: int
    name: str
    takes_messages: bool


class Directory(Protocol):
    """What a server has now."""

    async def channels(self, guild_id: int) -> list[Channel]:
        """Its channels in their order; categories and threads left out."""
        ...

    async def roles(self, guild_id: int) -> dict[int, str]:
        """The names of its roles but @everyone."""
        ...

    async def title(self, guild_id: int) -> str: ...

    async def member_names(self, guild_id: int, member_ids: Sequence[str]) -> dict[str, str]:
        """What the server calls them; whoever left has no name."""
        ...
