"""A Discord client of the sandbox: what a member's own client does, and what it refuses to send."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bot.sandbox import posting
from bot.sandbox.command_rules import MESSAGE_MENU, SLASH
from bot.sandbox.component_rules import SELECTS, Component, walk
from bot.sandbox.files import copy_in
from bot.sandbox.forms import fill_form
from bot.sandbox.interactions import begin
from bot.sandbox.options import ClientRefusalError, Value, descend, fill, find_command, nest
from bot.sandbox.payloads import message as message_payload
from bot.sandbox.permissions import may_use_command
from bot.sandbox.records import (
    AnswerType,
    Attachment,
    Channel,
    Interaction,
    InteractionType,
    Json,
    Member,
    Message,
    MessageType,
    Permission,
)
from bot.sandbox.world import World

WAIT_SECONDS = 5.0

T = TypeVar("T")


class Invocation:
    """One interaction as the member waits for it; every wait ends with TimeoutError after so many seconds."""

    def __init__(self, *, world: World, interaction: Interaction) -> None:
        self._world = world
        self.interaction = interaction

    @property
    def id(self) -> int:
        return self.interaction.id

    @property
    def token(self) -> str:
        return self.interaction.token

    @property
    def messages(self) -> list[Message]:
        """The response and the follow-ups that are still there."""
        stored = self._world.stored.messages
        return [stored[message_id] for message_id in self.interaction.message_ids if message_id in stored]

    async def acknowledged(self, *, seconds: float = WAIT_SECONDS) -> AnswerType:
        return await self._until(lambda: self.interaction.answer, seconds)

    async def placeholder(self, *, seconds: float = WAIT_SECONDS) -> Message:
        """The response message, even while it says that the bot is thinking."""
        return await self._until(self._response, seconds)

    async def response(self, *, seconds: float = WAIT_SECONDS) -> Message:
        """The response message with its content."""
        return await self._until(lambda: m if (m := self._response()) and not m.loading else None, seconds)

    async def follow_up(self, *, seconds: float = WAIT_SECONDS) -> Message:
        """The newest message that is not the response: a refusal after a deleted placeholder, for instance."""
        return await self._until(self._newest_follow_up, seconds)

    async def modal(self, *, seconds: float = WAIT_SECONDS) -> Json:
        return await self._until(lambda: self.interaction.modal, seconds)

    async def choices(self, *, seconds: float = WAIT_SECONDS) -> list[Json]:
        return await self._until(lambda: self.interaction.choices, seconds)

    async def deleted(self, *, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the response message was there and is gone."""
        await self._until(lambda: True if self.interaction.response_id and not self._response() else None, seconds)

    def _response(self) -> Message | None:
        return self._world.stored.messages.get(self.interaction.response_id or 0)

    def _newest_follow_up(self) -> Message | None:
        others = [message for message in self.messages if message.id != self.interaction.response_id]
        return others[-1] if others else None

    async def _until(self, probe: Callable[[], T | None], seconds: float) -> T:
        return await self._world.changes.until(probe, seconds=seconds)


class MemberClient:
    """What one member can see and do; raises ClientRefusalError where the real client would not let them."""

    def __init__(self, *, world: World, member: Member) -> None:
        self._world = world
        self.member = member

    def slash(
        self,
        channel_id: int,
        name: str,
        *,
        options: Mapping[str, Value] | None = None,
        files: Mapping[str, Path] | None = None,
        force: bool = False,
    ) -> Invocation:
        """Use a slash command; a subcommand's name follows after a space.

        `force` sends what a stale or a modified client might: a hidden command, ids the server does not offer,
        values outside their bounds. What an id stands for is still looked up on Discord's side.
        """
        return self._command(channel_id, name, options or {}, files or {}, focused=None, force=force)

    def autocomplete(
        self,
        channel_id: int,
        name: str,
        *,
        focused: str,
        options: Mapping[str, Value] | None = None,
        force: bool = False,
    ) -> Invocation:
        """Type into one option: `options[focused]` is the text so far."""
        values = {focused: ""} | dict(options or {})
        return self._command(channel_id, name, values, {}, focused=focused, force=force)

    def message_command(self, message: Message, name: str, *, force: bool = False) -> Invocation:
        """Use a context menu command on a message."""
        command = find_command(self._world, self.member.guild_id, name, MESSAGE_MENU)
        self._check_sees(message)
        channel = self._command_place(message.channel_id, command, force=force)
        resolved = {"messages": {str(message.id): message_payload(self._world, message, whole=True)}}
        data = {
            "id": command["id"],
            "name": name,
            "type": MESSAGE_MENU,
            "target_id": str(message.id),
            "resolved": resolved,
        }
        return self._begin(channel, InteractionType.COMMAND, data)

    def click(self, message: Message, custom_id: str) -> Invocation:
        component = self._component(message, custom_id, {Component.BUTTON})
        data = {"component_type": int(Component.BUTTON), "custom_id": custom_id, "id": component.get("id", 0)}
        channel = self._channel(message.channel_id)
        return self._begin(channel, InteractionType.COMPONENT, data, source=message)

    def choose(self, message: Message, custom_id: str, values: Sequence[str]) -> Invocation:
        """Pick from a text select menu."""
        component = self._component(message, custom_id, SELECTS)
        offered = {option["value"] for option in component.get("options") or ()}
        least, most = component.get("min_values", 1), component.get("max_values", 1)
        if not least <= len(values) <= most or not set(values) <= offered:
            raise ClientRefusalError(f"{list(values)} cannot be chosen here.")
        data = {"component_type": component["type"], "custom_id": custom_id, "values": list(values)}
        channel = self._channel(message.channel_id)
        return self._begin(channel, InteractionType.COMPONENT, data, source=message)

    def submit(self, opened: Invocation, values: Mapping[str, Any]) -> Invocation:
        """Fill in the form that an interaction opened: per input a text, a choice, a list of choices or of paths."""
        modal = opened.interaction.modal
        if modal is None:
            raise ClientRefusalError("No form is open.")
        components, resolved, uploads = fill_form(self._world, modal, values)
        data = {"custom_id": modal["custom_id"], "components": components, "resolved": resolved}
        source = self._world.stored.messages.get(opened.interaction.source_message_id or 0)
        channel = self._channel(opened.interaction.channel_id)
        return self._begin(channel, InteractionType.MODAL_SUBMIT, data, source=source, uploads=uploads)

    def say(
        self, channel_id: int, content: str = "", *, files: Sequence[Path] = (), reply_to: Message | None = None
    ) -> Message:
        """Post a message of the member's own."""
        channel = self._channel(channel_id)
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        needed |= Permission.ATTACH_FILES if files else Permission(0)
        if needed & ~self._world.permissions(self.member, channel):
            raise ClientRefusalError(f"{self.member.user.name} may not say this here.")
        incoming = self._world.folder / "incoming"
        uploads = [copy_in(path, folder=incoming, index=index) for index, path in enumerate(files)]
        return posting.store(
            self._world,
            channel,
            {"content": content},
            uploads,
            author_id=self.member.id,
            kind=MessageType.REPLY if reply_to else MessageType.DEFAULT,
            reference_id=reply_to.id if reply_to else None,
        )

    def messages(self, channel_id: int) -> list[Message]:
        """What the member sees in a channel, oldest first."""
        return [message for message in self._world.messages(channel_id) if self.sees(message)]

    def sees(self, message: Message) -> bool:
        return message.visible_to in (None, self.member.id) and self.sees_channel(message.channel_id)

    def sees_channel(self, channel_id: int) -> bool:
        """A DM is its recipient's; every other channel needs membership and the permission to view it."""
        channel = self._world.stored.channels.get(channel_id)
        if channel is None or channel.guild_id is None:
            return channel is not None and channel.recipient_id == self.member.id
        guild = self._world.stored.guilds.get(channel.guild_id)
        if guild is None or guild.members.get(self.member.id) is not self.member:
            return False
        return bool(self._world.permissions(self.member, channel) & Permission.VIEW_CHANNEL)

    async def wait_for(
        self, channel_id: int, test: Callable[[Message], bool], *, seconds: float = WAIT_SECONDS
    ) -> Message:
        """Wait until a message that the member sees passes the test."""
        return await self._world.wait_for(channel_id, lambda m: self.sees(m) and test(m), seconds=seconds)

    def _command(
        self,
        channel_id: int,
        name: str,
        values: Mapping[str, Value],
        files: Mapping[str, Path],
        *,
        focused: str | None,
        force: bool,
    ) -> Invocation:
        head, *path = name.split(" ")
        command = find_command(self._world, self.member.guild_id, head, SLASH)
        channel = self._command_place(channel_id, command, force=force)
        declared, chain = descend(command, path)
        filled = fill(self._world, self.member, channel, declared, values, files, focused=focused, force=force)
        data: Json = {"id": command["id"], "name": head, "type": SLASH, "options": nest(filled.options, chain)}
        data |= {"resolved": filled.resolved} if filled.resolved else {}
        data |= {"guild_id": command["guild_id"]} if "guild_id" in command else {}
        kind = InteractionType.COMMAND if focused is None else InteractionType.AUTOCOMPLETE
        return self._begin(channel, kind, data, uploads=filled.uploads)

    def _begin(
        self,
        channel: Channel,
        kind: InteractionType,
        data: Json,
        *,
        source: Message | None = None,
        uploads: Sequence[Attachment] = (),
    ) -> Invocation:
        interaction = begin(self._world, self.member, channel.id, kind, data, source=source, uploads=uploads)
        return Invocation(world=self._world, interaction=interaction)

    def _command_place(self, channel_id: int, command: Json, *, force: bool) -> Channel:
        """https://docs.discord.com/developers/topics/threads - no commands inside an archived thread."""
        channel = self._channel(channel_id)
        if channel.archived:
            raise ClientRefusalError("Commands cannot be used in an archived thread.")
        if not force:
            self._check_may_use(command, channel)
        return channel

    def _check_may_use(self, command: Json, channel: Channel) -> None:
        """Commands that a member may not use are not even shown."""
        permissions = self._world.permissions(self.member, channel)
        overrides = self._world.stored.command_overrides.get((self.member.guild_id, command["id"]), [])
        place = channel.parent_id or channel.id if channel.is_thread else channel.id
        shown = may_use_command(command, overrides, self.member, channel_id=place, permissions=permissions)
        if not shown or not permissions & Permission.USE_APPLICATION_COMMANDS:
            raise ClientRefusalError(f"{self.member.user.name} does not see {command['name']!r}.")

    def _check_sees(self, message: Message) -> None:
        if not self.sees(message) or message.id not in self._world.stored.messages:
            raise ClientRefusalError(f"{self.member.user.name} does not see this message.")

    def _channel(self, channel_id: int) -> Channel:
        if not self.sees_channel(channel_id):
            raise ClientRefusalError(f"{self.member.user.name} does not see this channel.")
        return self._world.channel(channel_id)

    def _component(self, message: Message, custom_id: str, kinds: set[Component]) -> Json:
        self._check_sees(message)
        for component in walk(message.components):
            if component.get("custom_id") == custom_id and component["type"] in kinds:
                if component.get("disabled"):
                    raise ClientRefusalError(f"{custom_id!r} is disabled.")
                return component
        raise ClientRefusalError(f"The message has no {custom_id!r}.")
