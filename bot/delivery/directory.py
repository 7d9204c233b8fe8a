"""What a server has, asked of Discord each time: the bot keeps no copy."""

from collections.abc import Sequence

import discord

from bot.ports.outside import Channel


class DiscordDirectory:
    """Channels, roles and names by id; one request for the server, one for each list or member."""

    def __init__(self, *, client: discord.Client) -> None:
        self._client = client

    async def channels(self, guild_id: int) -> list[Channel]:
        found = await (await self._guild(guild_id)).fetch_channels()
        return [
            Channel(id=one.id, name=one.name, takes_messages=isinstance(one, discord.abc.Messageable))
            for one in sorted(found, key=lambda one: (one.position, one.id))
            if not isinstance(one, discord.CategoryChannel)
        ]

    async def roles(self, guild_id: int) -> dict[int, str]:
        known = await (await self._guild(guild_id)).fetch_roles()
        return {role.id: role.name for role in known if role.id != guild_id}

    async def title(self, guild_id: int) -> str:
        return (await self._guild(guild_id)).name

    async def member_names(self, guild_id: int, member_ids: Sequence[str]) -> dict[str, str]:
        """A member who cannot be found, for whatever reason, goes without: a report is drawn all the same."""
        guild, names = await self._guild(guild_id), dict[str, str]()
        for member_id in member_ids:
            try:
                names[member_id] = (await guild.fetch_member(int(member_id))).display_name
            except discord.HTTPException:
                continue
        return names

    async def _guild(self, guild_id: int) -> discord.Guild:
        return await self._client.fetch_guild(guild_id, with_counts=False)
