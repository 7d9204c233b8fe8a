"""Who may do what where, and who is shown a command."""

from collections.abc import Iterable

from bot.sandbox.records import (
    ALL_PERMISSIONS,
    Channel,
    CommandOverride,
    Guild,
    Json,
    Member,
    OverrideTarget,
    Overwrite,
    Permission,
    Role,
)


def guild_permissions(guild: Guild, member: Member) -> int:
    """What @everyone and the member's roles give together; owners and administrators have everything.

    https://docs.discord.com/developers/topics/permissions#permission-hierarchy
    """
    granted = member.permissions
    for role in roles_of(guild, member):
        granted |= role.permissions
    whole = member.id == guild.owner_id or granted & Permission.ADMINISTRATOR
    return ALL_PERMISSIONS if whole else granted


def channel_permissions(guild: Guild, member: Member, channel: Channel) -> int:
    """Apply a channel's overwrites in the documented order: @everyone, the member's roles together, the member.

    https://docs.discord.com/developers/topics/permissions#permission-overwrites
    """
    granted = guild_permissions(guild, member)
    if granted & Permission.ADMINISTRATOR:
        return granted
    everyone = channel.overwrites.get(guild.id, Overwrite())
    roles = [channel.overwrites.get(role.id, Overwrite()) for role in roles_of(guild, member) if role.id != guild.id]
    own = channel.overwrites.get(member.id, Overwrite())
    for step in (everyone, _together(roles), own):
        granted = granted & ~step.deny | step.allow
    return granted


def may_use_command(
    command: Json, overrides: Iterable[CommandOverride], member: Member, *, channel_id: int, permissions: int
) -> bool:
    """Say whether the member is shown a command; an admin's overrides go before the default permissions.

    https://docs.discord.com/developers/interactions/application-commands#permissions
    """
    if permissions & Permission.ADMINISTRATOR:
        return True
    said = {(override.target, override.id): override.allow for override in overrides}
    everywhere = said.get((OverrideTarget.CHANNEL, member.guild_id - 1), True)
    if not said.get((OverrideTarget.CHANNEL, channel_id), everywhere):
        return False
    own = said.get((OverrideTarget.USER, member.id))
    roles = [said[key] for role in member.role_ids if (key := (OverrideTarget.ROLE, role)) in said]
    everyone = said.get((OverrideTarget.ROLE, member.guild_id))
    for verdict in (own, any(roles) if roles else None, everyone):
        if verdict is not None:
            return verdict
    return _by_default(command.get("default_member_permissions"), permissions)


def roles_of(guild: Guild, member: Member) -> list[Role]:
    """Give @everyone, whose id is the guild's, and the member's own roles."""
    return [guild.roles[number] for number in (guild.id, *member.role_ids) if number in guild.roles]


def _together(overwrites: list[Overwrite]) -> Overwrite:
    """Of several roles' overwrites one that allows is enough."""
    allow = deny = 0
    for overwrite in overwrites:
        allow |= overwrite.allow
        deny |= overwrite.deny
    return Overwrite(allow=allow, deny=deny)


def _by_default(needed: str | None, permissions: int) -> bool:
    """`"0"` is for administrators only, nothing at all is for everyone."""
    if needed is None:
        return True
    return int(needed) != 0 and not int(needed) & ~permissions
