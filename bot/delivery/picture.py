"""A report's picture, drawn to be read on a phone. Imports matplotlib: only `report.draw` imports this module."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise

from bot.delivery.page import AMBER, BAND, BLUE, HEIGHT, INK, MUTED, PALE, RULE, SLATE, WIDTH, Page
from bot.delivery.report import DaySpend, MemberSpend, Report
from bot.domain.quota import MICROS, dollars

LEFT, RIGHT = 56.0, WIDTH - 56.0
ROWS_MAX = 9  # eight members and the others
SMALL, BODY, LARGE, HERO = 28, 30, 38, 84
ROW = 38.0
NAME_WIDTH = 290.0
CENTS_BELOW = 10_000 * MICROS
CENT = MICROS // 100


def draw(report: Report) -> bytes:
    """Header, two charts and a strip over the same days, members; the charts take the room that is left."""
    page = Page()
    columns = _Columns(left=LEFT, right=RIGHT, starts=report.starts, count=report.length)
    below_header = _header(page, report)
    members_top = _members(page, report)
    trouble = any(one.failed or one.released for one in report.days)
    strip = 64.0 if trouble else 0.0
    axis = members_top - 78 - strip
    first_heading = below_header + 56
    free = axis - first_heading - 60 - 132
    budget_base = first_heading + 60 + free * 0.6
    _burn_down(page, report, columns, heading=first_heading, base=budget_base)
    _today_band(page, report, columns, top=budget_base + 84, bottom=axis + strip + 46)
    _daily(page, report, columns, heading=budget_base + 62, base=axis)
    if trouble:
        _strip(page, report, columns, axis + 10)
    _axis_labels(page, report, columns, axis + strip + 36)
    return page.png()


def money(micros: int) -> str:
    """As much of an amount as a picture needs: `$4.60`, `$12,346`, and tiny ones exactly."""
    if micros < 0:
        return f"-{money(-micros)}"
    if micros < CENT:
        return dollars(micros)
    if micros < CENTS_BELOW:
        cents = (micros + CENT // 2) // CENT
        return f"${cents // 100:,}.{cents % 100:02d}"
    return f"${(micros + MICROS // 2) // MICROS:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where each day stands from left to right; all charts share it."""

    left: float
    right: float
    starts: date
    count: int

    @property
    def step(self) -> float:
        return (self.right - self.left) / self.count

    def edge(self, offset: int) -> float:
        return self.left + self.step * offset

    def middle(self, offset: int) -> float:
        return self.edge(offset) + self.step / 2

    def offset(self, day: date) -> int:
        return (day - self.starts).days


def _header(page: Page, report: Report) -> float:
    period = page.text(RIGHT, 76, page.drawable(report.period) or "", size=BODY, colour=MUTED, align="right", most=440)
    title = page.drawable(report.title) or "Spending"
    page.text(LEFT, 76, title, size=LARGE, bold=True, most=RIGHT - LEFT - period - 30)
    hero = page.text(LEFT - 4, 176, money(report.spent_micros), size=HERO, bold=True)
    beside = "spent" if report.budget_micros is None else f"of {money(report.budget_micros)}"
    if report.spent_before_micros:
        beside = "spent in this period"
    page.text(LEFT + hero + 20, 176, beside, size=LARGE, colour=MUTED, most=RIGHT - LEFT - hero - 20)
    if report.budget_micros is None:
        page.text(LEFT, 228, _standing(report), size=SMALL, colour=MUTED, most=RIGHT - LEFT)
        return 244
    _budget_bar(page, report, report.budget_micros, 206)
    page.text(LEFT, 276, _standing(report), size=SMALL, colour=MUTED, most=RIGHT - LEFT)
    return 286


def _standing(report: Report) -> str:
    parts = []
    if report.spent_before_micros:
        parts.append(f"{money(report.spent_before_micros)} before")
    if report.budget_micros:
        parts.append(f"{_percent(report.used_micros, report.budget_micros)} used")
    parts += [f"{money(report.held_micros)} held"] if report.held_micros else []
    if report.budget_micros is None:
        return " · ".join([*parts, "no budget is set"])
    of_all = f" of {money(report.budget_micros)}" if report.spent_before_micros else ""
    return " · ".join([*parts, _left(report, report.budget_micros) + of_all])


def _left(report: Report, budget: int) -> str:
    if report.used_micros > budget:
        return f"{money(report.used_micros - budget)} over"
    return f"{money(max(budget - report.used_micros - report.held_micros, 0))} left"


def _percent(part: int, whole: int) -> str:
    percent = max(part, 0) * 100 // whole
    if percent > 999:  # noqa: PLR2004 - three digits say enough
        return "over 999 %"
    return "under 1 %" if part > 0 and not percent else f"{percent} %"


def _budget_bar(page: Page, report: Report, budget: int, top: float) -> None:
    """Spent solid, held hatched, the rest empty; past the budget in the warning colour, with the budget as a gap."""
    used, held = max(report.used_micros, 0), max(report.held_micros, 0)
    scale = max(budget, used + held, 1)
    width = RIGHT - LEFT
    page.box(LEFT, top, width, 26, RULE)
    inside = min(used, budget) / scale * width
    page.box(LEFT, top, max(inside, 4.0 if used else 0.0), 26, BLUE)
    page.box(LEFT + inside, top, (used / scale * width) - inside, 26, AMBER)
    page.hatched(LEFT + used / scale * width, top, held / scale * width, 26, BLUE)
    if used + held > budget:
        page.box(LEFT + budget / scale * width - 2, top - 5, 4, 36, INK)


def _today_band(page: Page, report: Report, columns: _Columns, *, top: float, bottom: float) -> None:
    if report.starts <= report.today < report.ends and columns.count > 1:
        page.box(columns.edge(columns.offset(report.today)), top, columns.step, bottom - top, BAND)


def _burn_down(page: Page, report: Report, columns: _Columns, *, heading: float, base: float) -> None:
    """What was spent so far as a line, the pace dashed, the budget across."""
    _heading(page, heading, *_finding(report), warn=_is_over(report))
    _today_band(page, report, columns, top=heading + 22, bottom=base)
    top, room = heading + 60, base - heading - 60
    budget = report.budget_micros
    forecast = budget is not None and report.elapsed < report.length and not report.is_early
    ahead = report.projected_micros if forecast else 0
    known = report.cumulated
    most = max(*known, budget or 0, min(ahead, 2 * max(*known, budget or 0)), 1)

    def height(micros: float) -> float:
        return base - max(micros, 0) / most * room

    curve = [(columns.edge(at), height(used)) for at, used in enumerate(known)]
    page.line([(LEFT, base), (RIGHT, base)], RULE, 2)
    if len(curve) > 1:
        page.area([(LEFT, base), *curve, (curve[-1][0], base)], BLUE, 0.16)
    if budget is not None:
        _budget_line(page, budget, height(budget), curve, base)
        if ahead:
            _pace(page, curve[-1], (RIGHT, base - ahead / most * room), ceiling=top - 6, level=height(budget))
    _curve(page, curve, top if budget is None else height(budget))
    page.dot(*curve[-1], 9, AMBER if budget is not None and known[-1] > budget else PALE)


def _curve(page: Page, curve: Sequence[tuple[float, float]], level: float) -> None:
    """The line of what was spent, in the warning colour where it lies above the budget's level."""
    points = [curve[0]]
    for (x1, y1), (x2, y2) in pairwise(curve):
        if (y1 - level) * (y2 - level) < 0:
            points.append((x1 + (x2 - x1) * (y1 - level) / (y1 - y2), level))
        points.append((x2, y2))
    for above, pieces in groupby(pairwise(points), key=lambda piece: piece[0][1] + piece[1][1] < 2 * level):
        run = list(pieces)
        page.line([run[0][0], *(end for _, end in run)], AMBER if above else BLUE, 6)


def _budget_line(page: Page, budget: int, level: float, curve: Sequence[tuple[float, float]], base: float) -> None:
    """Its label stands above it on the left; where the curve leaves no room, below it on the right."""
    page.line([(LEFT, level), (RIGHT, level)], INK, 3)
    words = f"budget {money(budget)}"
    crossed = next((x for x, y in curve if y < level), RIGHT)
    if LEFT + page.width(words, SMALL) + 30 < crossed:
        page.text(LEFT, level - 12, words, size=SMALL)
    else:
        page.text(RIGHT, level + 36 if level + 44 < base else level - 12, words, size=SMALL, align="right")


def _pace(page: Page, now: tuple[float, float], end: tuple[float, float], *, ceiling: float, level: float) -> None:
    """Dashed from now to the period's end; a pace that leaves the chart is cut at its ceiling."""
    colour = AMBER if end[1] < level else BLUE
    if end[1] < ceiling:
        end = (now[0] + (end[0] - now[0]) * (now[1] - ceiling) / max(now[1] - end[1], 1), ceiling)
    page.line([now, end], colour, 4, dashes=(3, 2))


def _is_over(report: Report) -> bool:
    return report.budget_micros is not None and report.projected_micros > report.budget_micros


def _finding(report: Report) -> tuple[str, str]:
    """The chart's message, and its detail."""
    budget = report.budget_micros
    if budget is not None and report.used_micros > budget:
        return f"Over budget by {money(report.used_micros - budget)}", _reached(report, "since")
    if budget is not None and report.today >= report.ends:
        return "Ended inside the budget", f"{money(budget - report.used_micros)} left"
    if not report.used_micros:
        return "Nothing spent yet", ""
    return ("Spent so far", "") if budget is None else _outlook(report, budget)


def _outlook(report: Report, budget: int) -> tuple[str, str]:
    if report.elapsed == report.length:
        return "Inside the budget", "the last day"
    if report.projected_micros > budget:
        return "Heading over budget", _reached(report, "reached about")
    if report.is_early:
        return "Inside the budget", "too early for a forecast"
    last = _day_words(report.ends - timedelta(days=1))
    return "Inside the budget", f"about {money(report.projected_micros)} by {last}"


def _reached(report: Report, words: str) -> str:
    return "" if report.budget_reached is None else f"{words} {_day_words(report.budget_reached)}"


def _heading(page: Page, baseline: float, words: str, detail: str, *, warn: bool = False) -> None:
    taken = page.text(LEFT, baseline, words, size=BODY, bold=True, colour=AMBER if warn else INK)
    page.text(RIGHT, baseline, detail, size=SMALL, colour=MUTED, align="right", most=RIGHT - LEFT - taken - 24)


def _daily(page: Page, report: Report, columns: _Columns, *, heading: float, base: float) -> None:
    _heading(page, heading, "Per day", "")
    _outcomes(page, report, heading)
    page.line([(LEFT, base), (RIGHT, base)], RULE, 2)
    room = base - heading - 64
    highest = max(report.days, key=lambda one: one.spent_micros, default=None)
    if highest is None or highest.spent_micros <= 0:
        return
    width = min(columns.step * 0.72, 120.0)
    for one in report.days:
        if one.spent_micros > 0:
            tall = max(one.spent_micros / highest.spent_micros * room, 4)
            colour = PALE if one.day == report.today else BLUE
            page.box(columns.middle(columns.offset(one.day)) - width / 2, base - tall, width, tall, colour)
    _above(page, columns, highest, base - room)


def _above(page: Page, columns: _Columns, one: DaySpend, top: float) -> None:
    words = money(one.spent_micros)
    half = page.width(words, SMALL) / 2
    centre = min(max(columns.middle(columns.offset(one.day)), LEFT + half), RIGHT - half)
    page.text(centre, top - 10, words, size=SMALL, align="center")


def _outcomes(page: Page, report: Report, baseline: float) -> None:
    """How the jobs ended, with the marks that stand under the days."""
    if not any(one.delivered or one.failed or one.released for one in report.days):
        return
    delivered, failed, released = (
        sum(getattr(one, name) for one in report.days) for name in ("delivered", "failed", "released")
    )
    at = RIGHT - page.text(RIGHT, baseline, f"{released:,} released", size=SMALL, colour=MUTED, align="right")
    page.ring(at - 20, baseline - 10, 9, MUTED)
    at -= 56
    at -= page.text(at, baseline, f"{failed:,} failed", size=SMALL, colour=AMBER if failed else MUTED, align="right")
    page.cross(at - 20, baseline - 10, 9, AMBER if failed else MUTED)
    at -= 56
    page.text(at, baseline, f"{delivered:,} delivered", size=SMALL, colour=MUTED, align="right", most=at - LEFT - 150)


def _strip(page: Page, report: Report, columns: _Columns, top: float) -> None:
    """Under each day a cross for failures and a ring for releases; more of them, a larger mark."""
    most = max(max(one.failed, one.released) for one in report.days)
    largest = min(columns.step * 0.42, 13.0)
    for one in report.days:
        x = columns.middle(columns.offset(one.day))
        if one.failed > 0:
            page.cross(x, top + 16, largest * (0.55 + 0.45 * one.failed / most), AMBER)
        if one.released > 0:
            page.ring(x, top + 46, largest * (0.55 + 0.45 * one.released / most), MUTED)


def _axis_labels(page: Page, report: Report, columns: _Columns, baseline: float) -> None:
    """Today first, then the ends, then every so many days, as far as there is room."""
    taken: list[tuple[float, float]] = []
    wanted = [0, columns.count - 1, *range(7, columns.count, 7), *range(columns.count)[:8]]
    today = columns.offset(report.today)
    for offset in [today, *wanted] if 0 <= today < columns.count else wanted:
        day = report.starts + timedelta(days=offset)
        words = "today" if offset == today else _day_words(day)
        half = page.width(words, SMALL, bold=offset == today) / 2
        centre = min(max(columns.middle(offset), LEFT + half), RIGHT - half)
        if all(centre + half + 26 <= start or centre - half - 26 >= end for start, end in taken):
            colour = INK if offset == today else MUTED
            page.text(centre, baseline, words, size=SMALL, bold=offset == today, colour=colour, align="center")
            taken.append((centre - half, centre + half))


def _members(page: Page, report: Report) -> float:
    """The members' table at the foot; says where it begins."""
    ranked = sorted(report.members, key=lambda one: (-one.spent_micros, one.name, one.member_id))
    ranked = [one for one in ranked if one.spent_micros or one.clips]
    shown = len(ranked) if len(ranked) <= ROWS_MAX else ROWS_MAX - 1
    rows = [_Row(_name(page, one, at + 1), one.spent_micros, one.clips) for at, one in enumerate(ranked[:shown])]
    rest = ranked[shown:]
    if rest:
        rows.append(_Row(f"{len(rest)} others", sum(m.spent_micros for m in rest), sum(m.clips for m in rest), SLATE))
    height = ROW + max(ROWS_MAX - len(rows), 0) * 2.5
    top = HEIGHT - 44 - height * max(len(rows), 1)
    _heading(page, top - 16, "Per member", f"the top {shown} of {len(ranked)}" if rest else "")
    if rows:
        _member_rows(page, rows, top, height)
    else:
        page.text(LEFT, top + 34, "Nobody has made a clip in this period.", size=SMALL, colour=MUTED)
    return top - 16 - BODY


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    spent_micros: int
    clips: int
    colour: str = BLUE

    @property
    def clip_words(self) -> str:
        return f"{self.clips:,} clip" if self.clips == 1 else f"{self.clips:,} clips"


def _member_rows(page: Page, rows: Sequence[_Row], top: float, height: float) -> None:
    start = LEFT + min(max(page.width(row.name, SMALL) for row in rows), NAME_WIDTH) + 20
    clips = max(page.width(row.clip_words, SMALL) for row in rows)
    amounts = max(page.width(money(row.spent_micros), SMALL) for row in rows)
    room = RIGHT - clips - 30 - amounts - 14 - start
    most = max(*(row.spent_micros for row in rows), 1)
    for at, row in enumerate(rows):
        baseline = top + height * at + height / 2 + 10
        page.text(LEFT, baseline, row.name, size=SMALL, most=NAME_WIDTH)
        long = max(row.spent_micros / most * room, 4.0 if row.spent_micros > 0 else 0.0)
        page.box(start, baseline - 23, long, 26, row.colour)
        page.text(start + long + 14, baseline, money(row.spent_micros), size=SMALL)
        page.text(RIGHT, baseline, row.clip_words, size=SMALL, colour=MUTED, align="right")


def _name(page: Page, member: MemberSpend, rank: int) -> str:
    return page.drawable(member.name) or (f"member …{member.member_id[-4:]}" if member.member_id else f"member {rank}")


def _day_words(day: date) -> str:
    return f"{day.day} {day:%b}"
