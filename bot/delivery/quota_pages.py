"""Histories in pages with their buttons, and a period's spending as the plain numbers of a report."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Self

import discord
from discord.ui import Button, DynamicItem, Item, View

from bot.delivery.quota_cards import NOW, fitted
from bot.delivery.report import DaySpend, MemberSpend, Report
from bot.domain.quota import Period, amount_words, dollars
from bot.ports.books import Decision, HistoryLine, Spending
from bot.ports.quota import L, Page, SpendingReport

SERVER = "server"
VALUE_CHARS_MAX = 60
KINDS = {
    "grant": "limit set",
    "adjust": "limit changed",
    "hold": "held",
    "charge": "charged",
    "release": "freed",
    "refund": "given back",
}


class HistoryButton(
    DynamicItem[Button[View]], template=r"dailies:history:(?P<owner>server|\d{15,20}):(?P<seq>\d{1,18})"
):
    """Turns to another page: dispatched as the client's event `history_click`, which a cog answers.

    `owner` is the member whose lines they are, None the server; `before_seq` 0 is the newest page.
    """

    def __init__(self, owner: str | None, before_seq: int, *, label: str = "", disabled: bool = False) -> None:
        custom_id = f"dailies:history:{owner or SERVER}:{before_seq}"
        style = discord.ButtonStyle.secondary
        super().__init__(Button(label=label or "Page", style=style, custom_id=custom_id, disabled=disabled))
        self.owner = owner
        self.before_seq = before_seq

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], match: re.Match[str], /
    ) -> Self:
        owner = None if match["owner"] == SERVER else match["owner"]
        return cls(owner, int(match["seq"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("history_click", interaction, self.owner, self.before_seq)


def turning(page: Page[L]) -> View:
    """Previous and Next, each only where there is such a page."""
    view = View(timeout=None)
    if page.newer is not None:
        view.add_item(HistoryButton(page.owner, page.newer, label="Previous"))
    if page.older is not None:
        view.add_item(HistoryButton(page.owner, page.older, label="Next"))
    return view


def history(page: Page[HistoryLine]) -> str:
    """A member's own journal, the newest first."""
    if not page.lines:
        return "Nothing was booked yet."
    return fitted([f"**Ledger of <@{page.owner}>** · page {page.number}", *map(_line, page.lines)])


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
    charged = f"**{report.title}, {report.period}:** {dollars(report.spent_micros)} charged"
    if report.budget_micros is None:
        return f"{charged}."
    return f"{charged} of {dollars(report.budget_micros)}, {dollars(report.held_micros)} held."


def biggest_spenders(spendings: Iterable[Spending], count: int) -> list[str]:
    totals: defaultdict[str, int] = defaultdict(int)
    for one in spendings:
        totals[one.member_id] += one.spent_micros
    return sorted(totals, key=lambda member_id: (-totals[member_id], member_id))[:count]


def _line(line: HistoryLine) -> str:
    change = ("+" if line.change > 0 else "-" if line.change < 0 else "") + amount_words(line.unit, abs(line.change))
    where = "bonus" if line.is_bonus else line.window
    job = "" if line.job_id is None else f" · job {line.job_id}"
    return f"<t:{line.at_ms // 1000}:f> {KINDS.get(line.kind, line.kind)} {change} · {where}{job}"


def _decision(line: Decision) -> str:
    what = line.what if line.subject_id is None else f"{line.what} (<@{line.subject_id}>)"
    return f"<t:{line.at_ms // 1000}:f> {_who(line.actor)}: {what}: {_cut(line.before)} → {_cut(line.after)}"


def _who(actor: str | None) -> str:
    if actor is None:
        return "somebody forgotten"
    return f"<@{actor}>" if actor.isdecimal() else actor


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


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
