"""The state of a local Discord: who and what there is, without HTTP. The rules that change it stand beside it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.sandbox.clock import Changes, Clock, SnowflakeMint, SystemClock
from bot.sandbox.faults import Faults
from bot.sandbox.links import Links
from bot.sandbox.records import (
    MEBIBYTE,
    MEMBER_PERMISSIONS,
    Channel,
    ChannelType,
    Guild,
    Interaction,
    Json,
    Member,
    Message,
    Permission,
    Role,
    User,
)
from bot.sandbox.refusal import Reason, RefusedError, Violation

NONCE_PATTERN = r"^\d{15,20}-[a-z]{1,4}$"
NONCE_WINDOW_SECONDS = 300
LINK_LIFE_SECONDS = 24 * 3600
DM_UPLOAD_BYTES_MAX = 10 * MEBIBYTE

# https://docs.discord.com/developers/events/gateway#list-of-intents
GUILDS_INTENT = 1 << 0
GUILD_MESSAGES_INTENT = 1 << 9
DIRECT_MESSAGES_INTENT = 1 << 12

K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the gateway may dispatch: any session with one of the intents gets it, 0 needs none."""

    name: str
    data: Json
    guild_id: int | None
    intents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One REST call that the sandbox answered."""

    method: str
    path: str
    status: int


@dataclass(slots=True)
class Stored:
    """Everything the world holds, by id."""

    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    interactions: dict[int, Interaction] = field(default_factory=dict)
    nonces: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    commands: dict[int | None, list[Json]] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)


class World:
    """One local Discord with one bot in it."""

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock | None = None,
        token: str = "sandbox-bot-token",  # noqa: S107 - opens nothing but this sandbox
        bot_name: str = "Dailies",
        nonce_pattern: str = NONCE_PATTERN,
        nonce_window_seconds: int = NONCE_WINDOW_SECONDS,
        link_life_seconds: int = LINK_LIFE_SECONDS,
    ) -> None:
        self.folder = folder
        self.clock = clock or SystemClock()
        self.token = token
        self.nonce_pattern = re.compile(nonce_pattern)
        self.nonce_window_ms = nonce_window_seconds * 1000
        self.links = Links(clock=self.clock, secret=b"sandbox-links", life_seconds=link_life_seconds)
        self.stored = Stored()
        self.faults = Faults()
        self.changes = Changes()
        self.requests: list[Request] = []
        self.violations: list[Violation] = []
        self.listeners: list[Callable[[Event], None]] = []
        self._mint = SnowflakeMint(clock=self.clock)
        self.bot = self.add_user(bot_name, bot=True)

    @property
    def application_id(self) -> int:
        return self.bot.id

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def new_id(self) -> int:
        return self._mint.mint()

    # People and places, as a test or the demo sets them up.

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(id=self.new_id(), name=name, bot=bot)
        self.stored.users[user.id] = user
        return user

    def add_guild(self, name: str = "The Cutting Room", *, premium_tier: int = 0) -> Guild:
        guild = Guild(id=self.new_id(), name=name, premium_tier=premium_tier)
        guild.roles[guild.id] = Role(id=guild.id, name="@everyone")
        guild.members[self.bot.id] = Member(user=self.bot, guild_id=guild.id)
        self.stored.guilds[guild.id] = guild
        return guild

    def add_role(self, guild: Guild, name: str) -> Role:
        role = Role(id=self.new_id(), name=name)
        guild.roles[role.id] = role
        return role

    def add_member(
        self, guild: Guild, name: str, *, roles: tuple[Role, ...] = (), permissions: int = MEMBER_PERMISSIONS
    ) -> Member:
        member = Member(
            user=self.add_user(name),
            guild_id=guild.id,
            role_ids=[role.id for role in roles],
            permissions=permissions,
        )
        guild.members[member.id] = member
        return member

    def add_channel(self, guild: Guild, name: str = "studio", *, kind: ChannelType = ChannelType.TEXT) -> Channel:
        channel = Channel(id=self.new_id(), type=kind, name=name, guild_id=guild.id, created_ms=self.now_ms())
        self.stored.channels[channel.id] = channel
        return channel

    def add_thread(self, parent: Channel, name: str, *, owner: Member | None = None) -> Channel:
        """Open a thread as a member does: a forum's post, or a thread of a text channel."""
        thread = Channel(
            id=self.new_id(),
            type=ChannelType.PUBLIC_THREAD,
            name=name,
            guild_id=parent.guild_id,
            parent_id=parent.id,
            owner_id=owner.id if owner else self.bot.id,
            created_ms=self.now_ms(),
        )
        self.stored.channels[thread.id] = thread
        return thread

    def remove_channel(self, channel_id: int) -> None:
        """Delete a channel or a thread with all that is in it."""
        for thread_id in [c.id for c in self.stored.channels.values() if c.parent_id == channel_id]:
            self.remove_channel(thread_id)
        self.stored.channels.pop(channel_id)
        for message in self.messages(channel_id):
            self.stored.messages.pop(message.id)
        self.changes.announce()

    def remove_guild(self, guild_id: int) -> None:
        """The bot is removed from a guild; nothing in it can be reached any more."""
        for channel_id in [c.id for c in self.stored.channels.values() if c.guild_id == guild_id]:
            if channel_id in self.stored.channels:
                self.remove_channel(channel_id)
        self.stored.guilds.pop(guild_id)

    # Looking things up; a refusal where Discord refuses.

    def guild(self, guild_id: int) -> Guild:
        return _found(self.stored.guilds.get(guild_id), Reason.UNKNOWN_GUILD)

    def channel(self, channel_id: int) -> Channel:
        return _found(self.stored.channels.get(channel_id), Reason.UNKNOWN_CHANNEL)

    def message(self, channel_id: int, message_id: int) -> Message:
        message = self.stored.messages.get(message_id)
        return _found(message if message and message.channel_id == channel_id else None, Reason.UNKNOWN_MESSAGE)

    def messages(self, channel_id: int) -> list[Message]:
        """Every stored message of a channel, oldest first, ephemeral ones too."""
        found = (m for m in self.stored.messages.values() if m.channel_id == channel_id)
        return sorted(found, key=lambda message: message.id)

    def threads(self, parent_id: int) -> list[Channel]:
        found = (c for c in self.stored.channels.values() if c.parent_id == parent_id)
        return sorted(found, key=lambda channel: channel.id)

    def bot_permissions(self, channel: Channel) -> int:
        parent = self.stored.channels.get(channel.parent_id or 0)
        return parent.bot_permissions if channel.is_thread and parent else channel.bot_permissions

    def visible_channel(self, channel_id: int) -> Channel:
        """Find a channel the bot may see; a DM has no permissions."""
        channel = self.channel(channel_id)
        if channel.guild_id is not None and not self.bot_permissions(channel) & Permission.VIEW_CHANNEL:
            raise RefusedError(Reason.MISSING_ACCESS)
        return channel

    def require(self, channel: Channel, permission: Permission) -> None:
        if channel.guild_id is not None and permission & ~self.bot_permissions(channel):
            raise RefusedError(Reason.MISSING_PERMISSIONS)

    def upload_bytes_max(self, channel: Channel) -> int:
        return DM_UPLOAD_BYTES_MAX if channel.guild_id is None else self.guild(channel.guild_id).upload_bytes_max

    # Telling others.

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
        self.changes.announce()

    async def wait_for(self, channel_id: int, test: Callable[[Message], bool], *, seconds: float = 5) -> Message:
        """Wait until a stored message of the channel passes the test."""
        return await self.changes.until(
            lambda: next((m for m in self.messages(channel_id) if test(m)), None), seconds=seconds
        )


def _found(value: K | None, reason: Reason) -> K:
    if value is None:
        raise RefusedError(reason)
    return value
