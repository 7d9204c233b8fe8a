"""Every fault of a request: a wish that cannot be honoured, with nothing held."""

from dataclasses import dataclass
from typing import ClassVar

from bot.domain.errors import RequestError

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
        "{place}: {provider} fetches references by link, and {name} lies on the bot's own machine. Whoever hosts the "
        "bot must set DAILIES_PUBLIC_URL to its public https address, or name a provider that takes files."
    )
    place: str
    provider: str
    name: str


# -- requests: commands


@dataclass(eq=False, kw_only=True)
class AmountError(RequestError):
    """An amount that is no amount."""

    code: ClassVar[str] = "amount"
    template: ClassVar[str] = "{given!r} is not an amount of {unit}: {limit}."
    given: str
    unit: str
    limit: str


@dataclass(eq=False, kw_only=True)
class SettingValueError(RequestError):
    """A value that a setting does not take."""

    code: ClassVar[str] = "setting_value"
    template: ClassVar[str] = "{name}: {given!r} {limit}."
    name: str
    given: str
    limit: str


@dataclass(eq=False, kw_only=True)
class NotAllowedError(RequestError):
    """A command or click that needs a permission, checked again in code."""

    code: ClassVar[str] = "not_allowed"
    template: ClassVar[str] = "This needs {permission} in this server."
    permission: str


@dataclass(eq=False, kw_only=True)
class SubjectUnknownError(RequestError):
    """A role or member that is not of this server."""

    code: ClassVar[str] = "subject_unknown"
    template: ClassVar[str] = "{subject} is not a {kind} of this server."
    subject: str
    kind: str


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


@dataclass(eq=False, kw_only=True)
class OfferGoneError(RequestError):
    """A second click, or a card that was overtaken."""

    code: ClassVar[str] = "offer_gone"
    template: ClassVar[str] = "That offer is over: it was taken, or the clip went its way. Ask again with /generate."
