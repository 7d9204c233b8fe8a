"""Calls that the provider gives away each month: the operator's cost is lower, the member's charge is not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.jobs import JobState
from bot.domain.requests import Tier
from bot.ports.books import Attempt, Outcome, Transaction
from bot.services.finish import Finisher
from bot.storage.verify import verify
from tests.commandline.rig import several
from tests.services.stage import ROW, ScriptedProvider, Stage, set_stage
from tests.storage.making import a_plan, new_job, usual_legs

QUOTE_MICROS = 400_000
ACCOUNT = "unifically#1"
NOVEMBER_MS = round(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp() * 1000)
DECEMBER_MS = NOVEMBER_MS + 1000


@dataclass(frozen=True, kw_only=True)
class Room:
    """Two Fast calls a month are free; jobs come to it with their clip at hand."""

    stage: Stage
    finisher: Finisher
    clip: Path

    async def deliver(self, job_id: int, *, at_ms: int = NOVEMBER_MS, cost_micros: int | None = None) -> int | None:
        """What the member is charged for a clip that is posted a minute after it was asked of the provider."""
        await self.make(job_id, at_ms=at_ms, cost_micros=cost_micros)
        return await self.post(job_id, at_ms=at_ms + 60_000)

    async def make(self, job_id: int, *, at_ms: int, cost_micros: int | None = None) -> None:
        def made(tx: Transaction) -> None:
            job = tx.jobs.add(new_job(job_id))
            tx.ledger.hold(job_id=job_id, legs=usual_legs(micros=QUOTE_MICROS), actor="7", now_ms=at_ms)
            tx.jobs.save(
                replace(
                    job,
                    state=JobState.POSTING,
                    plan=a_plan("unifically"),
                    account=ACCOUNT,
                    attempts=1,
                    cost_micros=cost_micros,
                    clip_path=str(self.clip),
                    upload_path=str(self.clip),
                )
            )
            tx.jobs.write_attempt(attempt_of(job_id, at_ms))

        await self.stage.books.write(made)

    async def post(self, job_id: int, *, at_ms: int) -> int | None:
        self.stage.clock.ms = at_ms
        await self.finisher.post(await self.stage.job(job_id))
        job = await self.stage.job(job_id)
        assert job.state is JobState.DELIVERED
        return job.cost_micros

    async def costs(self) -> list[tuple[object, ...]]:
        """Provider, month, charged, cost, difference."""
        return [tuple(line.values()) for line in await self.stage.views.costs()]


def attempt_of(job_id: int, at_ms: int, *, number: int = 1, outcome: Outcome = Outcome.ACCEPTED) -> Attempt:
    return Attempt(
        job_id=job_id, number=number, provider="unifically", account=ACCOUNT, intent_ms=at_ms, outcome=outcome
    )


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    provider = ScriptedProvider(capabilities=replace(ROW, free_per_month={Tier.FAST: 2}))
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"as good as any")
    async with set_stage(tmp_path, provider=provider) as stage:
        finisher = Finisher(
            books=stage.books,
            accounts=stage.accounts,
            router=stage.router,
            media=stage.library,
            delivery=stage.delivery,
            now_ms=stage.clock.now_ms,
        )
        await stage.books.write(lambda _: None)  # there is a database to look at
        yield Room(stage=stage, finisher=finisher, clip=clip)


async def test_so_many_of_a_month_cost_nothing_and_all_are_charged_as_quoted(room: Room) -> None:
    for job_id in (1, 2, 3):
        await room.make(job_id, at_ms=NOVEMBER_MS - 10)
    assert [await room.post(job_id, at_ms=NOVEMBER_MS) for job_id in (3, 1, 2)] == [QUOTE_MICROS] * 3
    assert await room.costs() == [("unifically", "2026-11", 3 * QUOTE_MICROS, QUOTE_MICROS, 2 * QUOTE_MICROS)]
    assert verify(room.stage.folder).ok


async def test_the_month_is_that_in_which_it_was_asked_of_the_provider(room: Room) -> None:
    for job_id in (1, 2, 3):
        await room.deliver(job_id)  # and it is posted in December
    await room.deliver(4, at_ms=DECEMBER_MS)
    assert await room.costs() == [("unifically", "2026-12", 4 * QUOTE_MICROS, QUOTE_MICROS, 3 * QUOTE_MICROS)]


async def test_ledger_show_and_verify_agree(room: Room, tmp_path: Path) -> None:
    await room.deliver(1, at_ms=DECEMBER_MS)
    looks = (("ledger", "show", "--json"), ("ledger", "verify", "--json"))
    shown, verdict = several(tmp_path, *looks, DAILIES_DATA_DIR=".")
    figures = {"charged_usd": "0.40", "cost_usd": "0.00", "difference_usd": "0.40"}
    assert shown.value["costs"] == [{"provider": "unifically", "month": "2026-12", **figures}]
    assert (verdict.status, verdict.value["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("outcome", "cost"),
    [
        (Outcome.REJECTED, 0),
        (Outcome.NOT_SENT, 0),
        (Outcome.ABANDONED, QUOTE_MICROS),
        (Outcome.UNKNOWN, QUOTE_MICROS),
    ],
)
async def test_what_may_have_been_taken_counts_and_what_was_not_does_not(
    room: Room, outcome: Outcome, cost: int
) -> None:
    await room.deliver(1, at_ms=DECEMBER_MS)
    earlier = attempt_of(1, DECEMBER_MS, number=9, outcome=outcome)
    await room.stage.books.write(lambda tx: tx.jobs.write_attempt(earlier))
    await room.deliver(2, at_ms=DECEMBER_MS + 1)
    assert (await room.costs())[0][3] == cost


async def test_another_tier_or_account_has_its_own(room: Room) -> None:
    await room.deliver(1)
    attempt = attempt_of(1, NOVEMBER_MS)

    def counts(tx: Transaction) -> list[int]:
        others = (replace(attempt, account="unifically#2"), replace(attempt, intent_ms=NOVEMBER_MS - 1))
        return [
            tx.jobs.calls_until(attempt, tier=Tier.FAST, since_ms=NOVEMBER_MS),
            tx.jobs.calls_until(attempt, tier=Tier.PRO, since_ms=NOVEMBER_MS),
            *(tx.jobs.calls_until(other, tier=Tier.FAST, since_ms=0) for other in others),
        ]

    assert await room.stage.books.write(counts) == [1, 0, 0, 0]


async def test_a_provider_that_tells_its_cost_is_believed(room: Room) -> None:
    assert await room.deliver(1, at_ms=DECEMBER_MS, cost_micros=250_000) == 250_000
    assert await room.costs() == [("unifically", "2026-12", 250_000, 250_000, 0)]
