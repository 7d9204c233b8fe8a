"""Channels, messages, threads and DMs: https://docs.discord.com/developers/resources/channel."""

from aiohttp import web

from bot.sandbox import payloads, posting
from bot.sandbox.form import Form, as_snowflake
from bot.sandbox.records import Channel, ChannelType, Json, Message, Permission
from bot.sandbox.refusal import Reason, RefusedError
from bot.sandbox.rest import API_PATH, RestDoor, answer, as_object, no_content, number
from bot.sandbox.world import World

ARCHIVE_MINUTES = {60, 1440, 4320, 10080}
_THREAD_FIELDS = {"name", "auto_archive_duration", "rate_limit_per_user"}
_LOOSE_THREAD_FIELDS = _THREAD_FIELDS | {"type", "invitable"}
_CHANNEL_PATCH_FIELDS = {*_THREAD_FIELDS, "archived", "locked", "invitable"}
_THREAD_HOSTS = {ChannelType.TEXT, ChannelType.ANNOUNCEMENT}


class ChannelRoutes:
    """The bot token's calls on channels."""

    def __init__(self, *, world: World, door: RestDoor) -> None:
        self._world = world
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        channel = API_PATH + r"/channels/{channel_id:\d+}"
        message = channel + r"/messages/{message_id:\d+}"
        return [
            web.get(channel, self.get_channel),
            web.patch(channel, self.patch_channel),
            web.post(f"{channel}/typing", self.typing),
            web.get(f"{channel}/messages", self.list_messages),
            web.post(f"{channel}/messages", self.create_message),
            web.get(message, self.get_message),
            web.patch(message, self.edit_message),
            web.delete(message, self.delete_message),
            web.post(f"{message}/threads", self.thread_from_message),
            web.post(f"{channel}/threads", self.thread_without_message),
            web.post(f"{API_PATH}/users/@me/channels", self.open_dm),
        ]

    async def get_channel(self, request: web.Request) -> web.Response:
        channel = self._world.visible_channel(number(request, "channel_id"))
        return answer(payloads.channel(self._world, channel))

    async def patch_channel(self, request: web.Request) -> web.Response:
        """Archive, lock or rename a thread; other channels are not the bot's to change."""
        async with self._door.body(request) as body:
            channel = self._world.visible_channel(number(request, "channel_id"))
            payload = as_object(body.payload)
            if not channel.is_thread:
                raise RefusedError(Reason.WRONG_CHANNEL_TYPE)
            _check_thread(payload, fields=_CHANNEL_PATCH_FIELDS)
            self._check_may_manage(channel, payload)
            _apply_patch(self._world, channel, payload)
        posting.tell_thread(self._world, channel)
        return answer(payloads.channel(self._world, channel))

    async def typing(self, request: web.Request) -> web.Response:
        self._world.visible_channel(number(request, "channel_id"))
        return no_content()

    async def list_messages(self, request: web.Request) -> web.Response:
        """Newest first; without the history permission the list is empty, as the documents say."""
        channel = self._world.visible_channel(number(request, "channel_id"))
        found = [message for message in self._world.messages(channel.id) if not message.ephemeral]
        if channel.guild_id is not None:
            history = self._world.bot_permissions(channel) & Permission.READ_MESSAGE_HISTORY
            found = found if history else []
        page = _page(found, dict(request.query))
        return answer([payloads.message(self._world, message) for message in reversed(page)])

    async def create_message(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            channel_id = number(request, "channel_id")
            message = posting.post_as_bot(self._world, channel_id, as_object(body.payload), body.uploads)
        return answer(payloads.message(self._world, message))

    async def get_message(self, request: web.Request) -> web.Response:
        channel = self._world.visible_channel(number(request, "channel_id"))
        self._world.require(channel, Permission.READ_MESSAGE_HISTORY)
        message = posting.public_message(self._world, channel.id, number(request, "message_id"))
        return answer(payloads.message(self._world, message))

    async def edit_message(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            channel_id, message_id = number(request, "channel_id"), number(request, "message_id")
            payload = as_object(body.payload)
            message = posting.edit_as_bot(self._world, channel_id, message_id, payload, body.uploads)
        return answer(payloads.message(self._world, message))

    async def delete_message(self, request: web.Request) -> web.Response:
        posting.delete_as_bot(self._world, number(request, "channel_id"), number(request, "message_id"))
        return no_content()

    async def thread_from_message(self, request: web.Request) -> web.Response:
        """https://docs.discord.com/developers/resources/channel#start-thread-from-message."""
        async with self._door.body(request) as body:
            channel = self._world.visible_channel(number(request, "channel_id"))
            starter = posting.public_message(self._world, channel.id, number(request, "message_id"))
            payload = as_object(body.payload)
            _check_thread(payload, fields=_THREAD_FIELDS, named=True)
            self._check_may_open(channel, ChannelType.PUBLIC_THREAD)
            if starter.id in self._world.stored.channels:
                raise RefusedError(Reason.THREAD_EXISTS)
            kind = ChannelType.PUBLIC_THREAD
            if channel.type is ChannelType.ANNOUNCEMENT:
                kind = ChannelType.ANNOUNCEMENT_THREAD
            thread = posting.open_thread(self._world, channel, payload, starter=starter, kind=kind)
        return answer(payloads.channel(self._world, thread), status=201)

    async def thread_without_message(self, request: web.Request) -> web.Response:
        """The default type is a private thread; a forum's post is more than this sandbox knows."""
        async with self._door.body(request) as body:
            channel = self._world.visible_channel(number(request, "channel_id"))
            payload = as_object(body.payload)
            _check_thread(payload, fields=_LOOSE_THREAD_FIELDS, named=True)
            kind = ChannelType(payload.get("type") or ChannelType.PRIVATE_THREAD)
            self._check_may_open(channel, kind)
            thread = posting.open_thread(self._world, channel, payload, kind=kind)
        return answer(payloads.channel(self._world, thread), status=201)

    async def open_dm(self, request: web.Request) -> web.Response:
        async with self._door.body(request) as body:
            payload = as_object(body.payload)
            form = Form()
            form.known(payload, {"recipient_id"})
            form.snowflake(payload, "recipient_id", required=True)
            form.finish()
            channel = self._dm(as_snowflake(payload["recipient_id"]) or 0)
        return answer(payloads.channel(self._world, channel))

    def _dm(self, user_id: int) -> Channel:
        user = self._world.stored.users.get(user_id)
        if user is None or user.bot:
            raise RefusedError(Reason.INVALID_RECIPIENT)
        dms = (c for c in self._world.stored.channels.values() if c.type is ChannelType.DM)
        known = next((channel for channel in dms if channel.recipient_id == user_id), None)
        if known is not None:
            return known
        channel = Channel(id=self._world.new_id(), type=ChannelType.DM, name=user.name, recipient_id=user_id)
        self._world.stored.channels[channel.id] = channel
        return channel

    def _check_may_open(self, channel: Channel, kind: ChannelType) -> None:
        if channel.type not in _THREAD_HOSTS:
            raise RefusedError(Reason.WRONG_CHANNEL_TYPE)
        private = kind is ChannelType.PRIVATE_THREAD
        self._world.require(channel, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS)
        guild = self._world.guild(channel.guild_id or 0)
        threads = (c for c in self._world.stored.channels.values() if c.guild_id == guild.id and c.is_thread)
        if sum(not thread.archived for thread in threads) >= guild.active_threads_max:
            raise RefusedError(Reason.TOO_MANY_THREADS)

    def _check_may_manage(self, thread: Channel, payload: Json) -> None:
        """An own thread may be renamed and archived; locking, and waking a locked one, takes more."""
        own = thread.owner_id == self._world.bot.id
        if "locked" in payload or thread.locked or not own:
            self._world.require(thread, Permission.MANAGE_THREADS)
        if thread.archived and payload.get("archived") is not False:
            raise RefusedError(Reason.ARCHIVED_THREAD)


def _check_thread(payload: Json, *, fields: set[str], named: bool = False) -> None:
    form = Form()
    form.known(payload, fields)
    form.text(payload, "name", least=1, most=100, required=named)
    form.choice(payload, "auto_archive_duration", ARCHIVE_MINUTES)
    form.number(payload, "rate_limit_per_user", most=21600)
    form.choice(payload, "type", {int(ChannelType.PUBLIC_THREAD), int(ChannelType.PRIVATE_THREAD)})
    for name in ("archived", "locked", "invitable"):
        form.boolean(payload, name)
    form.finish()


def _apply_patch(world: World, channel: Channel, payload: Json) -> None:
    if payload.get("archived") is not None and payload["archived"] != channel.archived:
        channel.archived = payload["archived"]
        channel.archived_ms = world.now_ms()
    channel.locked = payload.get("locked", channel.locked)
    channel.name = payload.get("name", channel.name)
    channel.auto_archive_minutes = payload.get("auto_archive_duration", channel.auto_archive_minutes)


def _page(messages: list[Message], query: dict[str, str]) -> list[Message]:
    """Oldest first: https://docs.discord.com/developers/resources/message#get-channel-messages."""
    form = Form()
    numbers: Json = {name: as_snowflake(text) for name, text in query.items()}
    form.known(numbers, {"before", "after", "around", "limit"})
    form.number(numbers, "limit", least=1, most=100)
    if len(numbers.keys() & {"before", "after", "around"}) > 1 or None in numbers.values():
        form.wrong("", "SANDBOX_PAGE", "One of before, after and around, and they are ids.")
    form.finish()
    limit: int = numbers.get("limit", 50)
    if "after" in numbers:
        return [message for message in messages if message.id > numbers["after"]][:limit]
    if "around" in numbers:
        middle = sum(message.id < numbers["around"] for message in messages)
        return messages[max(0, middle - limit // 2) : middle + (limit + 1) // 2]
    return [m for m in messages if "before" not in numbers or m.id < numbers["before"]][-limit:]
