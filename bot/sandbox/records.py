"""What the sandbox remembers: guilds, members, channels, messages, attachments, interactions."""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

# JSON objects from and for the wire; their shape is checked by the rules, not by types.
Json = dict[str, Any]

MEBIBYTE = 1024 * 1024
# https://docs.discord.com/developers/resources/guild#guild-object-premium-tier - what a guild may upload per file.
UPLOAD_BYTES_BY_TIER = {0: 10 * MEBIBYTE, 1: 10 * MEBIBYTE, 2: 50 * MEBIBYTE, 3: 100 * MEBIBYTE}


class Permission(IntFlag):
    """The permissions the bot's work touches: https://docs.discord.com/developers/topics/permissions."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38


MEMBER_PERMISSIONS = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
BOT_PERMISSIONS = MEMBER_PERMISSIONS | Permission.CREATE_PRIVATE_THREADS
# An administrator's, and an owner's: every bit the documents list has its place below this one.
ALL_PERMISSIONS = (1 << 53) - 1


class ChannelType(IntEnum):
    """https://docs.discord.com/developers/resources/channel#channel-object-channel-types."""

    TEXT = 0
    DM = 1
    VOICE = 2
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15


class MessageFlag(IntFlag):
    """https://docs.discord.com/developers/resources/message#message-object-message-flags."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


class MessageType(IntEnum):
    """https://docs.discord.com/developers/resources/message#message-object-message-types."""

    DEFAULT = 0
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23


class InteractionType(IntEnum):
    """https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-type."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class AnswerType(IntEnum):
    """The interaction callback types.

    https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-response-object
    """

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(slots=True, kw_only=True)
class User:
    """A person or the bot, in whatever guild."""

    id: int
    name: str
    bot: bool = False
    accepts_dms: bool = True


@dataclass(slots=True, kw_only=True)
class Role:
    """A guild's role; a managed one is the bot's own, made by its invitation."""

    id: int
    name: str
    permissions: int = 0
    managed: bool = False


@dataclass(slots=True, kw_only=True)
class Member:
    """A user in one guild; `permissions` are held beside what the roles give, as if by a role of the member's own."""

    user: User
    guild_id: int
    role_ids: list[int] = field(default_factory=list)
    permissions: int = 0
    locale: str = "en-US"

    @property
    def id(self) -> int:
        return self.user.id


@dataclass(slots=True, kw_only=True)
class Guild:
    """A server: its boost tier decides what may be uploaded."""

    id: int
    name: str
    owner_id: int
    premium_tier: int = 0
    upload_bytes_override: int | None = None
    active_threads_max: int = 1000
    locale: str = "en-US"
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)

    @property
    def upload_bytes_max(self) -> int:
        if self.upload_bytes_override is not None:
            return self.upload_bytes_override
        return UPLOAD_BYTES_BY_TIER[self.premium_tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwrite:
    """What a channel allows and denies one role or member."""

    allow: int = 0
    deny: int = 0
    for_role: bool = False


class OverrideTarget(IntEnum):
    """Whom a command override is for.

    https://docs.discord.com/developers/interactions/application-commands#application-command-permissions-object-application-command-permission-type
    """

    ROLE = 1
    USER = 2
    CHANNEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOverride:
    """An admin's word on one command: this role, user or channel may use it, or may not."""

    target: OverrideTarget
    id: int
    allow: bool


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel, a thread or a DM; a thread takes permissions from its parent."""

    id: int
    type: ChannelType
    name: str
    guild_id: int | None = None
    parent_id: int | None = None
    owner_id: int | None = None
    recipient_id: int | None = None
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    created_ms: int = 0
    archived: bool = False
    archived_ms: int = 0
    locked: bool = False
    auto_archive_minutes: int = 1440
    slowmode_seconds: int = 0
    last_message_id: int | None = None

    @property
    def is_thread(self) -> bool:
        return self.type in (
            ChannelType.ANNOUNCEMENT_THREAD,
            ChannelType.PUBLIC_THREAD,
            ChannelType.PRIVATE_THREAD,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file part that has arrived on disk and belongs to nothing yet."""

    index: int
    filename: str
    path: Path
    size: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Attachment:
    """A stored file; `link_path` is what its signed link signs."""

    id: int
    filename: str
    path: Path
    size: int
    sha256: str
    content_type: str
    link_path: str
    description: str | None = None
    ephemeral: bool = False
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings:
    """Who a message notifies."""

    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.users or self.roles or self.everyone)


@dataclass(slots=True, kw_only=True)
class Message:
    """A stored message: `pings` is who it notified, `mentions` who its text mentions now."""

    id: int
    channel_id: int
    author_id: int
    created_ms: int
    type: MessageType = MessageType.DEFAULT
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    nonce: str | None = None
    reference_id: int | None = None
    edited_ms: int | None = None
    pings: Pings = Pings()
    mentions: Pings = Pings()
    interaction_id: int | None = None
    visible_to: int | None = None
    thread_id: int | None = None

    @property
    def ephemeral(self) -> bool:
        return self.visible_to is not None

    @property
    def loading(self) -> bool:
        return bool(self.flags & MessageFlag.LOADING)


@dataclass(slots=True, kw_only=True)
class Interaction:
    """One thing a member did with the bot, its token's clock and its single acknowledgement."""

    id: int
    token: str
    type: InteractionType
    member: Member
    channel_id: int
    data: Json
    created_ms: int
    source_message_id: int | None = None
    uploads: list[Attachment] = field(default_factory=list)
    answer: AnswerType | None = None
    answered_ms: int | None = None
    ephemeral: bool = False
    response_id: int | None = None
    message_ids: list[int] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
