"""What the doctor finds."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """A warning leaves the exit status alone: nothing that was asked for is broken."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor: what was looked at, how it is, and how to mend it."""

    name: str
    verdict: Verdict
    detail: str
    mend: str = ""
