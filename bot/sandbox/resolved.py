"""What the ids in a command's options stand for, as it travels beside them.

https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure
"""

from bot.sandbox import payloads
from bot.sandbox.command_rules import Option
from bot.sandbox.form import as_snowflake
from bot.sandbox.records import Channel, Guild, Json, Member, Permission
from bot.sandbox.world import World

ID_OPTIONS = (Option.USER, Option.CHANNEL, Option.ROLE, Option.MENTIONABLE)


def resolve(world: World, member: Member, place: Channel, option: Json, value: object, resolved: Json) -> bool:
    """Add what the id stands for in this server; the answer is whether the member's client offers it."""
    kind, number = option["type"], as_snowflake(value)
    guild = world.guild(member.guild_id)
    if number is None:
        return False
    offered = False
    if kind in (Option.USER, Option.MENTIONABLE):
        offered |= _add_user(world, guild, place, number, resolved)
    if kind in (Option.ROLE, Option.MENTIONABLE):
        offered |= _add_role(world, guild, number, resolved)
    if kind == Option.CHANNEL:
        offered |= _add_channel(world, member, option, number, resolved)
    return offered


def _add_user(world: World, guild: Guild, place: Channel, number: int, resolved: Json) -> bool:
    """Whoever left is still a user, and no longer a member."""
    if number in world.stored.users:
        resolved.setdefault("users", {})[str(number)] = payloads.user(world.stored.users[number])
    if number not in guild.members:
        return False
    member = guild.members[number]
    permissions = {"permissions": str(int(world.permissions(member, place)))}
    resolved.setdefault("members", {})[str(number)] = payloads.member(member, with_user=False) | permissions
    return True


def _add_role(world: World, guild: Guild, number: int, resolved: Json) -> bool:
    if number not in guild.roles:
        return False
    resolved.setdefault("roles", {})[str(number)] = payloads.role(world, guild.roles[number])
    return True


def _add_channel(world: World, member: Member, option: Json, number: int, resolved: Json) -> bool:
    """A client offers the channels that its member sees, of the types the option takes."""
    channel = world.stored.channels.get(number)
    if channel is None or channel.guild_id != member.guild_id:
        return False
    permissions = world.permissions(member, channel)
    payload = payloads.channel(world, channel) | {"permissions": str(int(permissions))}
    payload.pop("permission_overwrites", None)
    resolved.setdefault("channels", {})[str(number)] = payload
    fits = int(channel.type) in (option.get("channel_types") or [int(channel.type)])
    return fits and bool(permissions & Permission.VIEW_CHANNEL)
