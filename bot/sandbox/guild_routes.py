"""A guild, its members, roles and channels: https://docs.discord.com/developers/resources/guild."""

from aiohttp import web

from bot.sandbox import payloads
from bot.sandbox.refusal import Reason, RefusedError
from bot.sandbox.rest import API_PATH, answer, number
from bot.sandbox.world import World


class GuildRoutes:
    """What the bot may look up about a guild it is in."""

    def __init__(self, *, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        guild = API_PATH + r"/guilds/{guild_id:\d+}"
        return [
            web.get(guild, self.guild),
            web.get(guild + r"/members/{user_id:\d+}", self.member),
            web.get(f"{guild}/roles", self.roles),
            web.get(guild + r"/roles/{role_id:\d+}", self.role),
            web.get(f"{guild}/channels", self.channels),
        ]

    async def guild(self, request: web.Request) -> web.Response:
        guild = self._world.guild(number(request, "guild_id"))
        payload = payloads.guild(self._world, guild)
        if request.query.get("with_counts", "").lower() in ("1", "true"):
            payload |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 0}
        return answer(payload)

    async def member(self, request: web.Request) -> web.Response:
        """Somebody who left is an unknown member; an id that is nobody's is an unknown user."""
        guild, user_id = self._world.guild(number(request, "guild_id")), number(request, "user_id")
        if user_id not in guild.members:
            known = user_id in self._world.stored.users
            raise RefusedError(Reason.UNKNOWN_MEMBER if known else Reason.UNKNOWN_USER)
        return answer(payloads.member(guild.members[user_id]))

    async def roles(self, request: web.Request) -> web.Response:
        guild = self._world.guild(number(request, "guild_id"))
        return answer([payloads.role(self._world, role) for role in guild.roles.values()])

    async def role(self, request: web.Request) -> web.Response:
        guild, role_id = self._world.guild(number(request, "guild_id")), number(request, "role_id")
        if role_id not in guild.roles:
            raise RefusedError(Reason.UNKNOWN_ROLE)
        return answer(payloads.role(self._world, guild.roles[role_id]))

    async def channels(self, request: web.Request) -> web.Response:
        """Every channel of the guild, hidden ones too; threads are not in this list."""
        guild = self._world.guild(number(request, "guild_id"))
        channels = (item for item in self._world.stored.channels.values() if item.guild_id == guild.id)
        return answer([payloads.channel(self._world, item) for item in channels if not item.is_thread])
