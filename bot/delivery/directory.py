"""What a server has, asked of Discord each time: the bot keeps no copy."""

import discord


class DiscordDirectory:
    """Channels and roles by id; one request for the server, one for its list."""

    def __init__(self, *, client: discord.Client) -> None:
        self._client = client

    async def channel_ids(self, guild_id: int) -> frozenset[int]:
        guild = await self._client.fetch_guild(guild_id, with_counts=False)
        return frozenset(channel.id for channel in await guild.fetch_channels())

    async def role_ids(self, guild_id: int) -> frozenset[int]:
        guild = await self._client.fetch_guild(guild_id, with_counts=False)
        return frozenset(role.id for role in await guild.fetch_roles()) - {guild_id}
