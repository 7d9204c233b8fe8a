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


# -- requests: words and slots


@dataclass(eq=False, kw_only=True)
class PromptMissingError(RequestError):
    """Nothing readable was typed."""

    code: ClassVar[str] = "prompt_missing"
    template: ClassVar[str] = "The prompt is empty. Say in words what should happen in the clip."


@dataclass(eq=False, kw_only=True)
class PromptTooLongError(RequestError):
    """More characters than any provider documents to take."""

    code: ClassVar[str] = "prompt_too_long"
    template: ClassVar[str] = "The prompt has {length:,} characters; {limit:,} is the most."
    length: int
    limit: int


@dataclass(eq=False, kw_only=True)
class SlotUnknownError(RequestError):
    """A mention of a slot that does not exist for anyone."""

    code: ClassVar[str] = "slot_unknown"
    template: ClassVar[str] = "{mention} is not a slot; {kind} slots go from @{kind}1 to @{kind}{limit}."
    mention: str
    kind: str
    limit: int


@dataclass(eq=False, kw_only=True)
class MentionWithoutReferenceError(RequestError):
    """The prompt speaks of a file that was not attached."""

    code: ClassVar[str] = "mention_without_reference"
    template: ClassVar[str] = "The prompt mentions {mention}, but {present}. Attach it or take the mention out."
    mention: str
    present: str


@dataclass(eq=False, kw_only=True)
class TooManyReferencesError(RequestError):
    """More files of one kind than there are slots."""

    code: ClassVar[str] = "too_many_references"
    template: ClassVar[str] = "{count} {kind} references were given; {limit} is the most."
    kind: str
    count: int
    limit: int


@dataclass(eq=False, kw_only=True)
class AudioAloneError(RequestError):
    """Sound needs something to look at."""

    code: ClassVar[str] = "audio_alone"
    template: ClassVar[str] = (
        "Audio references need at least one image or video beside them; add one, or leave {slot} out."
    )
    slot: str


@dataclass(eq=False, kw_only=True)
class EndFrameAloneError(RequestError):
    """An end frame without a first frame."""

    code: ClassVar[str] = "end_frame_alone"
    template: ClassVar[str] = "An end frame needs a first frame; add first_frame, or leave end_frame out."


# -- requests: files


@dataclass(eq=False, kw_only=True)
class ReferenceMissingError(RequestError):
    """A file of the command line that is not there or cannot be read."""

    code: ClassVar[str] = "reference_missing"
    template: ClassVar[str] = "{place}: {name} cannot be read: {reason}."
    place: str
    name: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ReferenceTooLargeError(RequestError):
    """More bytes than the kind may have."""

    code: ClassVar[str] = "reference_too_large"
    template: ClassVar[str] = (
        "{place}: {name} has {megabytes:.1f} MB; {limit_megabytes:.0f} MB is the most for {kind} references."
    )
    place: str
    name: str
    kind: str
    megabytes: float
    limit_megabytes: float


@dataclass(eq=False, kw_only=True)
class ReferenceUnreadableError(RequestError):
    """Bytes that are not what a reference may be, or are broken."""

    code: ClassVar[str] = "reference_unreadable"
    template: ClassVar[str] = "{place}: {name} {reason}."
    place: str
    name: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ReferenceKindError(RequestError):
    """The bytes are of another kind than the slot."""

    code: ClassVar[str] = "reference_kind"
    template: ClassVar[str] = "{place}: {name} is {found}, but this slot takes {wanted} ({formats})."
    place: str
    name: str
    found: str
    wanted: str
    formats: str


@dataclass(eq=False, kw_only=True)
class ReferenceShapeError(RequestError):
    """Pixels or proportions outside the limits."""

    code: ClassVar[str] = "reference_shape"
    template: ClassVar[str] = "{place}: {name} is {width}×{height}; {limit}."
    place: str
    name: str
    width: int
    height: int
    limit: str


@dataclass(eq=False, kw_only=True)
class ReferenceDurationError(RequestError):
    """A clip or sound that is too short or too long."""

    code: ClassVar[str] = "reference_duration"
    template: ClassVar[str] = (
        "{place}: {name} lasts {seconds:.1f} s; {kind} references must last {least:g} to {most:g} s."
    )
    place: str
    name: str
    kind: str
    seconds: float
    least: float
    most: float


@dataclass(eq=False, kw_only=True)
class ReferencesTotalError(RequestError):
    """Clips or sounds that are too long taken together."""

    code: ClassVar[str] = "references_total"
    template: ClassVar[str] = "The {kind} references last {seconds:.1f} s together; {most:g} s is the most."
    kind: str
    seconds: float
    most: float


@dataclass(eq=False, kw_only=True)
class ReferenceExpiredError(RequestError):
    """A signed link that no longer opens."""

    code: ClassVar[str] = "reference_expired"
    template: ClassVar[str] = "{place}: the link of {name} has expired. Attach the file again."
    place: str
    name: str


@dataclass(eq=False, kw_only=True)
class ReferenceHostError(RequestError):
    """A link that does not lead to Discord's own storage."""

    code: ClassVar[str] = "reference_host"
    template: ClassVar[str] = "{place}: {name} lies on {host}; references are taken from Discord's own storage only."
    place: str
    name: str
    host: str


@dataclass(eq=False, kw_only=True)
class CopiesFullError(RequestError):
    """One member, or all together, keep as many copied bytes as allowed."""

    code: ClassVar[str] = "copies_full"
    template: ClassVar[str] = (
        "{whose} open requests already keep {megabytes:.0f} MB of reference files; {limit_megabytes:.0f} MB is the "
        "most. Try again when a clip is done."
    )
    whose: str
    megabytes: float
    limit_megabytes: float


# -- requests: what a provider can do


@dataclass(eq=False, kw_only=True)
class OptionUnsupportedError(RequestError):
    """An option that no enabled provider can honour, with the nearest that would work."""

    code: ClassVar[str] = "option_unsupported"
    template: ClassVar[str] = "{provider} cannot do {asked}; {nearest}."
    provider: str
    asked: str
    nearest: str


@dataclass(eq=False, kw_only=True)
class OptionUnknownError(RequestError):
    """A word that is not among an option's choices."""

    code: ClassVar[str] = "option_unknown"
    template: ClassVar[str] = "There is no {option} {asked}; there is {known}."
    option: str
    asked: str
    known: str


@dataclass(eq=False, kw_only=True)
class ProviderUnknownError(RequestError):
    """A provider id that does not exist or is not set up."""

    code: ClassVar[str] = "provider_unknown"
    template: ClassVar[str] = "There is no provider {provider} here; there is {known}."
    provider: str
    known: str


@dataclass(eq=False, kw_only=True)
class PublicUrlMissingError(RequestError):
    """A local file for a provider that fetches references itself."""

    code: ClassVar[str] = "public_url_missing"
    template: ClassVar[str] = (
        "{place}: {provider} fetches references by link, and {name} is a local file. "
        "Set DAILIES_PUBLIC_URL to this machine's public https address, or use another provider."
    )
    place: str
    provider: str
    name: str


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
    template: ClassVar[str] = "{provider} gave no result within {minutes:.0f} minutes. Nothing was charged."
    provider: str
    minutes: float


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
        "{provider} could not be reached for {hours} hours. Nothing was charged; ask again if you like."
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


@dataclass(eq=False, kw_only=True)
class BotPermissionsError(RequestError):
    """The bot may not do here what a clip needs."""

    code: ClassVar[str] = "bot_permissions"
    template: ClassVar[str] = "I may not {missing} in this channel. Ask an admin to allow it, or use another channel."
    missing: str


@dataclass(eq=False, kw_only=True)
class JobUnknownError(RequestError):
    """No such job, or not this member's."""

    code: ClassVar[str] = "job_unknown"
    template: ClassVar[str] = "There is no job {job} of yours here."
    job: str
