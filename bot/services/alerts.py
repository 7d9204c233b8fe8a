"""Warnings that a server's budget runs low: each threshold once per period, with the job that crossed it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.domain.errors import QuotaExceededError
from bot.domain.guilds import GuildSettings
from bot.domain.jobs import ChannelTarget, Job, JobState, Question
from bot.domain.quota import Leg, OwnerKind, Unit
from bot.domain.rules import Audience, Caps, Rule, legs_of
from bot.ports.books import Books, Telling, Transaction
from bot.ports.outside import Admins
from bot.ports.views import Views

PERCENTS = (50, 80, 95)


def note_crossed(tx: Transaction, job: Job, choices: GuildSettings, legs: Sequence[Leg], *, now_ms: int) -> None:
    """Ask for one message if this hold crossed a threshold; without a channel for it the next hold asks again."""
    if job.guild_id is None or choices.alert_channel is None:
        return
    crossed = [(leg, percent) for leg in legs if _is_budget(leg) for percent in PERCENTS if _is_used(tx, leg, percent)]
    firsts = [tx.rules.first_alert(job.guild_id, window=leg.window.name, percent=percent) for leg, percent in crossed]
    if any(firsts):
        tx.outbox.put(job_id=job.id, telling=Telling.ALERT, due_ms=now_ms)


def _is_budget(leg: Leg) -> bool:
    return leg.owner.kind is OwnerKind.GUILD and leg.unit is Unit.USD and bool(leg.limit)


def _is_used(tx: Transaction, leg: Leg, percent: int) -> bool:
    """Whether so much is spent or held: one micro-dollar more than the rest of the budget would be refused."""
    rest = (leg.limit or 0) * (100 - percent) // 100
    try:
        tx.ledger.check(legs=[replace(leg, amount=rest + 1)])
    except QuotaExceededError:
        return True
    return False


class AdminTeller:
    """Tells a server's admins: the request for approval, and that a budget runs low."""

    def __init__(self, *, books: Books, views: Views, admins: Admins, caps: Caps, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._views = views
        self._admins = admins
        self._caps = caps
        self._now_ms = now_ms

    async def ask(self, job: Job) -> None:
        """For Telling.APPROVAL."""
        if job.guild_id is None:
            return
        guild_id = job.guild_id
        choices = await self._books.write(lambda tx: tx.rules.settings(guild_id))
        question = await self._admins.ask(job=job, channel_id=choices.approval_channel)
        if question is not None:
            await self._books.write(lambda tx: _remember(tx, job.id, question))

    async def warn(self, job: Job) -> None:
        """For Telling.ALERT."""
        if job.guild_id is None:
            return
        guild_id = job.guild_id
        choices, rules = await self._books.write(lambda tx: (tx.rules.settings(guild_id), tx.rules.of_guild(guild_id)))
        legs = [leg for leg in self._legs(guild_id, rules, choices) if _is_budget(leg)]
        budgets = list(zip(legs, await self._views.standing(legs), strict=True))
        if choices.alert_channel is not None and budgets:
            await self._admins.warn(job=job, channel_id=choices.alert_channel, budgets=budgets)

    def _legs(self, guild_id: int, rules: Sequence[Rule], choices: GuildSettings) -> list[Leg]:
        return legs_of(
            guild_id=guild_id,
            member_id="",
            rules=[rule for rule in rules if rule.audience is Audience.SERVER],
            caps=self._caps,
            amounts=dict.fromkeys(Unit, 0),
            now_ms=self._now_ms(),
            zone=choices.zone,
        )


def _remember(tx: Transaction, job_id: int, question: Question) -> None:
    """Only while the job waits: a save beside a step under way would make that step's own save stale."""
    job = tx.jobs.get(job_id)
    if job is None or job.state is not JobState.APPROVING or not isinstance(job.target, ChannelTarget):
        return
    if job.target.question is None:
        tx.jobs.save(job.waiting(due_ms=job.due_ms, target=replace(job.target, question=question)))
