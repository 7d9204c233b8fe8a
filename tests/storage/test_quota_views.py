"""What the quota commands show."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from bot.domain.jobs import JobState
from bot.domain.quota import OPERATOR, Leg, Period, Unit, window_at
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Pool
from bot.ports.books import By, Transaction
from bot.ports.views import HistoryLine, Spending, Standing
from bot.storage import quota_views
from bot.storage.books import SqliteBooks
from bot.storage.views import SqliteViews
from tests.storage.making import (
    DAY_MS,
    GUILD,
    MEMBER,
    NOON_MS,
    a_leg,
    a_plan,
    finish,
    give_up,
    new_job,
    queue,
    usual_legs,
)

EVERY_UNIT = [
    a_leg(owner=owner, unit=unit, amount=amount)
    for owner in (MEMBER, GUILD)
    for unit, amount in ((Unit.USD, 400), (Unit.SECONDS, 5), (Unit.CLIPS, 1))
]


def figures(standings: Sequence[Standing]) -> list[tuple[int | None, int, int, int | None]]:
    return [(one.limit, one.spent, one.held, one.left) for one in standings]


async def test_what_does_not_exist_stands_at_nothing(views: SqliteViews) -> None:
    assert await views.standing([]) == []
    legs = [a_leg(limit=4), a_leg(owner=OPERATOR, period=Period.DAY), a_leg(owner=GUILD, period=Period.TOTAL, limit=0)]
    assert figures(await views.standing(legs)) == [(4, 0, 0, 4), (None, 0, 0, None), (0, 0, 0, 0)]


async def test_every_leg_stands_where_its_jobs_brought_it(books: SqliteBooks, views: SqliteViews) -> None:
    legs = usual_legs(micros=100, limit=250)
    await books.write(lambda tx: queue(tx, 1, legs))
    await books.write(lambda tx: finish(tx, 1, cost_micros=60))
    await books.write(lambda tx: queue(tx, 2, legs))
    usd, seconds, clips, guild, operator = await views.standing(legs)
    assert figures([usd, guild, operator]) == [
        (None, 60, 100, None),
        (250, 60, 100, 90),
        (50_000_000, 60, 100, 49_999_840),
    ]
    assert figures([seconds, clips]) == [(None, 5, 5, None), (None, 1, 1, None)]
    other_day = [a_leg(owner=OPERATOR, period=Period.DAY, unit=Unit.USD, limit=5, at_ms=NOON_MS + DAY_MS)]
    assert figures(await views.standing(other_day)) == [(5, 0, 0, 5)]


async def test_a_new_rule_stands_where_its_first_hold_would_find_it(books: SqliteBooks, views: SqliteViews) -> None:
    yesterday = NOON_MS - DAY_MS
    await books.write(lambda tx: queue(tx, 1, [a_leg(at_ms=yesterday)], now_ms=yesterday))
    await books.write(lambda tx: queue(tx, 2, [a_leg()]))
    await books.write(lambda tx: finish(tx, 2))
    await books.write(lambda tx: queue(tx, 3, [a_leg()]))
    await books.write(lambda tx: queue(tx, 4, [a_leg()]))
    await books.write(lambda tx: give_up(tx, 4))
    ruled = [a_leg(period=period, limit=9) for period in (Period.DAY, Period.WEEK, Period.TOTAL)]
    seen = figures(await views.standing(ruled))
    assert seen == [(9, 1, 1, 7), (9, 1, 2, 6), (9, 1, 2, 6)]
    await books.write(lambda tx: queue(tx, 5, [a_leg(amount=0), *(replace(leg, amount=0) for leg in ruled)]))
    assert figures(await views.standing(ruled)) == seen


async def test_a_lowered_limit_stands_below_nothing(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, [a_leg(amount=4)]))
    assert figures(await views.standing([a_leg(limit=1)])) == [(1, 0, 4, -3)]


async def test_a_pool_stands_at_what_was_drawn(books: SqliteBooks, views: SqliteViews) -> None:
    pool = Pool(id=0, guild_id=1, audience=Audience.ROLE, subject_id=4, unit=Unit.CLIPS, amount=3, ends_ms=None)
    made = await books.write(lambda tx: tx.rules.add_pool(pool, by=By(actor="9", at_ms=NOON_MS)))
    window = window_at(Period.TOTAL, NOON_MS, UTC)
    leg = Leg(owner=made.owner, unit=Unit.CLIPS, window=window, amount=2, limit=made.amount)
    await books.write(lambda tx: queue(tx, 1, [leg]))
    assert figures(await views.standing([leg])) == [(3, 0, 2, 1)]


async def test_history_is_the_members_own_newest_first(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, [a_leg(unit=Unit.USD, amount=100, limit=500)]))
    await books.write(lambda tx: queue(tx, 2, [a_leg(owner=replace(MEMBER, member_id="8"))]))
    await books.write(lambda tx: queue(tx, 3, [a_leg(owner=replace(MEMBER, guild_id=2))]))
    await books.write(lambda tx: finish(tx, 1, cost_micros=40, now_ms=NOON_MS + 5))
    lines = await views.history(guild_id=1, member_id="7", before_seq=None, limit=9)
    assert [(line.kind, line.change, line.job_id, line.reason, line.actor) for line in lines] == [
        ("charge", -40, 1, None, "runner"),
        ("hold", -100, 1, None, "7"),
        ("grant", 500, None, "limit", "7"),
    ]
    assert lines[0] == HistoryLine(
        seq=5,
        at_ms=NOON_MS + 5,
        kind="charge",
        unit=Unit.USD,
        period=Period.MONTH,
        window="2026-11",
        change=-40,
        job_id=1,
        reason=None,
        actor="runner",
        is_bonus=False,
    )


async def test_pages_of_history_meet_without_gap_or_overlap(books: SqliteBooks, views: SqliteViews) -> None:
    for job_id in range(1, 8):
        await books.write(partial(queue, job_id=job_id, legs=usual_legs()))
    every = await views.history(guild_id=1, member_id="7", before_seq=None, limit=100)
    assert len(every) == 7 * 3
    paged: list[HistoryLine] = []
    while page := await views.history(guild_id=1, member_id="7", before_seq=paged[-1].seq if paged else None, limit=4):
        paged += page
    assert paged == every


async def test_without_a_member_history_is_the_servers(books: SqliteBooks, views: SqliteViews) -> None:
    await books.write(lambda tx: queue(tx, 1, usual_legs()))
    lines = await views.history(guild_id=1, member_id=None, before_seq=None, limit=9)
    assert [(line.kind, line.change) for line in lines] == [("hold", -400_000), ("grant", 10_000_000)]
    assert await views.history(guild_id=None, member_id="7", before_seq=None, limit=9) == []


def asked(
    tx: Transaction, job_id: int, *, member_id: str = "7", at_ms: int = NOON_MS, guild_id: int = 1, held: bool = True
) -> None:
    legs = [
        replace(leg, owner=replace(leg.owner, guild_id=guild_id, member_id=leg.owner.member_id and member_id))
        for leg in EVERY_UNIT
    ]
    job = tx.jobs.add(replace(new_job(job_id, guild_id=guild_id, member_id=member_id), created_ms=at_ms))
    if held:
        tx.ledger.hold(job_id=job_id, legs=legs, actor=member_id, now_ms=at_ms)
        tx.jobs.save(job.to(JobState.QUEUED, now_ms=at_ms, plan=replace(a_plan(), tier=Tier.FAST)))
    else:
        tx.jobs.save(job.to(JobState.REFUSED, now_ms=at_ms))


async def test_the_report_has_every_day_and_member(books: SqliteBooks, views: SqliteViews) -> None:
    def live(tx: Transaction) -> None:
        asked(tx, 1)
        finish(tx, 1, cost_micros=300)
        asked(tx, 2)
        finish(tx, 2)
        asked(tx, 3)
        give_up(tx, 3)
        asked(tx, 4, held=False)
        asked(tx, 5, member_id="8", at_ms=NOON_MS + DAY_MS)
        finish(tx, 5, cost_micros=10, now_ms=NOON_MS + 9 * DAY_MS)
        asked(tx, 6)  # still open
        asked(tx, 7, guild_id=2)
        finish(tx, 7)
        asked(tx, 8, at_ms=NOON_MS - DAY_MS)
        finish(tx, 8)

    await books.write(live)
    assert await views.report(1, since_ms=NOON_MS, until_ms=NOON_MS + 2 * DAY_MS, zone=UTC) == [
        Spending(
            day="2026-11-18",
            member_id="7",
            spent_micros=700,
            seconds=10,
            clips=2,
            delivered=2,
            failed=1,
            released=1,
        ),
        Spending(
            day="2026-11-19", member_id="8", spent_micros=10, seconds=5, clips=1, delivered=1, failed=0, released=0
        ),
    ]


async def test_the_days_of_a_report_begin_where_the_server_lives(books: SqliteBooks, views: SqliteViews) -> None:
    zone = ZoneInfo("Europe/Berlin")
    # The night in which clocks go back has a day of 25 hours.
    starts = [datetime(2026, 10, 25, hour, 30, tzinfo=zone) for hour in (0, 23)] + [datetime(2026, 10, 26, tzinfo=zone)]
    moments = [round(start.timestamp() * 1000) for start in starts]
    assert moments[2] - moments[0] == 24.5 * 60 * 60 * 1000

    def live(tx: Transaction) -> None:
        for job_id, at_ms in enumerate(moments, start=1):
            asked(tx, job_id, at_ms=at_ms)
            finish(tx, job_id, now_ms=at_ms)

    await books.write(live)
    found = await views.report(1, since_ms=moments[0], until_ms=moments[2] + 1, zone=zone)
    assert [(one.day, one.clips) for one in found] == [("2026-10-25", 2), ("2026-10-26", 1)]


async def test_what_a_bonus_paid_is_in_the_report(books: SqliteBooks, views: SqliteViews) -> None:
    pool = Pool(id=0, guild_id=1, audience=Audience.ROLE, subject_id=4, unit=Unit.USD, amount=400, ends_ms=None)
    made = await books.write(lambda tx: tx.rules.add_pool(pool, by=By(actor="9", at_ms=NOON_MS)))
    window = window_at(Period.TOTAL, NOON_MS, UTC)
    bonus = Leg(owner=made.owner, unit=Unit.USD, window=window, amount=400, limit=400)
    await books.write(lambda tx: queue(tx, 1, [bonus, *EVERY_UNIT]))
    await books.write(lambda tx: finish(tx, 1))
    (found,) = await views.report(1, since_ms=NOON_MS, until_ms=NOON_MS + 1, zone=UTC)
    assert (found.spent_micros, found.seconds, found.clips) == (400, 5, 1)


async def test_pages_are_read_by_an_index(views: SqliteViews) -> None:
    for statement, values in (
        (quota_views.HISTORY, ("member", 1, "7", 9, 9)),
        (quota_views.AUDIT_OF_GUILD, (1, 9, 9)),
        (quota_views.ENDED, (1, 0, 9)),
        (quota_views.STANDING, ("[]",)),
    ):
        plan = await views._rows(f"EXPLAIN QUERY PLAN {statement}", *values)  # noqa: SLF001  no method shows a plan
        scanned = {row["detail"].split()[1] for row in plan if row["detail"].startswith("SCAN")}
        assert scanned <= {"found", "json_each", "own", "bonus"}, statement
