"""What Discord answers when it says no, and the rules of ours that a right bot never breaks."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Reason(Enum):
    """A refusal: HTTP status, code, message.

    https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
    """

    UNAUTHORIZED = (401, 0, "401: Unauthorized")
    NOT_FOUND = (404, 0, "404: Not Found")
    METHOD_NOT_ALLOWED = (405, 0, "405: Method Not Allowed")
    UNKNOWN_APPLICATION = (404, 10002, "Unknown Application")
    UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
    UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
    UNKNOWN_MEMBER = (404, 10007, "Unknown Member")
    UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
    UNKNOWN_ROLE = (404, 10011, "Unknown Role")
    UNKNOWN_USER = (404, 10013, "Unknown User")
    UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
    UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
    TOO_LARGE = (413, 40005, "Request entity too large")
    FORUM_MESSAGE = (400, 40058, "Cannot send a message in a forum channel")
    ALREADY_ACKNOWLEDGED = (400, 40060, "Interaction has already been acknowledged.")
    MISSING_ACCESS = (403, 50001, "Missing Access")
    NOT_OWN_MESSAGE = (403, 50005, "Cannot edit a message authored by another user")
    EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
    CLOSED_DM = (403, 50007, "Cannot send messages to this user")
    MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
    WRONG_CHANNEL_TYPE = (400, 50024, "Cannot execute action on this channel type")
    DEAD_TOKEN = (401, 50027, "Invalid Webhook Token")
    INVALID_RECIPIENT = (400, 50033, "Invalid Recipient(s)")
    INVALID_FORM = (400, 50035, "Invalid Form Body")
    ARCHIVED_THREAD = (400, 50083, "Thread is archived")
    INVALID_JSON = (400, 50109, "The request body contains invalid JSON.")
    # https://github.com/discord/discord-api-docs/pull/8212: the words of 50007, for a user in no common server.
    NO_COMMON_GUILD = (403, 50278, "Cannot send messages to this user")
    THREAD_EXISTS = (400, 160004, "A thread has already been created for this message")
    THREAD_LOCKED = (403, 160005, "Thread is locked")
    TOO_MANY_THREADS = (400, 160006, "Maximum number of active threads reached")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> int:
        return self.value[1]

    @property
    def message(self) -> str:
        return self.value[2]


class Rule(Enum):
    """A rule that a right bot never breaks, whatever the world does to it."""

    LATE_ACKNOWLEDGEMENT = "late acknowledgement"
    DOUBLE_ACKNOWLEDGEMENT = "double acknowledgement"
    RANDOM_NONCE = "random nonce"
    MISSING_ALLOWED_MENTIONS = "missing allowed_mentions"
    DEAD_TOKEN = "dead token"  # noqa: S105 - the rule's name
    OVERSIZE_FILE = "oversize file"
    INVALID_BODY = "invalid body"
    PUBLISHED_SCHEMA = "published schema"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_ROUTE = "unknown route"


# Answers that are the bot's own fault wherever they occur; the others can happen to a right bot in a hostile world.
FAULTS_OF_THE_BOT = {
    Reason.UNAUTHORIZED: Rule.UNAUTHORIZED,
    Reason.NOT_FOUND: Rule.UNKNOWN_ROUTE,
    Reason.METHOD_NOT_ALLOWED: Rule.UNKNOWN_ROUTE,
    Reason.TOO_LARGE: Rule.OVERSIZE_FILE,
    Reason.ALREADY_ACKNOWLEDGED: Rule.DOUBLE_ACKNOWLEDGEMENT,
    Reason.DEAD_TOKEN: Rule.DEAD_TOKEN,
    Reason.EMPTY_MESSAGE: Rule.INVALID_BODY,
    Reason.INVALID_FORM: Rule.INVALID_BODY,
    Reason.INVALID_JSON: Rule.INVALID_BODY,
}


class RefusedError(Exception):
    """A request that Discord, or a rule of ours, refuses; nothing was changed."""

    def __init__(self, reason: Reason, *, rule: Rule | None = None, errors: dict[str, Any] | None = None) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.rule = rule or FAULTS_OF_THE_BOT.get(reason)
        self.errors = errors

    def body(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"message": self.reason.message, "code": self.reason.code}
        return answer | {"errors": self.errors} if self.errors else answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule of a right bot: what was asked, and what was answered."""

    rule: Rule
    method: str
    path: str
    status: int
    code: int
    detail: str


def broken_rule(rule: Rule, path: str, message: str) -> RefusedError:
    """Refuse by a rule of ours, in the shape of an invalid form body."""
    return RefusedError(Reason.INVALID_FORM, rule=rule, errors=error_tree({path: ("SANDBOX_RULE", message)}))


def error_tree(wrong: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Nest dotted paths: https://docs.discord.com/developers/reference#error-messages."""
    tree: dict[str, Any] = {}
    for path, (code, message) in wrong.items():
        node = tree
        for part in filter(None, path.split(".")):
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})
    return tree
