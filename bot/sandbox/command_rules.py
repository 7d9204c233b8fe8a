"""What a registered command must look like: https://docs.discord.com/developers/interactions/application-commands."""

import unicodedata
from collections import Counter
from enum import IntEnum
from typing import Any

from bot.sandbox.form import Form
from bot.sandbox.records import Json

OPTIONS_MAX = 25
CHOICES_MAX = 25
COMMAND_CHARACTERS_MAX = 8000
STRING_LENGTH_MAX = 6000
INTEGER_MAX = 2**53 - 1


class Option(IntEnum):
    """The kinds of option a command can declare."""

    SUBCOMMAND = 1
    SUBCOMMAND_GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


SLASH, USER_MENU, MESSAGE_MENU = 1, 2, 3
COMMANDS_MAX = {SLASH: 100, USER_MENU: 15, MESSAGE_MENU: 15}

_COMMAND_FIELDS = {
    *("id", "type", "name", "name_localizations", "description", "description_localizations", "options", "handler"),
    *("default_member_permissions", "dm_permission", "integration_types", "contexts", "nsfw"),
}
_OPTION_FIELDS = {
    *("type", "name", "name_localizations", "description", "description_localizations", "required", "choices"),
    *("options", "channel_types", "min_value", "max_value", "min_length", "max_length", "autocomplete", "file_types"),
}


def check_commands(body: Any) -> None:
    """Refuse a whole registration when any of its commands is wrong."""
    form = Form()
    commands = [command for _, command in form.items(body, "commands", most=130) if isinstance(command, dict)]
    if not isinstance(body, list) or len(commands) != len(body):
        form.wrong("", "LIST_TYPE_CONVERT", "A registration is a list of commands.")
    for index, command in enumerate(commands):
        _check_command(form, command, str(index))
    names = Counter((command.get("type", SLASH), str(command.get("name"))) for command in commands)
    kinds = Counter(kind for kind, _ in names.elements())
    for kind, count in kinds.items():
        if count > COMMANDS_MAX.get(kind, 0):
            form.wrong("", "BASE_TYPE_BAD_LENGTH", f"Too many commands of type {kind}.")
    for (_, name), count in names.items():
        if count > 1:
            form.wrong("", "APPLICATION_COMMANDS_DUPLICATE_NAME", f"Two commands are called {name}.")
    form.finish()


def _check_command(form: Form, command: Json, path: str) -> None:
    form.known(command, _COMMAND_FIELDS, path)
    form.choice(command, "type", set(COMMANDS_MAX), path=path)
    _check_default_permissions(form, command.get("default_member_permissions"), path)
    if command.get("type", SLASH) != SLASH:
        form.text(command, "name", path=path, least=1, most=32, required=True)
        if command.get("description") or command.get("options"):
            form.wrong(path, "SANDBOX_MENU", "A context menu command has neither description nor options.")
        return
    _check_name(form, command, path)
    form.text(command, "description", path=path, least=1, most=100, required=True)
    _check_options(form, command.get("options"), f"{path}.options", depth=0)
    if command_characters(command) > COMMAND_CHARACTERS_MAX:
        form.wrong(path, "APPLICATION_COMMAND_TOO_LARGE", f"More than {COMMAND_CHARACTERS_MAX} characters in all.")


def _check_default_permissions(form: Form, value: Any, path: str) -> None:
    if value is not None and not str(value).isdecimal():
        form.wrong(f"{path}.default_member_permissions", "NUMBER_TYPE_COERCE", "Permissions are digits.")


def _check_name(form: Form, body: Json, path: str) -> None:
    form.text(body, "name", path=path, least=1, most=32, required=True)
    name = body.get("name")
    if isinstance(name, str) and (name != name.lower() or not all(map(_name_character, name))):
        form.wrong(f"{path}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _name_character(character: str) -> bool:
    r"""One character of ^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$."""
    return character in "-_'" or unicodedata.category(character)[0] in "LNM"


def _check_options(form: Form, value: Any, path: str, *, depth: int) -> None:
    names: set[str] = set()
    optional_seen = False
    for where, item in form.items(value, path, most=OPTIONS_MAX):
        if (option := form.mapping(item, where)) is None:
            continue
        _check_option(form, option, where, depth=depth)
        required = option.get("required") is True
        if required and optional_seen:
            form.wrong(where, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options come first.")
        optional_seen = optional_seen or not required
        if option.get("name") in names:
            form.wrong(where, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
        names.add(str(option.get("name")))


def _check_option(form: Form, option: Json, path: str, *, depth: int) -> None:
    form.known(option, _OPTION_FIELDS, path)
    form.choice(option, "type", set(Option), path=path, required=True)
    _check_name(form, option, path)
    form.text(option, "description", path=path, least=1, most=100, required=True)
    form.number(option, "min_length", path=path, most=STRING_LENGTH_MAX)
    form.number(option, "max_length", path=path, least=1, most=STRING_LENGTH_MAX)
    kind = option.get("type")
    if kind == Option.INTEGER:
        form.number(option, "min_value", path=path, least=-INTEGER_MAX, most=INTEGER_MAX)
        form.number(option, "max_value", path=path, least=-INTEGER_MAX, most=INTEGER_MAX)
    if kind in (Option.SUBCOMMAND, Option.SUBCOMMAND_GROUP):
        if depth >= (2 if kind == Option.SUBCOMMAND else 1):
            form.wrong(path, "BASE_TYPE_CHOICES", "Subcommands are nested too deeply.")
        _check_options(form, option.get("options"), f"{path}.options", depth=depth + 1)
    _check_choices(form, option, path)
    _check_file_types(form, option, path)


def _check_choices(form: Form, option: Json, path: str) -> None:
    if option.get("choices") and option.get("autocomplete"):
        form.wrong(path, "APPLICATION_COMMAND_OPTION_AUTOCOMPLETE_CHOICES", "Choices and autocomplete exclude.")
    for where, item in form.items(option.get("choices"), f"{path}.choices", most=CHOICES_MAX):
        if (choice := form.mapping(item, where)) is not None:
            check_choice(form, choice, where, kind=option.get("type"))


def check_choice(form: Form, choice: Json, path: str, *, kind: Any) -> None:
    form.known(choice, {"name", "name_localizations", "value"}, path)
    form.text(choice, "name", path=path, least=1, most=100, required=True)
    if kind == Option.STRING:
        form.text(choice, "value", path=path, most=100, required=True)
    elif isinstance(choice.get("value"), bool) or not isinstance(choice.get("value"), int | float):
        form.wrong(f"{path}.value", "NUMBER_TYPE_COERCE", "This option's choices are numbers.")


def _check_file_types(form: Form, option: Json, path: str) -> None:
    for where, item in form.items(option.get("file_types"), f"{path}.file_types", least=1, most=10):
        if not isinstance(item, str) or (item not in ("image", "video", "audio") and not item.startswith(".")):
            form.wrong(where, "BASE_TYPE_CHOICES", "A file type is image, video, audio or an extension.")


def command_characters(command: Json) -> int:
    """Count names, descriptions and values; of localisations the longest counts."""
    return (
        _longest(command, "name")
        + _longest(command, "description")
        + sum(len(str(choice.get("value", ""))) + _longest(choice, "name") for choice in _dicts(command, "choices"))
        + sum(command_characters(option) for option in _dicts(command, "options"))
    )


def _longest(body: Json, name: str) -> int:
    localizations = body.get(f"{name}_localizations")
    texts = [body.get(name), *(localizations.values() if isinstance(localizations, dict) else ())]
    return max((len(text) for text in texts if isinstance(text, str)), default=0)


def _dicts(body: Json, name: str) -> list[Json]:
    value = body.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
