"""The gateway: sessions that outlive a connection, events, heartbeats, and the ways it can end."""

import asyncio
import importlib
import json
import zlib
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from bot.sandbox import payloads
from bot.sandbox.records import Json
from bot.sandbox.world import GUILDS_INTENT, Event, World

EVENTS_KEPT = 1000
PAYLOAD_BYTES_MAX = 4096


class Op(IntEnum):
    """https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE_STATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Close(IntEnum):
    """https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes."""

    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    INVALID_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


# GUILD_MEMBERS, GUILD_PRESENCES, MESSAGE_CONTENT: the bot was granted none of them.
PRIVILEGED_INTENTS = (1 << 1) | (1 << 8) | (1 << 15)


class GatewayClosedError(Exception):
    """The connection ends with a close code."""

    def __init__(self, code: Close) -> None:
        super().__init__(code.name)
        self.code = code


class Session:
    """One shard's session: what it was sent can be sent again after RESUME."""

    def __init__(self, *, intents: int, shard_id: int, shard_count: int) -> None:
        self.id = uuid4().hex
        self.intents = intents
        self.shard_id = shard_id
        self.shard_count = shard_count
        self.sequence = 0
        self.sent: deque[Json] = deque(maxlen=EVENTS_KEPT)
        self.connection: Connection | None = None

    def owns(self, guild_id: int | None) -> bool:
        """A guild belongs to one shard; what belongs to no guild goes to the first."""
        return ((guild_id or 0) >> 22) % self.shard_count == self.shard_id

    def wants(self, event: Event) -> bool:
        return self.owns(event.guild_id) and (event.intents == 0 or bool(event.intents & self.intents))

    def dispatch(self, name: str, data: Json) -> None:
        self.sequence += 1
        frame = {"op": Op.DISPATCH, "t": name, "s": self.sequence, "d": data}
        self.sent.append(frame)
        if self.connection is not None:
            self.connection.queue.put_nowait(frame)


class Connection:
    """One websocket: frames leave in order, compressed as the client asked."""

    def __init__(self, *, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        self.queue: asyncio.Queue[Json] = asyncio.Queue()
        self.session: Session | None = None
        self._compress = compressor(request.query.get("compress"))

    async def write(self) -> None:
        while True:
            frame = json.dumps(await self.queue.get())
            if self._compress is None:
                await self.socket.send_str(frame)
            else:
                await self.socket.send_bytes(self._compress(frame.encode()))

    def abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


class Gateway:
    """Accepts connections, keeps sessions, and hands the world's events to those that want them."""

    def __init__(self, *, world: World, heartbeat_ms: int = 41_250) -> None:
        self._world = world
        self._heartbeat_ms = heartbeat_ms
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self.url = ""
        self.identified = 0
        self.resumed = 0
        self.heartbeats = 0
        world.listeners.append(self.hear)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/gateway", self.connect), web.get("/gateway/", self.connect)]

    def hear(self, event: Event) -> None:
        for session in self._sessions.values():
            if session.wants(event):
                session.dispatch(event.name, event.data)

    async def ready(self, *, seconds: float = 10) -> None:
        """Wait until some session is connected."""
        await self._world.changes.until(
            lambda: True if any(s.connection for s in self._sessions.values()) else None, seconds=seconds
        )

    # What a test can do to the connections.

    def drop(self) -> None:
        """Cut every connection without a word; the sessions can be resumed."""
        for connection in list(self._connections):
            connection.abort()

    def ask_to_reconnect(self) -> None:
        """Op 7: the client shall connect anew and resume."""
        self._send_all({"op": Op.RECONNECT, "d": None, "s": None, "t": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9: the client shall resume, or identify anew."""
        if not resumable:
            self._sessions.clear()
        self._send_all({"op": Op.INVALID_SESSION, "d": resumable, "s": None, "t": None})

    def _send_all(self, frame: Json) -> None:
        for connection in self._connections:
            connection.queue.put_nowait(frame)

    # One connection.

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket=socket, request=request)
        connection.queue.put_nowait({"op": Op.HELLO, "d": {"heartbeat_interval": self._heartbeat_ms}})
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(connection.write())
                await self._converse(connection)
                writer.cancel()
        except* GatewayClosedError as closed:
            error = closed.exceptions[0]
            if isinstance(error, GatewayClosedError):
                await socket.close(code=error.code)
        except* ConnectionError:
            pass  # the client went away while a frame was on its way: its session can be resumed
        finally:
            self._leave(connection)
        return socket

    async def _converse(self, connection: Connection) -> None:
        if connection.request.query.get("v") != "10":
            raise GatewayClosedError(Close.INVALID_VERSION)
        while True:
            try:
                message = await connection.socket.receive(timeout=self._heartbeat_ms * 2 / 1000)
            except TimeoutError as error:
                raise GatewayClosedError(Close.SESSION_TIMED_OUT) from error
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._hear_client(connection, _decode(message.data))

    def _hear_client(self, connection: Connection, frame: Json) -> None:
        data = frame.get("d")
        match frame.get("op"):
            case Op.HEARTBEAT:
                self.heartbeats += 1
                connection.queue.put_nowait({"op": Op.HEARTBEAT_ACK, "d": None, "s": None, "t": None})
            case Op.IDENTIFY if isinstance(data, dict):
                self._identify(connection, data)
            case Op.RESUME if isinstance(data, dict):
                self._resume(connection, data)
            case Op.PRESENCE | Op.VOICE_STATE | Op.REQUEST_MEMBERS:
                if connection.session is None:
                    raise GatewayClosedError(Close.NOT_AUTHENTICATED)
            case Op.IDENTIFY | Op.RESUME:
                raise GatewayClosedError(Close.DECODE_ERROR)
            case _:
                raise GatewayClosedError(Close.UNKNOWN_OPCODE)
        self._world.changes.announce()

    def _identify(self, connection: Connection, data: Json) -> None:
        self._authenticate(connection, data)
        intents, shard = data.get("intents"), data.get("shard", [0, 1])
        if not isinstance(intents, int) or not isinstance(data.get("properties"), dict):
            raise GatewayClosedError(Close.INVALID_INTENTS)
        if intents & PRIVILEGED_INTENTS:
            raise GatewayClosedError(Close.DISALLOWED_INTENTS)
        if not isinstance(shard, list) or len(shard) != 2 or not 0 <= shard[0] < shard[1]:  # noqa: PLR2004 - id, count
            raise GatewayClosedError(Close.INVALID_SHARD)
        session = Session(intents=intents, shard_id=shard[0], shard_count=shard[1])
        self._sessions[session.id] = session
        self._bind(connection, session)
        self.identified += 1
        self._greet(session)

    def _greet(self, session: Session) -> None:
        """READY lists guilds as unavailable; their content follows only to those with the guilds intent."""
        guilds = [guild for guild in self._world.stored.guilds.values() if session.owns(guild.id)]
        ready: Json = {
            "v": 10,
            "user": payloads.user(self._world.bot) | {"verified": True, "mfa_enabled": False},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "shard": [session.shard_id, session.shard_count],
            "application": {"id": str(self._world.application_id), "flags": 0},
            "private_channels": [],
            "user_settings": {},
            "relationships": [],
            "presences": [],
        }
        session.dispatch("READY", ready)
        for guild in guilds if session.intents & GUILDS_INTENT else ():
            session.dispatch("GUILD_CREATE", payloads.whole_guild(self._world, guild))

    def _resume(self, connection: Connection, data: Json) -> None:
        self._authenticate(connection, data)
        session = self._sessions.get(str(data.get("session_id")))
        sequence = data.get("seq")
        if session is None or not isinstance(sequence, int) or sequence > session.sequence:
            connection.queue.put_nowait({"op": Op.INVALID_SESSION, "d": False, "s": None, "t": None})
            return
        for frame in session.sent:
            if frame["s"] > sequence:
                connection.queue.put_nowait(frame)
        self._bind(connection, session)
        self.resumed += 1
        session.dispatch("RESUMED", {})

    def _authenticate(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise GatewayClosedError(Close.ALREADY_AUTHENTICATED)
        if str(data.get("token")).removeprefix("Bot ") != self._world.token:
            raise GatewayClosedError(Close.AUTHENTICATION_FAILED)

    def _bind(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection

    def _leave(self, connection: Connection) -> None:
        """A client that says goodbye (1000, 1001) ends its session; any other end leaves it to be resumed."""
        self._connections.discard(connection)
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if connection.socket.close_code in (1000, 1001):
            self._sessions.pop(session.id, None)


def _decode(data: Any) -> Json:
    if len(data) > PAYLOAD_BYTES_MAX:
        raise GatewayClosedError(Close.DECODE_ERROR)
    try:
        frame = json.loads(data)
    except ValueError as error:
        raise GatewayClosedError(Close.DECODE_ERROR) from error
    if not isinstance(frame, dict):
        raise GatewayClosedError(Close.DECODE_ERROR)
    return frame


def compressor(kind: str | None) -> Callable[[bytes], bytes] | None:
    """One stream for a connection, flushed after each frame.

    https://docs.discord.com/developers/events/gateway#transport-compression
    """
    if kind == "zlib-stream":
        stream = zlib.compressobj()
        return lambda frame: stream.compress(frame) + stream.flush(zlib.Z_SYNC_FLUSH)
    if kind == "zstd-stream":
        return _zstd()
    return None


def _zstd() -> Callable[[bytes], bytes]:
    """A client asks for zstd only where its Python has it; then the sandbox, in the same Python, has it too."""
    try:
        newer = importlib.import_module("compression.zstd").ZstdCompressor()
    except ImportError:
        zstandard = importlib.import_module("zstandard")
        older = zstandard.ZstdCompressor().compressobj()
        return lambda frame: older.compress(frame) + older.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return lambda frame: newer.compress(frame, newer.FLUSH_BLOCK)
