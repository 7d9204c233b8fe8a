from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.domain.errors import QuotaExceededError
from bot.domain.quota import Leg, OwnerKind, Period, Unit
from bot.domain.request_errors import AmountError, SettingValueError
from bot.domain.requests import Request, Tier
from bot.domain.rules import Audience, Bounds, Caps, Pool, Rule, binding_of, drained, legs_of
from bot.ports.books import By, Transaction
from bot.ports.quota import Account, Ask, Who
from bot.services.admission import Admission
from bot.services.paging import PAGE_LINES, PAGES_MAX
from bot.services.quota_desk import QuotaDesk, parse_expiry
from bot.services.routing import Router
from bot.storage.books import SqliteBooks, open_books
from bot.storage.verify import verify
from bot.storage.views import SqliteViews, open_views
from tests.services.stage import ROW, Clock
from tests.storage.making import DAY_MS, NOON_MS, finish, queue

WHO = Who(guild_id=1, member_id="7", role_ids=(44,))
EVERYONE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=2)
SERVER = replace(EVERYONE, audience=Audience.SERVER, unit=Unit.USD, period=Period.MONTH, amount=10_000_000)
CAPS = Caps(guild_month_micros=5_000_000, operator_day_micros=50_000_000)
POOL = Pool(id=0, guild_id=1, audience=Audience.MEMBER, subject_id=7, unit=Unit.CLIPS, amount=3, ends_ms=None)
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(kw_only=True)
class Office:
    """The desk over real books, and a clock that can be moved."""

    desk: QuotaDesk
    books: SqliteBooks
    views: SqliteViews
    clock: Clock

    async def clip(self, job_id: int, *, ends: bool = True) -> None:
        """Hold a $0.40 clip under the rules of now, and charge it unless it shall stay under way."""

        def work(tx: Transaction) -> None:
            queue(tx, job_id, legs_now(tx, self.clock.ms), now_ms=self.clock.ms)
            if ends:
                finish(tx, job_id, now_ms=self.clock.ms)

        await self.books.write(work)

    async def end(self, job_id: int) -> None:
        await self.books.write(lambda tx: finish(tx, job_id, now_ms=self.clock.ms))

    async def mine(self) -> list[tuple[str, int, int, int | None]]:
        """Window, spent, held and left of every balance that limits the member."""
        return [figures(account) for account in (await self.desk.show(WHO)).own]

    async def explained(self, **said: Tier | int) -> tuple[str | None, list[OwnerKind]]:
        """The verdict's code, and whose balances would not take it."""
        request = Request(prompt="a cat", tier=said.get("tier"), duration_seconds=said.get("seconds"))  # type: ignore[arg-type] # the test's own
        view = await self.desk.explain(Ask(who=WHO, request=request, channel_id=5))
        code = None if view.judged.verdict is None else view.judged.verdict.code
        return code, [account.leg.owner.kind for account in view.accounts if not account.fits]


def legs_now(tx: Transaction, now_ms: int) -> list[Leg]:
    return legs_of(
        guild_id=1,
        member_id="7",
        rules=binding_of(tx.rules.of_guild(1), "7", WHO.role_ids).rules,
        caps=CAPS,
        amounts={Unit.USD: 400_000, Unit.SECONDS: 5, Unit.CLIPS: 1},
        now_ms=now_ms,
        zone=tx.rules.settings(1).zone,
    )


def figures(account: Account) -> tuple[str, int, int, int | None]:
    standing = account.standing
    return account.leg.window.name, standing.spent, standing.held, standing.left


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    clock = Clock()
    clock.ms = NOON_MS
    now_ms: Callable[[], int] = clock.now_ms
    router = Router(rows={"unifically": ROW}, order=["unifically"], draw_seed=lambda: 7)
    async with open_books(folder) as books, open_views(folder) as views:
        admission = Admission(router=router, caps=CAPS, now_ms=now_ms)
        desk = QuotaDesk(books=books, views=views, router=router, admission=admission, caps=CAPS, now_ms=now_ms)
        yield Office(desk=desk, books=books, views=views, clock=clock)
    assert verify(folder).problems == ()


async def test_two_admins_changing_one_rule_at_once_are_both_told_the_truth(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        first = await at.desk.put(EVERYONE, actor="8")
        second = await at.desk.put(replace(EVERYONE, amount=9), actor="9")
        assert (first.before, first.after) == (None, EVERYONE)
        assert (second.before, second.after) == (EVERYONE, replace(EVERYONE, amount=9))
        decided = await at.desk.decisions(1)
        assert [(line.actor, line.before, line.after) for line in decided.lines] == [
            ("9", "2 clips", "9 clips"),
            ("8", "no rule", "2 clips"),
        ]


async def test_a_rule_lowered_below_what_is_held_leaves_the_hold_and_refuses_the_next(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.clip(101, ends=False)
        change = await at.desk.put(replace(SERVER, amount=100_000), actor="9")
        assert change.account is not None
        assert figures(change.account) == ("2026-11", 0, 400_000, -300_000)
        assert await at.explained() == ("quota_exceeded", [OwnerKind.GUILD])
        await at.end(101)
        assert [figures(one) for one in (await at.desk.show(WHO)).server] == [("2026-11", 400_000, 0, -300_000)]


async def test_a_job_is_charged_to_the_period_in_which_it_was_held(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.desk.put(EVERYONE, actor="9")
        await at.clip(101, ends=False)
        at.clock.ms += DAY_MS
        assert await at.mine() == [("2026-11-19", 0, 0, 2)]
        await at.end(101)
        assert await at.mine() == [("2026-11-19", 0, 0, 2)]
        at.clock.ms -= DAY_MS
        assert await at.mine() == [("2026-11-18", 1, 0, 1)]


async def test_a_clock_set_back_a_day_finds_that_days_balance_as_it_was_left(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.desk.put(EVERYONE, actor="9")
        await at.clip(101)
        at.clock.ms += DAY_MS
        await at.clip(102)
        at.clock.ms -= DAY_MS
        await at.clip(103)
        assert await at.mine() == [("2026-11-18", 2, 0, 0)]
        assert await at.explained() == ("quota_exceeded", [OwnerKind.MEMBER])
        with pytest.raises(QuotaExceededError):
            await at.clip(104)
        await at.desk.put(replace(EVERYONE, amount=3), actor="9")
        decided = await at.desk.decisions(1)
        assert [line.after for line in decided.lines] == ["3 clips", "2 clips"]


async def test_the_default_budget_yields_to_a_server_rule_and_comes_back(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        on = await at.desk.put(SERVER, actor="9")
        again = await at.desk.put(replace(SERVER, amount=1), actor="9")
        beside = await at.desk.put(replace(SERVER, period=Period.DAY), actor="9")
        first_off = await at.desk.remove(SERVER, actor="9")
        off = await at.desk.remove(replace(SERVER, period=Period.DAY), actor="9")
        nothing = await at.desk.remove(SERVER, actor="9")
        defaults = [change.default_micros for change in (on, again, beside, first_off, off, nothing)]
        assert defaults == [5_000_000, None, None, None, 5_000_000, None]
        assert (on.is_default_now, off.is_default_now) == (False, True)
        assert [figures(one) for one in (await at.desk.show(WHO)).server] == [("2026-11", 0, 0, 5_000_000)]


async def test_explain_names_the_bound_the_balance_and_the_bonus(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        assert await at.explained() == (None, [])
        await at.desk.put(replace(EVERYONE, amount=0, bounds=Bounds(seconds_max=8)), actor="9")
        assert await at.explained(seconds=9) == ("bound", [OwnerKind.MEMBER])
        assert await at.explained(seconds=8) == ("quota_exceeded", [OwnerKind.MEMBER])
        await at.desk.grant(POOL, expires=None, actor="9")
        assert await at.explained(seconds=8) == (None, [])
        assert await at.explained(tier=Tier.STANDARD) == ("option_unsupported", [])


async def test_explain_reads_the_settings_of_the_server_too(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        by = By(actor="9", at_ms=NOON_MS)
        await at.books.write(lambda tx: tx.rules.put_setting(1, "approve_above_micros", 100_000, by=by))
        ask = Ask(who=WHO, request=Request(prompt="a cat"), channel_id=5)
        assert (await at.desk.explain(ask)).judged.awaits_approval
        of_admin = replace(ask, who=replace(WHO, is_manager=True))
        assert not (await at.desk.explain(of_admin)).judged.awaits_approval
        await at.books.write(lambda tx: tx.rules.put_setting(1, "default_tier", Tier.PRO, by=by))
        plan = (await at.desk.explain(ask)).judged.plan
        assert plan is not None
        assert plan.tier is Tier.PRO
        await at.books.write(lambda tx: tx.rules.put_setting(1, "channels", (6,), by=by))
        assert await at.explained() == ("channel_closed", [])
        await at.desk.pause(guild_id=1, paused=True, actor="9")
        assert await at.explained() == ("paused", [])


async def test_a_bonus_of_nothing_or_of_the_past_is_none(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        with pytest.raises(AmountError):
            await at.desk.grant(replace(POOL, amount=0), expires=None, actor="9")
        with pytest.raises(SettingValueError):
            await at.desk.grant(POOL, expires="2026-11-17", actor="9")
        assert (await at.desk.decisions(1)).lines == ()


async def test_a_bonus_ends_with_the_day_of_the_servers_own_zone(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        by = By(actor="9", at_ms=NOON_MS)
        await at.books.write(lambda tx: tx.rules.put_setting(1, "time_zone", "Europe/Berlin", by=by))
        pool = await at.desk.grant(POOL, expires="2026-11-18", actor="9")
        assert pool.ends_ms == datetime(2026, 11, 19, tzinfo=BERLIN).timestamp() * 1000
        assert [left for _, left in (await at.desk.show(WHO)).pools] == [3]
        at.clock.ms = pool.ends_ms or 0
        assert (await at.desk.show(WHO)).pools == ()


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("7d", datetime(2026, 11, 25, 12, tzinfo=UTC)),
        (" 48H ", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-18", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_expiries_are_spans_or_days(text: str, ends: datetime) -> None:
    assert parse_expiry(text, now_ms=NOON_MS, zone=UTC) == ends.timestamp() * 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "0d",
        "-1d",
        "7",
        "7w",
        "1e3d",
        "99999d",
        "2026-11-17",
        "2026-02-30",
        "9999-12-31",
        "0000-01-01",
        "٣d",
    ],
)
def test_what_is_no_expiry_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError, match="expires"):
        parse_expiry(text, now_ms=NOON_MS, zone=UTC)


async def test_pages_turn_to_and_fro_without_losing_a_line(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        for amount in range(20):
            await at.desk.put(replace(EVERYONE, amount=amount), actor="9")
        first = await at.desk.decisions(1)
        second = await at.desk.decisions(1, number=2, trail=(*first.trail, first.lines[-1].seq))
        third = await at.desk.decisions(1, number=3, trail=(*second.trail, second.lines[-1].seq))
        await at.desk.put(replace(EVERYONE, amount=20), actor="9")
        seen = [line.after for page in (first, second, third) for line in page.lines]
        assert [text.split()[0] for text in seen] == [str(amount) for amount in reversed(range(20))]
        assert [page.has_older for page in (first, second, third)] == [True, True, False]
        assert await at.desk.decisions(1, number=2, trail=third.trail[:-1]) == second
        newest = await at.desk.decisions(1, number=1, trail=second.trail[:-1])
        assert newest.lines[1:] == first.lines[:-1]


async def test_a_page_is_found_by_its_number_and_the_last_is_the_last(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        for amount in range(20):
            await at.desk.put(replace(EVERYONE, amount=amount), actor="9")
        first = await at.desk.decisions(1)
        second = await at.desk.decisions(1, number=2)
        assert second.trail == (0, first.lines[-1].seq)
        last = await at.desk.decisions(1, number=90)
        assert (last.number, len(last.lines), last.has_older, last.trail[:2]) == (3, 4, False, second.trail)


async def test_pages_reach_the_very_first_line(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        for job_id in range(1, 6):
            await at.clip(job_id)

        def many(tx: Transaction) -> None:
            for number in range(1_200):
                tx.rules.note(1, "a test", before=str(number), after=str(number + 1), by=By(actor="9", at_ms=NOON_MS))

        await at.books.write(many)
        page = await at.desk.decisions(1, number=PAGES_MAX)
        seen = 0
        while page.has_older:
            page = await at.desk.decisions(1, number=page.number + 1, trail=(*page.trail[-2:], page.lines[-1].seq))
            seen += len(page.lines)
        assert (seen, page.number, page.lines[-1].before) == (200, 150, "0")


async def test_what_moved_nothing_leaves_no_gap_in_the_pages(tmp_path: Path) -> None:
    async with office(tmp_path) as at:

        def free(tx: Transaction) -> None:
            for job_id in range(1, 31):
                legs = [
                    replace(leg, amount=0) if leg.unit is not Unit.CLIPS else leg for leg in legs_now(tx, at.clock.ms)
                ]
                queue(tx, job_id, legs, now_ms=at.clock.ms)

        await at.books.write(free)
        pages = [await at.desk.history(WHO)]
        while pages[-1].has_older:
            trail = (*pages[-1].trail, pages[-1].lines[-1].seq)
            pages.append(await at.desk.history(WHO, number=len(pages) + 1, trail=trail))
        assert [line.job_id for page in pages for line in page.lines] == list(range(30, 0, -1))
        assert {len(page.lines) for page in pages[:-1]} == {PAGE_LINES}


async def test_rules_of_roles_that_are_gone_are_removed_and_noted(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        gone, here = (replace(EVERYONE, audience=Audience.ROLE, subject_id=one) for one in (43, 44))
        for rule in (gone, here, SERVER):
            await at.desk.put(rule, actor="9")
        assert await at.desk.remove_roles(1, known=frozenset({44}), actor="8") == [gone]
        assert await at.desk.remove_roles(1, known=frozenset({44}), actor="8") == []
        assert await at.books.write(lambda tx: tx.rules.of_guild(1)) == [here, SERVER]
        [line, *_] = (await at.desk.decisions(1)).lines
        assert (line.actor, line.after) == ("8", "no rule")


async def test_a_bonus_that_is_used_up_is_shown_no_more(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.desk.put(replace(EVERYONE, amount=0), actor="9")
        pool = await at.desk.grant(replace(POOL, amount=1), expires=None, actor="9")
        assert [left for _, left in (await at.desk.show(WHO)).pools] == [1]
        await at.books.write(lambda tx: queue(tx, 101, drained(legs_now(tx, NOON_MS), [(pool, 1)], NOON_MS)))
        assert (await at.desk.show(WHO)).pools == ()


async def test_a_report_counts_the_periods_clips_against_its_budget(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.clip(101)
        await at.clip(102, ends=False)
        report = await at.desk.report(1, Period.MONTH)
        assert [(one.day, one.member_id, one.spent_micros) for one in report.spendings] == [
            ("2026-11-18", "7", 400_000)
        ]
        assert (report.budget_micros, report.held_micros) == (5_000_000, 400_000)
        assert (await at.desk.report(1, Period.DAY)).budget_micros is None


async def test_pausing_twice_changes_nothing_and_the_operators_pause_stays(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        assert await at.desk.pause(guild_id=1, paused=True, actor="9") == (True, "9")
        assert await at.desk.pause(guild_id=1, paused=True, actor="8") == (False, "9")
        assert await at.desk.pause(guild_id=1, paused=False, actor="8") == (True, None)
        by = By(actor="operator", at_ms=NOON_MS)
        await at.books.write(lambda tx: tx.rules.pause(guild_id=None, paused=True, by=by))
        assert await at.desk.pause(guild_id=1, paused=False, actor="8") == (False, "operator")
