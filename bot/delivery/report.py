"""A period's spending as plain numbers, and as the two files a report posts: a picture and a table."""

import csv
import io
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

from bot.domain.quota import decimal_dollars

DAYS_MAX = 92
RISKY_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS = (
    "row",
    "date",
    "member",
    "member_id",
    "spent_{currency}",
    "seconds",
    "clips",
    "delivered",
    "failed",
    "released",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """One day: what was charged, and how its jobs ended. `released` counts holds that cost nothing in the end."""

    day: date
    spent_micros: int
    failed: int
    released: int
    delivered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpend:
    """One member's share. The id stands in for a name that cannot be drawn, and tells namesakes apart."""

    name: str
    spent_micros: int
    seconds: int
    clips: int
    member_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report says. The period runs from `starts` to the day before `ends`; days without a row had nothing.

    `spent_before_micros` was spent out of the same budget before the period.
    """

    title: str
    period: str
    starts: date
    ends: date
    today: date
    days: tuple[DaySpend, ...]
    members: tuple[MemberSpend, ...]
    budget_micros: int | None = None
    held_micros: int = 0
    spent_before_micros: int = 0
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not 1 <= self.length <= DAYS_MAX:
            raise ValueError(f"a report covers 1 to {DAYS_MAX} days")
        known = [one.day for one in self.days]
        if known != sorted(set(known)) or any(not self.starts <= day < self.ends for day in known):
            raise ValueError("a report's days are in order, once each, inside its period")
        if not (self.currency.isascii() and self.currency.isalpha()):
            raise ValueError("a currency is a code of letters")

    @property
    def length(self) -> int:
        return (self.ends - self.starts).days

    @property
    def elapsed(self) -> int:
        """How many of the period's days have begun."""
        last = max([self.today, *(one.day for one in self.days)])
        return min(max((last - self.starts).days + 1, 0), self.length)

    @property
    def spent_micros(self) -> int:
        return sum(one.spent_micros for one in self.days)

    @property
    def used_micros(self) -> int:
        """What the budget has paid so far."""
        return self.spent_before_micros + self.spent_micros

    @property
    def is_early(self) -> bool:
        """Too few days have begun to tell a pace: under a seventh of the period."""
        return self.elapsed * 7 < self.length

    @property
    def projected_micros(self) -> int:
        """What the budget will have paid at the period's end, at the pace so far and with what is held."""
        pace = self.spent_micros if self.is_early else self.spent_micros * self.length // self.elapsed
        return max(self.spent_before_micros + pace, self.used_micros + self.held_micros)

    @property
    def budget_reached(self) -> date | None:
        """The day on which the budget was or will be used up; None if the period ends first."""
        if self.budget_micros is None or self.projected_micros < self.budget_micros:
            return None
        for offset, used in enumerate(self.cumulated):
            if used >= self.budget_micros:
                return self.starts + timedelta(days=max(offset - 1, 0))
        missing = self.budget_micros - self.spent_before_micros
        if self.used_micros + self.held_micros >= self.budget_micros or self.is_early:
            return self.today
        return self.starts + timedelta(days=-(-missing * self.elapsed // self.spent_micros) - 1)

    @property
    def cumulated(self) -> tuple[int, ...]:
        """What the budget had paid at the start, then at the end of every day that has begun."""
        by_day = {one.day: one.spent_micros for one in self.days}
        sums = [self.spent_before_micros]
        for offset in range(self.elapsed):
            sums.append(sums[-1] + by_day.get(self.starts + timedelta(days=offset), 0))
        return tuple(sums)


def draw(report: Report) -> bytes:
    """The report as a PNG. It takes the better part of a second: call it in a thread."""
    from bot.delivery import picture  # noqa: PLC0415 - it imports matplotlib, which takes half a second

    return picture.draw(report)


def csv_lines(report: Report) -> tuple[str, ...]:
    """A header, a row for every day, a row for every member; amounts as exact decimals."""
    header = [column.format(currency=report.currency.lower()) for column in COLUMNS]
    days = [_day_cells(one) for one in report.days]
    members = [_member_cells(one) for one in report.members]
    return tuple(_csv_line(row) for row in (header, *days, *members))


def csv_bytes(report: Report) -> bytes:
    """With the mark in front by which spreadsheets know UTF-8."""
    return "".join(csv_lines(report)).encode("utf-8-sig", errors="replace")


def defused(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (owasp.org/www-community/attacks/CSV_Injection)."""
    begins = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if begins.startswith(RISKY_STARTS) else text


def _day_cells(one: DaySpend) -> list[str]:
    counts = [str(one.delivered), str(one.failed), str(one.released)]
    return ["day", one.day.isoformat(), "", "", decimal_dollars(one.spent_micros), "", "", *counts]


def _member_cells(one: MemberSpend) -> list[str]:
    who = [defused(one.name), defused(one.member_id)]
    return ["member", "", *who, decimal_dollars(one.spent_micros), str(one.seconds), str(one.clips), "", "", ""]


def _csv_line(row: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(row)  # its line ends hold "\r", else a name with one would not be quoted
    return line.getvalue()
