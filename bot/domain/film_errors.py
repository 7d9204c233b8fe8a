"""Faults of what is asked about a clip that exists: to continue, change, join, preview or look at it."""

from dataclasses import dataclass
from typing import ClassVar

from bot.domain.errors import RequestError


@dataclass(eq=False, kw_only=True)
class ClipUnknownError(RequestError):
    """No delivered clip of that id stands here."""

    code: ClassVar[str] = "clip_unknown"
    template: ClassVar[str] = (
        "There is no clip {clip} here. Choose one from the list, or leave `clip` out for the latest."
    )
    clip: str


@dataclass(eq=False, kw_only=True)
class NoClipHereError(RequestError):
    """The first command in a thread cannot continue anything."""

    code: ClassVar[str] = "no_clip_here"
    template: ClassVar[str] = "No clip was delivered here yet. Make one with /generate first."


@dataclass(eq=False, kw_only=True)
class ClipGoneError(RequestError):
    """Its time on the bot's disk is over."""

    code: ClassVar[str] = "clip_gone"
    template: ClassVar[str] = (
        "Clip {clip} is no longer on the bot's disk: this server keeps files for {days} days (`/settings`)."
    )
    clip: str
    days: int


@dataclass(eq=False, kw_only=True)
class FilmAloneError(RequestError):
    """A chain of one."""

    code: ClassVar[str] = "film_alone"
    template: ClassVar[str] = "Clip {clip} continues no other clip, so there is nothing to join. Use /extend first."
    clip: str


@dataclass(eq=False, kw_only=True)
class FilmImpossibleError(RequestError):
    """The clips cannot be joined."""

    code: ClassVar[str] = "film_impossible"
    template: ClassVar[str] = "The film cannot be made: {reason}."
    reason: str


@dataclass(eq=False, kw_only=True)
class NoVideoError(RequestError):
    """A context menu on a message without a video."""

    code: ClassVar[str] = "no_video"
    template: ClassVar[str] = "That message has no video file. Use this on a message with an MP4 or MOV attached."


@dataclass(eq=False, kw_only=True)
class PreviewBusyError(RequestError):
    """One at a time per member."""

    code: ClassVar[str] = "preview_busy"
    template: ClassVar[str] = "A preview of yours is being made already; one at a time. It comes in a few seconds."


@dataclass(eq=False, kw_only=True)
class PreviewTooLateError(RequestError):
    """A preview is for what was not handed over yet."""

    code: ClassVar[str] = "preview_too_late"
    template: ClassVar[str] = "It is too late for a preview: the clip is being made or has ended."


@dataclass(eq=False, kw_only=True)
class ReferenceMustChangeError(RequestError):
    """Where nobody can be asked, a file is left as it is."""

    code: ClassVar[str] = "reference_must_change"
    template: ClassVar[str] = (
        "A reference does not fit as it is, and nobody can be asked here: {change} Change it first."
    )
    change: str


@dataclass(eq=False, kw_only=True)
class LookFailedError(RequestError):
    """A picture of a clip that could not be made."""

    code: ClassVar[str] = "look_failed"
    template: ClassVar[str] = "That cannot be shown: {reason}."
    reason: str


@dataclass(eq=False, kw_only=True)
class ChangeUnservableError(RequestError):
    """A file of ours for a provider that fetches by link, without an address to fetch it from."""

    code: ClassVar[str] = "change_unservable"
    template: ClassVar[str] = (
        "A reference does not fit as it is: {change} This bot cannot hand a changed file to {provider}, for it has no "
        "public address. Change the file yourself, or ask whoever hosts the bot to set DAILIES_PUBLIC_URL."
    )
    change: str
    provider: str


@dataclass(eq=False, kw_only=True)
class MachineBusyError(RequestError):
    """Work on a reference that broke down again and again."""

    code: ClassVar[str] = "machine_busy"
    template: ClassVar[str] = (
        "The bot's machine could not work on the files: it {reason}. Nothing was held; ask again in some minutes."
    )
    reason: str


@dataclass(eq=False, kw_only=True)
class ServerOnlyError(RequestError):
    """A click under a clip that came by direct message."""

    code: ClassVar[str] = "server_only"
    template: ClassVar[str] = "Clips are made in servers, not here. Go to the channel where this one was asked for."


@dataclass(eq=False, kw_only=True)
class FormExpiredError(RequestError):
    """A form that was sent after its video was forgotten."""

    code: ClassVar[str] = "form_expired"
    template: ClassVar[str] = (
        "This form stood open for too long, or the bot was started anew meanwhile. Open it on the message again. "
        "You had written: {prompt}"
    )
    prompt: str
