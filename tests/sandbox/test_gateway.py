"""The gateway to a raw client: what a library would never send."""

import json
import zlib
from typing import Any

import aiohttp
import pytest

from bot.sandbox.gateway import Close, Op, compressor
from bot.sandbox.server import Sandbox
from tests.sandbox.rig import Scene


class RawSocket:
    """One connection without a library."""

    def __init__(self, session: aiohttp.ClientSession, scene: Scene) -> None:
        self._session = session
        self._scene = scene

    async def open(self, query: str = "?v=10&encoding=json") -> aiohttp.ClientWebSocketResponse:
        return await self._session.ws_connect(self._scene.sandbox.gateway.url + query)

    def identify(self, **fields: Any) -> dict[str, Any]:
        return {"op": 2, "d": {"token": self._scene.world.token, "properties": {}, "intents": 0} | fields}


@pytest.fixture
async def dial(scene: Scene) -> Any:
    async with aiohttp.ClientSession() as session:
        yield RawSocket(session, scene)


async def test_hello_heartbeat_identify_ready(scene: Scene, dial: RawSocket) -> None:
    socket = await dial.open()
    assert (await socket.receive_json())["d"] == {"heartbeat_interval": 41_250}
    await socket.send_json({"op": 1, "d": None})
    assert (await socket.receive_json())["op"] == Op.HEARTBEAT_ACK
    await socket.send_json(dial.identify())
    ready = await socket.receive_json()
    assert (ready["t"], ready["s"]) == ("READY", 1)
    assert ready["d"]["guilds"] == [{"id": str(scene.guild.id), "unavailable": True}]
    assert ready["d"]["resume_gateway_url"] == scene.sandbox.gateway_url
    scene.interact()
    assert (await socket.receive_json())["t"] == "INTERACTION_CREATE"
    await socket.close()


WRONG: dict[str, tuple[Any, Close]] = {
    "bad token": ({"op": 2, "d": {"token": "x", "properties": {}, "intents": 0}}, Close.AUTHENTICATION_FAILED),
    "not JSON": ("{", Close.DECODE_ERROR),
    "too long": ("x" * 5000, Close.DECODE_ERROR),
    "unknown opcode": ({"op": 99}, Close.UNKNOWN_OPCODE),
    "before identifying": ({"op": 3, "d": {}}, Close.NOT_AUTHENTICATED),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_frame_closes_the_connection(dial: RawSocket, name: str) -> None:
    frame, code = WRONG[name]
    socket = await dial.open()
    await socket.receive_json()
    await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"intents": None}, Close.INVALID_INTENTS),
        ({"intents": 1 << 15}, Close.DISALLOWED_INTENTS),
        ({"shard": [1, 1]}, Close.INVALID_SHARD),
    ],
)
async def test_a_wrong_identify_closes_the_connection(dial: RawSocket, fields: dict[str, Any], code: Close) -> None:
    socket = await dial.open()
    await socket.receive_json()
    await socket.send_json(dial.identify(**fields))
    await socket.receive()
    assert socket.close_code == code


async def test_identifying_twice_and_an_old_version_close_the_connection(dial: RawSocket) -> None:
    socket = await dial.open()
    await socket.receive_json()
    await socket.send_json(dial.identify())
    assert (await socket.receive_json())["t"] == "READY"
    await socket.send_json(dial.identify())
    await socket.receive()
    assert socket.close_code == Close.ALREADY_AUTHENTICATED
    old = await dial.open("?v=8")
    while (await old.receive()).type is aiohttp.WSMsgType.TEXT:
        pass
    assert old.close_code == Close.INVALID_VERSION


async def test_an_unknown_session_is_invalid_and_can_identify(scene: Scene, dial: RawSocket) -> None:
    socket = await dial.open()
    await socket.receive_json()
    await socket.send_json({"op": 6, "d": {"token": scene.world.token, "session_id": "x", "seq": 1}})
    assert await socket.receive_json() == {"op": Op.INVALID_SESSION, "d": False, "s": None, "t": None}
    await socket.send_json(dial.identify())
    assert (await socket.receive_json())["t"] == "READY"
    await socket.close()


async def test_a_guild_belongs_to_one_shard(scene: Scene, dial: RawSocket) -> None:
    shard = (scene.guild.id >> 22) % 2
    socket = await dial.open()
    await socket.receive_json()
    await socket.send_json(dial.identify(shard=[1 - shard, 2]))
    assert (await socket.receive_json())["d"]["guilds"] == []
    scene.interact()
    await socket.send_json({"op": 1, "d": 1})
    assert (await socket.receive_json())["op"] == Op.HEARTBEAT_ACK
    await socket.close()


async def test_a_silent_client_is_dropped(scene: Scene) -> None:
    async with Sandbox(world=scene.world, heartbeat_ms=10) as hasty, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(hasty.gateway.url + "?v=10")
        await socket.receive_json()
        await socket.receive(timeout=5)
        assert socket.close_code == Close.SESSION_TIMED_OUT


def test_a_compressed_stream_flushes_every_frame() -> None:
    compress, stream = compressor("zlib-stream"), zlib.decompressobj()
    assert compress is not None
    for frame in (b"one", b"two"):
        packed = compress(frame)
        assert packed.endswith(b"\0\0\xff\xff")
        assert stream.decompress(packed) == frame
    assert compressor(None) is None
