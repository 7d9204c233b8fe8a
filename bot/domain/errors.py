"""Every fault a user may read: what happened, the limit, and what to do.

BotError
├── RequestError     the wish itself cannot be honoured (nothing was held)
├── QuotaError       the rules of the server or the operator forbid it (nothing was held)
├── ProviderError    a provider refused or failed (what was held is released)
├── DeliveryError    Discord would not take the result
└── OperatorError    settings, lock, database: for the person who hosts the bot
"""

from dataclasses import asdict, dataclass
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class BotError(Exception):
    """A sentence for the user: `template` filled with the error's own typed fields."""

    code: ClassVar[str]
    template: ClassVar[str]

    def __str__(self) -> str:
        return self.template.format(**asdict(self))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), asdict(self)))


def _rebuild(kind: type[BotError], fields: dict[str, object]) -> BotError:
    return kind(**fields)


class RequestError(BotError):
    """The request cannot be honoured as it stands."""


class QuotaError(BotError):
    """The budget, a rule or a pause forbids the request."""


class ProviderError(BotError):
    """The provider refused the task or failed at it."""


class DeliveryError(BotError):
    """The result exists but could not be handed over."""


class OperatorError(BotError):
    """Something that the person who hosts the bot must mend."""


# -- quota


@dataclass(eq=False, kw_only=True)
class QuotaExceededError(QuotaError):
    """A balance holds less than the request asks for."""

    code: ClassVar[str] = "quota_exceeded"
    template: ClassVar[str] = "{whose} {left} left of {limit} {period}; this clip takes {asked}. {resets} {remedy}"
    whose: str
    """Subject and verb: `You have`, `This server has`."""
    left: str
    limit: str
    period: str
    asked: str
    resets: str
    """A sentence: `It resets on 1 December 2026, 00:00 UTC.`"""
    remedy: str


@dataclass(eq=False, kw_only=True)
class BoundError(QuotaError):
    """A tier, resolution or length that the rules do not allow here."""

    code: ClassVar[str] = "bound"
    template: ClassVar[str] = "The rules here do not allow {option} {asked}; allowed: {allowed}."
    option: str
    asked: str
    allowed: str


@dataclass(eq=False, kw_only=True)
class ChannelClosedError(QuotaError):
    """The server chose other channels for clips."""

    code: ClassVar[str] = "channel_closed"
    template: ClassVar[str] = "Clips are not made in this channel; use {channels}."
    channels: str


@dataclass(eq=False, kw_only=True)
class BlockedWordError(QuotaError):
    """A word of the server's own blocklist."""

    code: ClassVar[str] = "blocked_word"
    template: ClassVar[str] = "This server's blocklist does not allow {word!r} in a prompt."
    word: str


@dataclass(eq=False, kw_only=True)
class ApprovalDeniedError(QuotaError):
    """An admin said no."""

    code: ClassVar[str] = "approval_denied"
    template: ClassVar[str] = "{who} did not approve this clip. Nothing was charged."
    who: str


@dataclass(eq=False, kw_only=True)
class WaitExpiredError(QuotaError):
    """Nobody confirmed or approved it in time."""

    code: ClassVar[str] = "wait_expired"
    template: ClassVar[str] = "Nobody {verb} this clip within {wait}. Nothing was charged."
    verb: str
    wait: str
    """`an hour`, `a day`."""


@dataclass(eq=False, kw_only=True)
class PausedError(QuotaError):
    """The operator or an admin paused new work."""

    code: ClassVar[str] = "paused"
    template: ClassVar[str] = "New clips are paused here by {who}. Clips already under way go on."
    who: str


# -- providers


@dataclass(eq=False, kw_only=True)
class ProviderRefusedError(ProviderError):
    """The provider answered no: a bad field, moderation, payment."""

    code: ClassVar[str] = "provider_refused"
    template: ClassVar[str] = "{provider} refused the request: {reason}"
    provider: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ProviderAccountError(ProviderRefusedError):
    """The operator's account there cannot do this: no credit, or the model is not enabled for it."""

    code: ClassVar[str] = "provider_account"


@dataclass(eq=False, kw_only=True)
class ProviderFailedError(ProviderError):
    """The task ran and failed."""

    code: ClassVar[str] = "provider_failed"
    template: ClassVar[str] = "{provider} could not make the clip: {reason}"
    provider: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ProviderAuthError(ProviderError):
    """Our key was not accepted; the member can do nothing about it."""

    code: ClassVar[str] = "provider_auth"
    template: ClassVar[str] = (
        "{provider} did not accept the bot's key (HTTP {status}). Whoever hosts the bot must mend it."
    )
    provider: str
    status: int


@dataclass(eq=False, kw_only=True)
class ProviderRestingError(ProviderError):
    """Its accounts were refused a moment ago: asking again at once would end alike."""

    code: ClassVar[str] = "provider_resting"
    template: ClassVar[str] = "{provider} takes no clips from this bot just now: {reason} Nothing was charged."
    provider: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ModerationError(ProviderError):
    """The provider's content rules."""

    code: ClassVar[str] = "moderation"
    template: ClassVar[str] = (
        "{provider}'s content rules refused this: {reason} Change the prompt or the reference and try again."
    )
    provider: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ReferenceStaleError(ProviderError):
    """A link that went stale between copying and submitting."""

    code: ClassVar[str] = "reference_stale"
    template: ClassVar[str] = (
        "{place}: Discord's link of {name} ran out before {provider} could fetch it. Attach the file and ask again."
    )
    place: str
    name: str
    provider: str


@dataclass(eq=False, kw_only=True)
class DeadlineError(ProviderError):
    """No end of the task within its deadline."""

    code: ClassVar[str] = "deadline"
    template: ClassVar[str] = "{provider} gave no result within {minutes:.0f} minutes. Nothing was charged.{hope}"
    provider: str
    minutes: float
    hope: str = ""
    """What may yet come of it, with a space before."""


@dataclass(eq=False, kw_only=True)
class SubmitLostError(ProviderError):
    """A submit whose answer never came and that cannot be looked up."""

    code: ClassVar[str] = "submit_lost"
    template: ClassVar[str] = (
        "The connection to {provider} broke while the request was being handed over, and it never showed up. "
        "It was not sent again, so that nobody pays twice. Nothing was charged; ask again if you like."
    )
    provider: str


@dataclass(eq=False, kw_only=True)
class ResultUnusableError(ProviderError):
    """Success was reported, but what came is not a playable clip."""

    code: ClassVar[str] = "result_unusable"
    template: ClassVar[str] = "{provider} reported success, but the clip {reason}. Nothing was charged."
    provider: str
    reason: str


@dataclass(eq=False, kw_only=True)
class JobCancelledError(ProviderError):
    """The requester took it back in time."""

    code: ClassVar[str] = "cancelled"
    template: ClassVar[str] = "Cancelled {where}. Nothing was charged."
    where: str
    """`before it was sent to Unifically`, `at Unifically`."""


@dataclass(eq=False, kw_only=True)
class NeverStartedError(ProviderError):
    """No provider's account took it, for a day."""

    code: ClassVar[str] = "never_started"
    template: ClassVar[str] = (
        "{provider} could not take it for {hours} hours. Nothing was charged; ask again if you like."
    )
    provider: str
    hours: int


@dataclass(eq=False, kw_only=True)
class InternalError(ProviderError):
    """A fault of our own, told with a reference the operator finds in the log."""

    code: ClassVar[str] = "internal"
    template: ClassVar[str] = "Something broke on our side (reference {reference}). Nothing was charged."
    reference: str


# -- delivery


@dataclass(eq=False, kw_only=True)
class ClipTooLargeError(DeliveryError):
    """The finished file is over what the server takes."""

    code: ClassVar[str] = "clip_too_large"
    template: ClassVar[str] = (
        "The clip is done but has {megabytes:.1f} MB, and this server takes {limit_megabytes:.0f} MB at most. "
        "It is kept on the bot's disk (job {job}), and nothing was charged."
    )
    megabytes: float
    limit_megabytes: float
    job: str


@dataclass(eq=False, kw_only=True)
class UndeliverableError(DeliveryError):
    """Nowhere left to post it."""

    code: ClassVar[str] = "undeliverable"
    template: ClassVar[str] = (
        "The clip is done, but it could not be posted: {reason}. It is kept (job {job}), and nothing was charged."
    )
    reason: str
    job: str


# -- operator


@dataclass(eq=False, kw_only=True)
class SettingsError(OperatorError):
    """One readable line per fault; names of variables, never their values."""

    code: ClassVar[str] = "settings"
    template: ClassVar[str] = "{faults}"
    faults: str


@dataclass(eq=False, kw_only=True)
class AlreadyRunningError(OperatorError):
    """Another process owns the data directory."""

    code: ClassVar[str] = "already_running"
    template: ClassVar[str] = (
        "Another Dailies process uses {directory}. Stop it first, or set DAILIES_DATA_DIR to another folder."
    )
    directory: str


@dataclass(eq=False, kw_only=True)
class DatabaseError(OperatorError):
    """The database cannot be opened or is damaged."""

    code: ClassVar[str] = "database"
    template: ClassVar[str] = "The database {path} cannot be used: {reason}"
    path: str
    reason: str
