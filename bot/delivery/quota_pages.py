"""Histories in pages with their buttons, and a period's spending as the plain numbers of a report."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Self

import discord
from discord.ui import Button, DynamicItem, Item, View

from bot.delivery.quota_cards import NOW, fitted
from bot.delivery.report import DaySpend, MemberSpend, Report
from bot.delivery.words import plain
from bot.domain.quota import Period, amount_words, dollars
from bot.ports.quota import L, Page, SpendingReport
from bot.ports.views import Decision, HistoryLine, Spending

SERVER = "server"
VALUE_CHARS_MAX = 50
CUSTOM_ID_CHARS_MAX = 100
"""https://docs.discord.com/developers/components/reference"""
KINDS = {
    "grant": "limit set",
    "adjust": "limit changed",
    "hold": "held",
    "charge": "charged",
    "release": "freed",
    "refund": "given back",
}
REASONS = {
    "no limit": "limit removed",
    "used before": "used before the limit came",
    "held before": "held before the limit came",
}
"""Where why it was booked says more than the kind."""


class HistoryButton(
    DynamicItem[Button[View]],
    template=r"dailies:history:(?P<owner>server|\d{15,20}):(?P<number>\d{1,9}):(?P<trail>\d{1,18}(?:\.\d{1,18})*)",
):
    """Turns to another page: dispatched as the client's event `history_click`, which a cog answers.

    `owner` is the member whose lines they are, None the server. It knows the way back as far as its id has room.
    """

    def __init__(self, owner: str | None, number: int, trail: Sequence[int], *, label: str = "Page") -> None:
        custom_id = _custom_id(owner, number, trail)
        super().__init__(Button(label=label, style=discord.ButtonStyle.secondary, custom_id=custom_id))
        self.owner = owner
        self.number = number
        self.trail = tuple(trail)

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        owner = None if match["owner"] == SERVER else match["owner"]
        return cls(owner, int(match["number"]), [int(one) for one in match["trail"].split(".")])

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("history_click", interaction, self.owner, self.number, self.trail)


def _custom_id(owner: str | None, number: int, trail: Sequence[int]) -> str:
    """Where the page begins, and before it as many of the pages before as fit."""
    custom_id = f"dailies:history:{owner or SERVER}:{number}:{'.'.join(map(str, trail))}"
    return custom_id if len(custom_id) <= CUSTOM_ID_CHARS_MAX else _custom_id(owner, number, trail[1:])


def turning(page: Page[L]) -> View:
    """Previous and Next, each only where there is such a page; Newest where the way back is forgotten."""
    view = View(timeout=None)
    if len(page.trail) > 1:
        view.add_item(HistoryButton(page.owner, page.number - 1, page.trail[:-1], label="Previous"))
    elif page.number > 1:
        view.add_item(HistoryButton(page.owner, 1, (0,), label="Newest"))
    if page.has_older:
        trail = (*page.trail, page.lines[-1].seq)
        view.add_item(HistoryButton(page.owner, page.number + 1, trail, label="Next"))
    return view


def history(page: Page[HistoryLine]) -> str:
    """A member's own journal, the newest first: what was booked together stands together."""
    if not page.lines:
        return "Nothing was booked yet."
    lines = [f"**Ledger of <@{page.owner}>** · page {page.number}"]
    for (at_ms, kind, job_id), booked in groupby(page.lines, key=lambda one: (one.at_ms, _kind(one), one.job_id)):
        lines.append(f"<t:{at_ms // 1000}:f> **{kind}**")
        lines += [] if job_id is None else [f"-# job {job_id}"]
        lines += [f"-# {_line(one)}" for one in booked]
    if any(one.job_id is not None for one in page.lines):
        lines.append("A clip counts once in every limit and meter it touches; it is paid once.")
    return fitted(lines)


def decisions(page: Page[Decision]) -> str:
    """What was decided in the server, the newest first."""
    if not page.lines:
        return "Nothing was decided yet."
    return fitted([f"**Decisions in this server** · page {page.number}", *map(_decision, page.lines)])


def as_report(spent: SpendingReport, *, period: Period, title: str, names: Mapping[str, str]) -> Report:
    """The numbers that a picture and a table are made of; `names` are shown for member ids."""
    starts = _day_of(spent.window.starts_ms, spent.zone)
    ends = starts + timedelta(days=1) if spent.window.ends_ms is None else _day_of(spent.window.ends_ms, spent.zone)
    return Report(
        title=title,
        period=f"{NOW[period]} ({spent.window.name})",
        starts=starts,
        ends=ends,
        today=_day_of(spent.now_ms, spent.zone),
        days=_days(spent.spendings),
        members=_members(spent.spendings, names),
        budget_micros=spent.budget_micros,
        held_micros=spent.held_micros,
    )


def report_words(report: Report) -> str:
    """What the picture says, for those who do not see it."""
    charged = f"**{plain(report.title)}, {report.period}:** {dollars(report.spent_micros)} charged"
    if report.budget_micros is None:
        return f"{charged}."
    return f"{charged} of {dollars(report.budget_micros)}, {dollars(report.held_micros)} held."


def biggest_spenders(spendings: Iterable[Spending], count: int) -> list[str]:
    totals: defaultdict[str, int] = defaultdict(int)
    for one in spendings:
        totals[one.member_id] += one.spent_micros
    return sorted(totals, key=lambda member_id: (-totals[member_id], member_id))[:count]


def _kind(line: HistoryLine) -> str:
    return REASONS.get(line.reason or "", KINDS.get(line.kind, line.kind))


def _line(line: HistoryLine) -> str:
    """Signs only where the kind does not say which way it goes."""
    sign = "" if line.kind != "adjust" or line.reason in REASONS else "+" if line.change > 0 else "-"
    window = "in total" if line.period is Period.TOTAL else f"{line.period.value} {line.window}"
    return f"{sign}{amount_words(line.unit, abs(line.change))} · {'bonus' if line.is_bonus else window}"


def _decision(line: Decision) -> str:
    what = line.what if line.subject_id is None else f"{line.what} (<@{line.subject_id}>)"
    when = f"-# <t:{line.at_ms // 1000}:f> · {_who(line.actor)}"
    return f"{what}: {_cut(line.before)} → {_cut(line.after)}\n{when}"


def _who(actor: str | None) -> str:
    if actor is None:
        return "somebody forgotten"
    return f"<@{actor}>" if actor.isdecimal() else actor


def _cut(text: str) -> str:
    """Between words: half a mention is a number."""
    if len(text) <= VALUE_CHARS_MAX:
        return text
    return f"{text[: VALUE_CHARS_MAX - 1].rpartition(' ')[0] or text[: VALUE_CHARS_MAX - 1]}…"


def _day_of(at_ms: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, tz=zone).date()


def _days(spendings: Sequence[Spending]) -> tuple[DaySpend, ...]:
    by_day: defaultdict[str, list[Spending]] = defaultdict(list)
    for one in spendings:
        by_day[one.day].append(one)
    return tuple(
        DaySpend(
            day=date.fromisoformat(day),
            spent_micros=sum(one.spent_micros for one in lines),
            failed=sum(one.failed for one in lines),
            released=sum(one.released for one in lines),
            delivered=sum(one.delivered for one in lines),
        )
        for day, lines in sorted(by_day.items())
    )


def _members(spendings: Sequence[Spending], names: Mapping[str, str]) -> tuple[MemberSpend, ...]:
    by_member: defaultdict[str, list[Spending]] = defaultdict(list)
    for one in spendings:
        by_member[one.member_id].append(one)
    return tuple(
        MemberSpend(
            name=names.get(member_id, ""),
            member_id=member_id,
            spent_micros=sum(one.spent_micros for one in lines),
            seconds=sum(one.seconds for one in lines),
            clips=sum(one.clips for one in lines),
        )
        for member_id, lines in sorted(by_member.items())
    )
