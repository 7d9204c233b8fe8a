"""The state of a local Discord: who and what there is, without HTTP. The rules that change it stand beside it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.sandbox.clock import Changes, Clock, SnowflakeMint, SystemClock
from bot.sandbox.faults import Faults
from bot.sandbox.links import Links
from bot.sandbox.permissions import channel_permissions
from bot.sandbox.records import (
    BOT_PERMISSIONS,
    MEBIBYTE,
    MEMBER_PERMISSIONS,
    Channel,
    ChannelType,
    CommandOverride,
    Guild,
    Interaction,
    Json,
    Member,
    Message,
    OverrideTarget,
    Overwrite,
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
GUILD_MEMBERS_INTENT = 1 << 1
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
    command_overrides: dict[tuple[int, str], list[CommandOverride]] = field(default_factory=dict)
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

    def add_guild(
        self, name: str = "The Cutting Room", *, premium_tier: int = 0, bot_permissions: int = BOT_PERMISSIONS
    ) -> Guild:
        """Open a guild whose owner is nobody the tests know; the bot's invitation made it a role of its own."""
        guild = Guild(id=self.new_id(), name=name, owner_id=self.new_id(), premium_tier=premium_tier)
        guild.roles[guild.id] = Role(id=guild.id, name="@everyone", permissions=MEMBER_PERMISSIONS)
        own = self.add_role(guild, self.bot.name, permissions=bot_permissions, managed=True)
        guild.members[self.bot.id] = Member(user=self.bot, guild_id=guild.id, role_ids=[own.id])
        self.stored.guilds[guild.id] = guild
        return guild

    def add_role(self, guild: Guild, name: str, *, permissions: int = 0, managed: bool = False) -> Role:
        role = Role(id=self.new_id(), name=name, permissions=permissions, managed=managed)
        guild.roles[role.id] = role
        return role

    def add_member(self, guild: Guild, name: str, *, roles: tuple[Role, ...] = (), permissions: int = 0) -> Member:
        """Let somebody join; `permissions` come on top of what the roles give."""
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

    # What people change.

    def remove_member(self, guild: Guild, member: Member) -> None:
        """A member leaves, or is sent away; what they said stays."""
        guild.members.pop(member.id)
        user = {"id": str(member.id), "username": member.user.name, "discriminator": "0", "avatar": None}
        data = {"guild_id": str(guild.id), "user": user}
        self.emit(Event(name="GUILD_MEMBER_REMOVE", data=data, guild_id=guild.id, intents=GUILD_MEMBERS_INTENT))

    def remove_role(self, guild: Guild, role: Role) -> None:
        """Delete a role: members, overwrites and command overrides forget it."""
        guild.roles.pop(role.id)
        for member in guild.members.values():
            member.role_ids = [number for number in member.role_ids if number != role.id]
        for channel in self.stored.channels.values():
            channel.overwrites.pop(role.id, None)
        for overrides in self.stored.command_overrides.values():
            overrides[:] = [override for override in overrides if override.id != role.id]
        self.changes.announce()

    def overwrite(self, channel: Channel, target: Role | Member | User, *, allow: int = 0, deny: int = 0) -> None:
        """Set what a channel allows and denies a role or a member, instead of what it said before."""
        channel.overwrites.pop(target.id, None)
        if allow or deny:
            channel.overwrites[target.id] = Overwrite(allow=allow, deny=deny, for_role=isinstance(target, Role))
        self.changes.announce()

    def override_command(
        self, guild: Guild, name: str, target: Role | Member | Channel | Guild, *, allow: bool | None
    ) -> None:
        """Say as an admin who may use a command, and where; a guild stands for all its channels, None takes it back.

        https://docs.discord.com/developers/interactions/application-commands#permissions
        """
        number, kind = _override_target(target)
        for command in self.commands(guild.id):
            if command["name"] == name:
                said = self.stored.command_overrides.setdefault((guild.id, command["id"]), [])
                said[:] = [override for override in said if override.id != number]
                said += [] if allow is None else [CommandOverride(target=kind, id=number, allow=allow)]
                return
        raise LookupError(name)

    # Looking things up; a refusal where Discord refuses.

    def commands(self, guild_id: int) -> list[Json]:
        """The registered commands of a guild; its own go before the global ones."""
        return [command for scope in (guild_id, None) for command in self.stored.commands.get(scope, [])]

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

    def permissions(self, member: Member, channel: Channel) -> int:
        """What a member may do in a channel; a thread takes its parent's overwrites, a DM has none."""
        if channel.guild_id is None:
            return MEMBER_PERMISSIONS
        parent = self.stored.channels.get(channel.parent_id or 0)
        place = parent if channel.is_thread and parent else channel
        return channel_permissions(self.guild(channel.guild_id), member, place)

    def bot_permissions(self, channel: Channel) -> int:
        if channel.guild_id is None:
            return BOT_PERMISSIONS
        return self.permissions(self.guild(channel.guild_id).members[self.bot.id], channel)

    def shares_guild(self, user_id: int) -> bool:
        """Whether the bot and a user are in some guild together."""
        return any(user_id in guild.members for guild in self.stored.guilds.values())

    def visible_channel(self, channel_id: int) -> Channel:
        """Find a channel the bot may see."""
        channel = self.channel(channel_id)
        if not self.bot_permissions(channel) & Permission.VIEW_CHANNEL:
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


def _override_target(target: Role | Member | Channel | Guild) -> tuple[int, OverrideTarget]:
    match target:
        case Role():
            return target.id, OverrideTarget.ROLE
        case Member():
            return target.id, OverrideTarget.USER
        case Channel():
            return target.id, OverrideTarget.CHANNEL
        case Guild():
            return target.id - 1, OverrideTarget.CHANNEL


def _found(value: K | None, reason: Reason) -> K:
    if value is None:
        raise RefusedError(reason)
    return value
