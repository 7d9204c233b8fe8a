"""What admins decide about spending, and what everyone may see of it: the desk behind `/quota`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, tzinfo
from typing import ClassVar

from bot.domain.errors import RequestError
from bot.domain.quota import Leg, Owner, OwnerKind, Period, Unit, window_at
from bot.domain.request_errors import AmountError, SettingValueError
from bot.domain.rules import Audience, Binding, Caps, Pool, Rule, binding_of, legs_of
from bot.ports.books import Books, By, Transaction
from bot.ports.quota import (
    Account,
    Ask,
    Explanation,
    Judged,
    Overview,
    Page,
    RuleChange,
    SpendingReport,
    Who,
)
from bot.ports.views import Decision, HistoryLine, Views
from bot.services.admission import Admission
from bot.services.explain import judge, serving
from bot.services.paging import page_of
from bot.services.routing import Router

EXPIRY_DAYS_MAX = 3_660
HOUR_MS = 3_600_000
NOTHING = dict.fromkeys(Unit, 0)


@dataclass(eq=False, kw_only=True)
class SubjectChoiceError(RequestError):
    """A role and a member at once, or neither where one is needed."""

    code: ClassVar[str] = "subject_choice"
    template: ClassVar[str] = "{what}"
    what: str


class QuotaDesk:
    """Rules, bonuses and pauses of a server. Who may ask is checked before; what is answered was true at one moment."""

    def __init__(
        self,
        *,
        books: Books,
        views: Views,
        router: Router,
        admission: Admission,
        caps: Caps,
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._views = views
        self._router = router
        self._admission = admission
        self._caps = caps
        self._now_ms = now_ms

    async def show(self, who: Who) -> Overview:
        now_ms = self._now_ms()
        binding, zone, pools, paused_by, rules = await self._books.write(lambda tx: _known(tx, who, now_ms))
        legs = [leg for leg in self._legs(who, binding, zone, now_ms) if leg.limit is not None]
        accounts = await self._accounts(legs)
        return Overview(
            who=who,
            binding=binding,
            own=tuple(one for one in accounts if one.leg.owner.kind is OwnerKind.MEMBER),
            server=tuple(one for one in accounts if one.leg.owner.kind is OwnerKind.GUILD),
            pools=tuple(pools),
            rules=tuple(rules) if who.is_manager else (),
            paused_by=paused_by,
        )

    async def put(self, rule: Rule, *, actor: str) -> RuleChange:
        by = By(actor=actor, at_ms=self._now_ms())
        before, rules, zone = await self._books.write(lambda tx: _put(tx, rule, by))
        return await self._changed(rule, before, rule, rules, zone, by.at_ms)

    async def remove(self, rule: Rule, *, actor: str) -> RuleChange:
        """Take away the rule with this one's key."""
        by = By(actor=actor, at_ms=self._now_ms())
        before, rules, zone = await self._books.write(lambda tx: _remove(tx, rule, by))
        return await self._changed(rule, before, None, rules, zone, by.at_ms)

    async def remove_roles(self, guild_id: int, *, known: frozenset[int], actor: str) -> list[Rule]:
        """Take away the rules of roles that are not known any more; answers with those."""
        by = By(actor=actor, at_ms=self._now_ms())
        return await self._books.write(lambda tx: _remove_roles(tx, guild_id, known, by))

    async def grant(self, pool: Pool, *, expires: str | None, actor: str) -> Pool:
        """A bonus, with its end as an admin typed it. Raises AmountError, SettingValueError."""
        if pool.amount == 0:
            raise AmountError(given="0", unit=pool.unit.value, limit="a bonus of nothing changes nothing")
        by = By(actor=actor, at_ms=self._now_ms())
        return await self._books.write(lambda tx: _grant(tx, pool, expires, by))

    async def pause(self, *, guild_id: int, paused: bool, actor: str) -> tuple[bool, str | None]:
        """Whether this changed anything, and who keeps new work paused now."""
        by = By(actor=actor, at_ms=self._now_ms())
        return await self._books.write(lambda tx: _pause(tx, guild_id, by, paused=paused))

    async def explain(self, ask: Ask) -> Explanation:
        """What `/generate` would say to this request, and why."""
        now_ms = self._now_ms()

        def work(tx: Transaction) -> Judged:
            return judge(tx, ask=ask, router=self._router, admission=self._admission, now_ms=now_ms)

        judged = await self._books.write(work)
        legs = [leg for leg in judged.legs if leg.limit is not None and leg.owner.kind is not OwnerKind.POOL]
        return Explanation(judged=judged, accounts=tuple(await self._accounts(legs)))

    async def history(self, who: Who, *, number: int = 1, trail: tuple[int, ...] = ()) -> Page[HistoryLine]:
        """The member's own lines: a page by its number, or where a `trail` ends; what moved nothing is left out."""

        async def read(before_seq: int | None, limit: int) -> list[HistoryLine]:
            return await self._views.history(
                guild_id=who.guild_id, member_id=who.member_id, before_seq=before_seq, limit=limit
            )

        return await page_of(who.member_id, read, lambda line: bool(line.change), number, trail)

    async def decisions(self, guild_id: int, *, number: int = 1, trail: tuple[int, ...] = ()) -> Page[Decision]:
        """What was decided in the server."""

        async def read(before_seq: int | None, limit: int) -> list[Decision]:
            return await self._views.audit(guild_id, limit=limit, before_seq=before_seq)

        return await page_of(None, read, lambda _line: True, number, trail)

    async def report(self, guild_id: int, period: Period) -> SpendingReport:
        now_ms = self._now_ms()
        who = Who(guild_id=guild_id, member_id="")
        binding, zone, *_ = await self._books.write(lambda tx: _known(tx, who, now_ms))
        window = window_at(period, now_ms, zone)
        ends_ms = now_ms + 1 if window.ends_ms is None else window.ends_ms
        spendings = await self._views.report(guild_id, since_ms=window.starts_ms, until_ms=ends_ms, zone=zone)
        budgets = [leg for leg in self._legs(who, binding, zone, now_ms) if _is_budget(leg, period)]
        budget = next(iter(await self._accounts(budgets)), None)
        return SpendingReport(
            window=window,
            zone=zone,
            now_ms=now_ms,
            spendings=tuple(spendings),
            budget_micros=None if budget is None else budget.standing.limit,
            held_micros=0 if budget is None else budget.standing.held,
        )

    def _legs(self, who: Who, binding: Binding, zone: tzinfo, now_ms: int) -> list[Leg]:
        return legs_of(
            guild_id=who.guild_id,
            member_id=who.member_id,
            rules=binding.rules,
            caps=self._caps,
            amounts=NOTHING,
            now_ms=now_ms,
            zone=zone,
        )

    async def _accounts(self, legs: Sequence[Leg]) -> list[Account]:
        standings = await self._views.standing(legs)
        return [Account(leg=leg, standing=standing) for leg, standing in zip(legs, standings, strict=True)]

    async def _changed(
        self, key: Rule, before: Rule | None, after: Rule | None, rules: Sequence[Rule], zone: tzinfo, now_ms: int
    ) -> RuleChange:
        """`rules` are the server's after the change."""
        leg = _leg_under(key, after, zone, now_ms)
        accounts = await self._accounts([] if leg is None else [leg])
        others = any(_is_money_of_server(rule) and rule.key != key.key for rule in rules)
        flips = _is_money_of_server(key) and not others and (before is None) != (after is None)
        return RuleChange(
            key=key,
            before=before,
            after=after,
            account=next(iter(accounts), None),
            default_micros=self._caps.guild_month_micros if flips else None,
            is_default_now=after is None,
        )


def parse_expiry(text: str, *, now_ms: int, zone: tzinfo) -> int:
    """When a bonus ends: `7d` and `48h` from now, or a day's end: `2026-12-31`. Raises SettingValueError."""
    typed = text.strip().lower()
    if match := re.fullmatch(r"([0-9]{1,5})([dh])", typed):
        ends_ms = now_ms + int(match[1]) * HOUR_MS * (24 if match[2] == "d" else 1)
    elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", typed):
        ends_ms = _end_of_day(text, typed, zone)
    else:
        raise _no_expiry(text, "is no time; write 7d, 48h or 2026-12-31")
    if ends_ms <= now_ms:
        raise _no_expiry(text, "has passed already")
    if ends_ms > now_ms + EXPIRY_DAYS_MAX * 24 * HOUR_MS:
        raise _no_expiry(text, f"is too far; {EXPIRY_DAYS_MAX} days are the most")
    return ends_ms


def _end_of_day(text: str, typed: str, zone: tzinfo) -> int:
    try:
        noon = datetime.combine(date.fromisoformat(typed), time(12), tzinfo=zone)
        return window_at(Period.DAY, round(noon.timestamp() * 1000), zone).ends_ms or 0
    except (ValueError, OverflowError):
        raise _no_expiry(text, "is no day of the calendar") from None


def _no_expiry(text: str, limit: str) -> SettingValueError:
    return SettingValueError(name="expires", given=text, limit=limit)


_Known = tuple[Binding, tzinfo, list[tuple[Pool, int]], str | None, list[Rule]]


def _known(tx: Transaction, who: Who, now_ms: int) -> _Known:
    """What binds and serves a member, read at one moment."""
    rules = tx.rules.of_guild(who.guild_id)
    binding = binding_of(rules, who.member_id, who.role_ids)
    zone = tx.rules.settings(who.guild_id).zone
    return binding, zone, serving(tx, who, now_ms), tx.rules.paused_by(who.guild_id), rules


def _put(tx: Transaction, rule: Rule, by: By) -> tuple[Rule | None, list[Rule], tzinfo]:
    before = _same(tx, rule)
    tx.rules.put(rule, by=by)
    return before, tx.rules.of_guild(rule.guild_id), tx.rules.settings(rule.guild_id).zone


def _remove(tx: Transaction, rule: Rule, by: By) -> tuple[Rule | None, list[Rule], tzinfo]:
    before = _same(tx, rule)
    tx.rules.remove(rule, by=by)
    return before, tx.rules.of_guild(rule.guild_id), tx.rules.settings(rule.guild_id).zone


def _remove_roles(tx: Transaction, guild_id: int, known: frozenset[int], by: By) -> list[Rule]:
    rules = [
        one for one in tx.rules.of_guild(guild_id) if one.audience is Audience.ROLE and one.subject_id not in known
    ]
    return [one for one in rules if tx.rules.remove(one, by=by)]


def _same(tx: Transaction, rule: Rule) -> Rule | None:
    return next((one for one in tx.rules.of_guild(rule.guild_id) if one.key == rule.key), None)


def _grant(tx: Transaction, pool: Pool, expires: str | None, by: By) -> Pool:
    zone = tx.rules.settings(pool.guild_id).zone
    ends_ms = None if expires is None else parse_expiry(expires, now_ms=by.at_ms, zone=zone)
    return tx.rules.add_pool(replace(pool, ends_ms=ends_ms), by=by)


def _pause(tx: Transaction, guild_id: int, by: By, *, paused: bool) -> tuple[bool, str | None]:
    before = tx.rules.paused_by(guild_id)
    tx.rules.pause(guild_id=guild_id, paused=paused, by=by)
    after = tx.rules.paused_by(guild_id)
    return before != after, after


def _leg_under(key: Rule, after: Rule | None, zone: tzinfo, now_ms: int) -> Leg | None:
    """The one balance that a rule for the server or a member limits; the others limit many."""
    if after is None or key.audience not in {Audience.SERVER, Audience.MEMBER}:
        return None
    is_server = key.audience is Audience.SERVER
    owner = Owner(
        kind=OwnerKind.GUILD if is_server else OwnerKind.MEMBER,
        guild_id=key.guild_id,
        member_id=None if is_server else str(key.subject_id),
    )
    return Leg(owner=owner, unit=key.unit, window=window_at(key.period, now_ms, zone), amount=0, limit=after.amount)


def _is_money_of_server(rule: Rule) -> bool:
    return rule.audience is Audience.SERVER and rule.unit is Unit.USD


def _is_budget(leg: Leg, period: Period) -> bool:
    is_money_of_server = leg.owner.kind is OwnerKind.GUILD and leg.unit is Unit.USD
    return is_money_of_server and leg.window.period is period and leg.limit is not None
