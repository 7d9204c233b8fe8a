"""Faults that only a terminal can have."""

import errno
import os
from dataclasses import dataclass
from typing import ClassVar

from bot.domain.errors import OperatorError, RequestError


@dataclass(eq=False, kw_only=True)
class UsageError(RequestError):
    """An option or argument that the command does not take."""

    code: ClassVar[str] = "usage"
    template: ClassVar[str] = "{reason} See `dailies {command}--help`."
    reason: str
    command: str


@dataclass(eq=False, kw_only=True)
class PlaceUnusableError(RequestError):
    """A place where no file can be written."""

    code: ClassVar[str] = "place_unusable"
    template: ClassVar[str] = "{place}: {reason}."
    place: str
    reason: str


@dataclass(eq=False, kw_only=True)
class PortUnusableError(RequestError):
    """An address of this machine that somebody else has, or that it does not have."""

    code: ClassVar[str] = "port_unusable"
    template: ClassVar[str] = "--port {port}: nothing can listen there: {reason}."
    port: int
    reason: str


@dataclass(eq=False, kw_only=True)
class DiscordUnreachableError(OperatorError):
    """No connection to Discord at the start."""

    code: ClassVar[str] = "discord_unreachable"
    template: ClassVar[str] = "Discord could not be reached. `dailies doctor` tells more."


@dataclass(eq=False, kw_only=True)
class InterruptedError(OperatorError):  # noqa: A001 -- the built-in one is about system calls
    """A signal ended the command."""

    code: ClassVar[str] = "interrupted"
    template: ClassVar[str] = "Interrupted. What was under way continues at the next start."


def reason_of(fault: OSError) -> str:
    """The system's own words without the address: that may be a setting's value."""
    if fault.errno is None or fault.errno not in errno.errorcode:
        return "there is no such address"
    return os.strerror(fault.errno).lower()
