"""Collects what is wrong with one request body and refuses it as Discord does."""

from collections.abc import Collection, Iterator
from typing import Any

from bot.sandbox.records import Json
from bot.sandbox.refusal import Reason, RefusedError, error_tree


class Form:
    """One body under inspection: every check adds a fault at its path, `finish` refuses if there is any."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[str, str]] = {}

    @property
    def valid(self) -> bool:
        return not self._wrong

    def wrong(self, path: str, code: str, message: str) -> None:
        self._wrong.setdefault(path, (code, message))

    def finish(self) -> None:
        if self._wrong:
            raise RefusedError(Reason.INVALID_FORM, errors=error_tree(self._wrong))

    def known(self, body: Json, names: Collection[str], path: str = "") -> None:
        """Refuse fields that the documents do not name; Discord ignores them, which hides a typo."""
        for name in body.keys() - set(names):
            self.wrong(join(path, name), "SANDBOX_UNKNOWN_FIELD", f"{name!r} is not a field here.")

    def mapping(self, value: Any, path: str) -> Json | None:
        if isinstance(value, dict):
            return value
        self.wrong(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return None

    def items(self, value: Any, path: str, *, most: int, least: int = 0) -> Iterator[tuple[str, Any]]:
        """Yield each item with its path; nothing for null, a fault for anything but a list of the right length."""
        if value is None:
            return
        if not isinstance(value, list):
            self.wrong(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return
        if not least <= len(value) <= most:
            self.wrong(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        for index, item in enumerate(value):
            yield f"{path}.{index}", item

    def text(self, body: Json, name: str, *, path: str = "", least: int = 0, most: int, required: bool = False) -> None:
        value = body.get(name)
        where = join(path, name)
        if value is None:
            self._required(where, required=required)
        elif not isinstance(value, str):
            self.wrong(where, "STRING_TYPE_CONVERT", "Could not interpret value as string.")
        elif not least <= len(value) <= most:
            self.wrong(where, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

    def number(
        self, body: Json, name: str, *, path: str = "", least: int = 0, most: int = 2**53 - 1, required: bool = False
    ) -> None:
        value = body.get(name)
        where = join(path, name)
        if value is None:
            self._required(where, required=required)
        elif not isinstance(value, int) or isinstance(value, bool):
            self.wrong(where, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        elif not least <= value <= most:
            self.wrong(where, "NUMBER_TYPE_MAX", f"int value should be between {least} and {most}.")

    def choice(self, body: Json, name: str, among: Collection[Any], *, path: str = "", required: bool = False) -> None:
        value = body.get(name)
        if value is None:
            self._required(join(path, name), required=required)
        elif isinstance(value, bool) or value not in among:
            self.wrong(join(path, name), "BASE_TYPE_CHOICES", f"Value must be one of {sorted(among)}.")

    def boolean(self, body: Json, name: str, *, path: str = "") -> None:
        if not isinstance(body.get(name), bool | None):
            self.wrong(join(path, name), "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")

    def snowflake(self, body: Json, name: str, *, path: str = "", required: bool = False) -> None:
        value = body.get(name)
        if value is None:
            self._required(join(path, name), required=required)
        elif as_snowflake(value) is None:
            self.wrong(join(path, name), "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')

    def _required(self, where: str, *, required: bool) -> None:
        if required:
            self.wrong(where, "BASE_TYPE_REQUIRED", "This field is required")


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def as_snowflake(value: Any) -> int | None:
    """Read an id: https://docs.discord.com/developers/reference#snowflakes (a string, or a number)."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        return None
    number = int(value)
    return number if 0 <= number < 2**64 else None
