"""What a Discord client lets a member enter for a command: https://docs.discord.com/developers/interactions/application-commands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.sandbox import payloads
from bot.sandbox.command_rules import Option
from bot.sandbox.files import content_type, copy_in
from bot.sandbox.posting import shelve
from bot.sandbox.records import Attachment, Channel, Json, Member
from bot.sandbox.resolved import ID_OPTIONS, resolve
from bot.sandbox.world import World

Value = str | int | float | bool
_SUBCOMMANDS = (Option.SUBCOMMAND, Option.SUBCOMMAND_GROUP)


class ClientRefusalError(ValueError):
    """A real Discord client would not send this; the message says why."""


@dataclass(slots=True)
class Filled:
    """A command's options as they go over the wire, with what they refer to."""

    options: list[Json] = field(default_factory=list)
    resolved: Json = field(default_factory=dict)
    uploads: list[Attachment] = field(default_factory=list)


def find_command(world: World, guild_id: int, name: str, kind: int) -> Json:
    """Find a registered command; the guild's own goes before the global one."""
    for command in world.commands(guild_id):
        if command["name"] == name and command["type"] == kind:
            return command
    raise ClientRefusalError(f"There is no command {name!r}.")


def descend(command: Json, path: list[str]) -> tuple[list[Json], list[Json]]:
    """Follow subcommand names: the declared options at the end, and the chain of subcommands on the way."""
    declared: list[Json] = command.get("options") or []
    chain: list[Json] = []
    for name in path:
        step = next((o for o in declared if o["name"] == name and o["type"] in _SUBCOMMANDS), None)
        if step is None:
            raise ClientRefusalError(f"{command['name']!r} has no subcommand {name!r}.")
        chain.append(step)
        declared = step.get("options") or []
    if any(option["type"] in _SUBCOMMANDS for option in declared):
        raise ClientRefusalError(f"{command['name']!r} needs a subcommand.")
    return declared, chain


def fill(
    world: World,
    member: Member,
    place: Channel,
    declared: list[Json],
    values: Mapping[str, Value],
    files: Mapping[str, Path],
    *,
    focused: str | None = None,
    force: bool = False,
) -> Filled:
    """Check what a member entered against the declarations, unless it is forced, then upload the files."""
    unknown = (values.keys() | files.keys()) - {option["name"] for option in declared}
    if unknown:
        raise ClientRefusalError(f"There is no option {', '.join(sorted(unknown))}.")
    for option in declared if not force else ():
        _check_entered(option, values, files, focused=focused)
    filled = Filled()
    for option in declared:
        name = option["name"]
        if name in values:
            entry: Json = {"type": option["type"], "name": name, "value": _wire_value(option, values[name])}
            filled.options.append(entry | {"focused": True} if name == focused else entry)
            # While somebody is typing nothing is resolved yet.
            if option["type"] in ID_OPTIONS and focused is None:
                offered = resolve(world, member, place, option, values[name], filled.resolved)
                if not offered and not force:
                    raise ClientRefusalError(f"{name} names nothing that this server offers.")
        elif name in files:
            attachment = upload(world, files[name])
            filled.uploads.append(attachment)
            filled.options.append({"type": option["type"], "name": name, "value": str(attachment.id)})
            add_resolved(world, filled.resolved, attachment)
    return filled


def upload(world: World, path: Path) -> Attachment:
    """Upload a member's file; it lives only for the interaction's sake."""
    return shelve(world, 0, copy_in(path, folder=world.folder / "incoming"), ephemeral=True)


def add_resolved(world: World, resolved: Json, attachment: Attachment) -> None:
    resolved.setdefault("attachments", {})[str(attachment.id)] = payloads.attachment(world, attachment)


def nest(options: list[Json], chain: list[Json]) -> list[Json]:
    for step in reversed(chain):
        options = [{"type": step["type"], "name": step["name"], "options": options}]
    return options


def check_file_types(name: str, allowed: list[str], path: Path) -> None:
    """Only the file's extension is looked at."""
    family = content_type(path.name).partition("/")[0]
    if allowed and family not in allowed and path.suffix.lower() not in allowed:
        raise ClientRefusalError(f"{name} takes only {', '.join(allowed)}.")


def _check_entered(
    option: Json, values: Mapping[str, Value], files: Mapping[str, Path], *, focused: str | None
) -> None:
    name, kind, typing = option["name"], option["type"], focused is not None
    if name == focused and not option.get("autocomplete"):
        raise ClientRefusalError(f"{name} suggests nothing.")
    if name in files:
        if kind != Option.ATTACHMENT:
            raise ClientRefusalError(f"{name} does not take a file.")
        check_file_types(name, option.get("file_types") or [], files[name])
    elif name in values:
        _check_value(option, values[name], typing=typing)
    elif option.get("required") and not typing:
        raise ClientRefusalError(f"{name} is required.")


def _check_value(option: Json, value: Value, *, typing: bool) -> None:
    name, kind = option["name"], option["type"]
    expected: tuple[type, ...] = {
        Option.STRING: (str,),
        Option.BOOLEAN: (bool,),
        Option.NUMBER: (int, float),
        Option.ATTACHMENT: (),
    }.get(kind, (int,))
    if typing and isinstance(value, str):
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != Option.BOOLEAN):
        raise ClientRefusalError(f"{name} does not take {value!r}.")
    choices = option.get("choices")
    if choices and value not in [choice["value"] for choice in choices]:
        raise ClientRefusalError(f"{name} has no choice {value!r}.")
    _check_bounds(option, len(value) if isinstance(value, str) else value)


def _check_bounds(option: Json, size: float) -> None:
    unit = "length" if option["type"] == Option.STRING else "value"
    if (least := option.get(f"min_{unit}")) is not None and size < least:
        raise ClientRefusalError(f"{option['name']} must be at least {least}.")
    most = option.get(f"max_{unit}")
    if unit == "length" and most is None:
        most = 6000
    if most is not None and size > most:
        raise ClientRefusalError(f"{option['name']} must be at most {most}.")


def _wire_value(option: Json, value: Value) -> Value:
    """Ids travel as text, everything else as it is."""
    return str(value) if option["type"] in ID_OPTIONS else value
