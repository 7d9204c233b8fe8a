"""The sandbox as one server on loopback: REST, gateway and file server on one port."""

from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from bot.sandbox.application_routes import ApplicationRoutes, InteractionRoutes
from bot.sandbox.cdn import Cdn
from bot.sandbox.channel_routes import ChannelRoutes
from bot.sandbox.client import MemberClient
from bot.sandbox.gateway import Gateway
from bot.sandbox.guild_routes import GuildRoutes
from bot.sandbox.limits import RateLimits
from bot.sandbox.records import Member
from bot.sandbox.rest import API_PATH, RestDoor
from bot.sandbox.schema import PublishedSchema
from bot.sandbox.world import World

HOST = "127.0.0.1"


class Sandbox:
    """`async with Sandbox(world=world) as sandbox:` serves the world until the block ends."""

    def __init__(
        self,
        *,
        world: World,
        port: int = 0,
        schema: PublishedSchema | None = None,
        limits: RateLimits | None = None,
        heartbeat_ms: int = 41_250,
    ) -> None:
        self.world = world
        self.schema = schema or PublishedSchema(place=None)
        self.gateway = Gateway(world=world, heartbeat_ms=heartbeat_ms)
        self._port = port
        self._door = RestDoor(world=world, schema=self.schema, limits=limits or RateLimits(limit=50, window_seconds=1))
        self._application = ApplicationRoutes(world=world, door=self._door)
        self._stack = AsyncExitStack()

    @property
    def token(self) -> str:
        return self.world.token

    @property
    def cdn_host(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def api_url(self) -> str:
        return f"http://{self.cdn_host}{API_PATH}"

    @property
    def gateway_url(self) -> str:
        return f"ws://{self.cdn_host}/gateway"

    def client(self, member: Member) -> MemberClient:
        """The Discord client on a member's desk."""
        return MemberClient(world=self.world, member=member)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._door.middleware])
        for part in (
            self._application,
            InteractionRoutes(world=self.world, door=self._door),
            GuildRoutes(world=self.world),
            ChannelRoutes(world=self.world, door=self._door),
            Cdn(world=self.world),
            self.gateway,
        ):
            app.add_routes(part.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, HOST, self._port)
        await site.start()
        self._port = runner.addresses[0][1]
        self.world.links.base = f"http://{self.cdn_host}"
        self.gateway.url = self._application.gateway_url = self.gateway_url
        return self

    async def __aexit__(self, *_: object) -> None:
        self.world.listeners.remove(self.gateway.hear)
        self.gateway.drop()
        await self._stack.aclose()
