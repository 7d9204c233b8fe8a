"""What the dialects' answers have in common: status words, links in any shape, the words and class of a refusal."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.ports.outside import Failed, Pending, ProviderBusyError, Succeeded, TaskStatus
from bot.providers.scrubbing import scrub

TASK_ID_CHARS_MAX = 200
QUEUED = frozenset({"pending", "queued", "submitted", "starting", "created", "staged", "in_queue"})
RUNNING = QUEUED | {"processing", "running", "in_progress"}
SUCCEEDED = frozenset({"completed", "complete", "success", "succeed", "succeeded", "finished", "done"})
CANCELLED = frozenset({"cancelled", "canceled"})
FAILED = CANCELLED | {"failed", "failure", "fail", "error", "expired", "aborted", "rejected", "timeout"}
NO_LINK = Failed(reason="it reported success but gave no link to the clip")
NO_REASON = "it gave no reason"
_LINK_KEYS = ("video_url", "url", "video", "videos")
_REASON_KEYS = ("message", "msg", "reason", "code")
_NESTED_MAX = 4
PERCENT_MAX = 100


class Trouble(StrEnum):
    """What a refusal means for us."""

    BAD_REQUEST = "bad_request"
    MEDIA_REJECTED = "media_rejected"
    MEDIA_UNREACHABLE = "media_unreachable"
    AUTH = "auth"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    """The account may not use this model, or not from here."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    MODERATION = "moderation"
    RATE_LIMITED = "rate_limited"
    CONCURRENCY = "concurrency"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The task ended; how is told at another path of the same base.

    `is_end` tells by HTTP status and body of a refused read that it is the task's own failure; `read` reads both.
    """

    path: Callable[[str], str]
    is_end: Callable[[int, bytes], bool]
    read: Callable[[bytes], TaskStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The words of an error body, empty where it has none; `trouble` None: only the HTTP status tells."""

    reason: str = ""
    trouble: Trouble | None = None


def parse_object(body: bytes) -> dict[str, object] | None:
    """The JSON object that a body is, or None."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def object_in(value: object) -> dict[str, object]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def task_id_in(value: object) -> str | None:
    fits = isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= TASK_ID_CHARS_MAX
    return str(value) if fits else None


def word_in(status: object) -> str | None:
    """A status in the common spelling; None where there is none."""
    return None if status is None else str(status).strip().lower().removeprefix("task_status_")


def is_known(word: str) -> bool:
    return word in RUNNING | SUCCEEDED | FAILED


def link_in(value: object, *, depth: int = 0) -> str | None:
    """The address in a result: a text, the first of a list, or a member with a usual name.

    A paid clip is not lost to a shape.
    """
    if isinstance(value, str):
        return value if value.startswith(("https://", "http://")) else None
    inner: Iterable[object] = ()
    if isinstance(value, list):
        inner = value[:1]
    elif isinstance(value, dict):
        inner = [value[key] for key in _LINK_KEYS if key in value]
    links = (link_in(one, depth=depth + 1) for one in inner if depth < _NESTED_MAX)
    return next((link for link in links if link), None)


def reason_in(error: object) -> str:
    """The words of an error that may be a text, an object or null; cleaned, empty where there are none."""
    said = error
    if isinstance(error, dict):
        said = next((error[key] for key in _REASON_KEYS if isinstance(error.get(key), str) and error[key].strip()), "")
    return scrub(said, ()) if isinstance(said, str) else ""


def progress_in(value: object) -> int | None:
    """Percent, where it is a number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= PERCENT_MAX else None


def status_of(
    word: str | None,
    *,
    title: str,
    video: Callable[[], str | None],
    failure: Callable[[], Failed],
    progress: object = None,
    last_frame: Callable[[], str | None] = lambda: None,
) -> TaskStatus:
    """The task's own status in common terms; a word that nobody knows means that it is still running.

    Raises ProviderBusyError for an answer without a status: it is no task.
    """
    if word is None:
        raise ProviderBusyError(f"{title} answered something that is not a task")
    if word in SUCCEEDED:
        link = video()
        return Succeeded(video=link, last_frame=last_frame()) if link else NO_LINK
    if word in FAILED:
        return failure()
    return Pending(progress=progress_in(progress))


def failed(reason: str, *, moderation: bool = False) -> Failed:
    return Failed(reason=reason or NO_REASON, moderation=moderation and bool(reason))
