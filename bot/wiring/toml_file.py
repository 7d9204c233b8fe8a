"""A TOML file of the operator's, whose every fault can be told with its line."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bot.domain.errors import SettingsError

BYTES_MAX = 64_000
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """What the file says, and its text to look a line up in. Fractions are exact decimals."""

    name: str
    text: str
    tables: dict[str, object]

    def line_of(self, path: Sequence[str]) -> int:
        """The line that sets this key, or first names this table: after it the file holds what it did not before."""
        lines = self.text.split("\n")
        return 1 + bisect_left(range(1, len(lines)), True, key=lambda count: self._holds(lines, count, path))

    def _holds(self, lines: Sequence[str], count: int, path: Sequence[str]) -> bool:
        """Whether so many lines, and the rest of the value that they may break off in, set the key."""
        for end in range(count, len(lines) + 1):
            try:
                found: object = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue
            for key in path:
                if not isinstance(found, dict) or key not in found:
                    return False
                found = found[key]
            return True
        return True


def read_toml(path: Path) -> TomlFile | None:
    """None where there is no such file. Raises SettingsError."""
    content = _content(path)
    if content is None:
        return None
    text = _decoded(content, path.name)
    try:
        return TomlFile(name=path.name, text=text, tables=tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(faults=f"{path.name}: {_where(str(error), text)}") from None
    except RecursionError:
        raise SettingsError(faults=f"{path.name}: is nested too deeply") from None


def _content(path: Path) -> bytes | None:
    try:
        if not path.exists():
            return None
        if not path.is_file():
            raise SettingsError(faults=f"{path.name}: is not a plain file")
        content = path.read_bytes()
    except OSError as fault:
        reason = (fault.strerror or "unknown reason").lower()
        raise SettingsError(faults=f"{path.name}: cannot be read: {reason}") from None
    if len(content) > BYTES_MAX:
        raise SettingsError(faults=f"{path.name}: has more than {BYTES_MAX:,} bytes")
    return content


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise SettingsError(faults=f"{name}: line {line}: is not text in UTF-8") from None


def _where(said: str, text: str) -> str:
    """The library's sentence with its place put in front."""
    place = _PLACE.search(said)
    words = said[: place.start()] if place else said
    line = place[1] if place and place[1] else len(text.rstrip("\n").split("\n"))
    return f"line {line}: is not TOML: {words[:1].lower()}{words[1:]}"
