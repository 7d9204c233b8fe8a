"""What people read about quotas: balances with bars, rules before and after, bonuses, pauses."""

import re
from collections.abc import Collection, Sequence
from typing import Self

import discord
from discord.ui import Button, DynamicItem, Item, View

from bot.delivery.bars import bar, left_words, standing_details
from bot.domain.quota import Period, Unit, amount_words, dollars
from bot.domain.requests import Tier
from bot.domain.rules import Audience, Bounds, Pool, Rule
from bot.ports.quota import Account, Overview, RuleChange

MESSAGE_CHARS_MAX = 2000
LINE_CHARS_MAX = 600
BAR_CELLS = 8
"""With what is left beside it, one line of a phone."""
PERIODS = {Period.DAY: "a day", Period.WEEK: "a week", Period.MONTH: "a month", Period.TOTAL: "in total"}
NOW = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month", Period.TOTAL: "in total"}
UNITS = {Unit.USD: "dollars", Unit.SECONDS: "seconds", Unit.CLIPS: "clips"}
NO_RULE = "no rule"
OTHERS = {
    Audience.ROLE: "It replaces what everyone's rules say for members with this role.",
    Audience.MEMBER: "It replaces what the rules for everyone and for roles say for this member.",
}


class SweepButton(DynamicItem[Button[View]], template=r"dailies:sweep"):
    """Removes the rules of roles that are gone: dispatched as the client's event `sweep_click`, which a cog answers."""

    def __init__(self) -> None:
        label = "Remove the rules of deleted roles"
        super().__init__(Button(label=label, style=discord.ButtonStyle.secondary, custom_id="dailies:sweep"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: Item[View], _match: re.Match[str], /
    ) -> Self:
        return cls()

    async def callback(self, interaction: discord.Interaction) -> None:
        interaction.client.dispatch("sweep_click", interaction)


def overview(view: Overview, *, is_own: bool, gone: Collection[int] = ()) -> str:
    """A bar and a sentence for every balance that limits; for admins the rules, `gone` being roles that are deleted."""
    whose = "You" if is_own else f"<@{view.who.member_id}>"
    lines = ["New clips are paused here."] if view.paused_by is not None else []
    lines += [f"**{whose}**", *map(_balance, view.own)]
    if not view.own:
        lines.append("No rule of this server limits you on your own." if is_own else "No rule limits this member.")
    lines += [f"-# Allowed: {words}" for words in map(bounds_words, view.binding.own_bounds) if words]
    lines += [_bonus(pool, left) for pool, left in view.pools]
    lines += ["**This server**", *map(_balance, view.server)]
    if is_own and view.rules:
        lines += ["**Rules here**", *(f"{_whom(rule, gone)}: {rule_words(rule)}" for rule in view.rules)]
    return fitted(lines)


def sweeping(gone: Collection[int]) -> View:
    view = View(timeout=None)
    if gone:
        view.add_item(SweepButton())
    return view


def swept(removed: Sequence[Rule]) -> str:
    if not removed:
        return "No rule here is for a deleted role."
    lines = [f"Deleted role {rule.subject_id}: {rule_words(rule)}" for rule in removed]
    return fitted(["**Removed:**", *lines])


def rule_change(change: RuleChange) -> str:
    """What was, what is, and what it means for the open period."""
    lines = [
        f"**{_whom(change.key)}: {UNITS[change.key.unit]} {PERIODS[change.key.period]}**",
        f"Before: {rule_words(change.before)}",
        f"Now: {rule_words(change.after)}",
        *_meaning(change),
    ]
    return fitted(lines)


def rule_words(rule: Rule | None) -> str:
    """`5 clips a day each, only fast`."""
    if rule is None:
        return NO_RULE
    amount = f"{amount_words(rule.unit, rule.amount)} {PERIODS[rule.period]}"
    each = " each" if rule.audience in {Audience.EVERYONE, Audience.ROLE} else ""
    bounds = bounds_words(rule.bounds)
    return f"{amount}{each}, {bounds}" if bounds else f"{amount}{each}"


def granted(pool: Pool) -> str:
    whom = f"<@&{pool.subject_id}>, shared" if pool.audience is Audience.ROLE else f"<@{pool.subject_id}>"
    ends = "It does not end." if pool.ends_ms is None else f"It ends <t:{pool.ends_ms // 1000}:f>."
    return (
        f"**Bonus of {amount_words(pool.unit, pool.amount)} for {whom}.** {ends}\n"
        "It is used before their own allowance; the server's budget still counts every clip."
    )


def paused(*, wished: bool, changed: bool, paused_by: str | None) -> str:
    if paused_by is not None and not paused_by.isdecimal():
        return "Whoever hosts the bot has paused new clips everywhere; only they can resume."
    if wished:
        first = "New clips are paused here." if changed else "New clips were paused here already."
        return f"{first} Clips already under way go on. `/quota resume` ends the pause."
    return "New clips can be made here again." if changed else "New clips were not paused here."


def fitted(lines: Sequence[str], *, keep_last: bool = False) -> str:
    """As many lines as a message takes (docs.discord.com, message resource), and how many it does not.

    `keep_last` gives up those before it.
    """
    lines = [line if len(line) <= LINE_CHARS_MAX else f"{line[: LINE_CHARS_MAX - 1]}…" for line in lines]
    tail = lines[-1:] if keep_last else []
    head = lines[: len(lines) - len(tail)]
    shown = head
    text = "\n".join(lines)
    while len(text) > MESSAGE_CHARS_MAX:
        shown = shown[:-1]
        text = "\n".join([*shown, f"-# … and {len(head) - len(shown)} more", *tail])
    return text


def bounds_words(bounds: Bounds) -> str:
    parts = []
    if bounds.tiers is not None:
        parts.append(_tiers(bounds.tiers))
    parts += [] if bounds.resolution_max is None else [f"up to {bounds.resolution_max}"]
    parts += [] if bounds.seconds_max is None else [f"up to {bounds.seconds_max} s a clip"]
    return ", ".join(parts)


def left_of(account: Account) -> str:
    standing = account.standing
    return left_words(account.leg.unit, standing.limit, standing.spent + standing.held)


def _balance(account: Account) -> str:
    """What is left first; the rest in small type."""
    leg, standing = account.leg, account.standing
    drawn = bar(standing.spent, standing.held, standing.limit or 0, BAR_CELLS)
    details = standing_details(unit=leg.unit, spent=standing.spent, held=standing.held, window=leg.window)
    return f"`{drawn}` {left_of(account)} {NOW[leg.window.period]}\n-# {details}"


def _bonus(pool: Pool, left: int) -> str:
    shared = f" shared by <@&{pool.subject_id}>" if pool.audience is Audience.ROLE else ""
    ends = "" if pool.ends_ms is None else f" · ends <t:{pool.ends_ms // 1000}:R>"
    drawn = bar(pool.amount - left, 0, pool.amount, BAR_CELLS)
    amounts = f"{amount_words(pool.unit, left)} left of {amount_words(pool.unit, pool.amount)}"
    return f"`{drawn}` {amounts}\n-# bonus{shared}, used first{ends}"


def _whom(rule: Rule, gone: Collection[int] = ()) -> str:
    if rule.audience is Audience.ROLE and rule.subject_id in gone:
        return f"Deleted role {rule.subject_id}"
    match rule.audience:
        case Audience.SERVER:
            return "This server's pot"
        case Audience.EVERYONE:
            return "Everyone"
        case Audience.ROLE:
            return f"<@&{rule.subject_id}>"
        case Audience.MEMBER:
            return f"<@{rule.subject_id}>"


def _tiers(tiers: frozenset[Tier]) -> str:
    if tiers == frozenset(Tier):
        return "any tier"
    return f"only {', '.join(tier for tier in Tier if tier in tiers) or 'no tier'}"


def _meaning(change: RuleChange) -> list[str]:
    lines = []
    if change.before == change.after:
        lines.append("Nothing changed.")
    if change.account is not None:
        lines.append(_balance(change.account))
        lines += [_over(change.account)] if (change.account.standing.left or 0) < 0 else []
    elif change.after is not None:
        lines.append("Each member has their own; what they used in the open period counts.")
    if change.after is not None and change.after.amount == 0:
        lines.append(_forbidden(change.after.unit))
    if change.after is not None and change.before is None:
        lines += [OTHERS[change.key.audience]] if change.key.audience in OTHERS else []
    lines += _default(change)
    return lines


def _over(account: Account) -> str:
    until = "" if account.leg.window.ends_ms is None else f" until <t:{account.leg.window.ends_ms // 1000}:f>"
    held = " Clips already under way go on and are charged as shown." if account.standing.held else ""
    return f"More than this is already used or held, so nothing new is accepted{until}.{held}"


def _forbidden(unit: Unit) -> str:
    return "Only free clips are accepted under it." if unit is Unit.USD else "No clips are accepted under it."


def _default(change: RuleChange) -> list[str]:
    if change.default_micros is None:
        return []
    default = f"The budget of {dollars(change.default_micros)} a month that holds without a server rule in usd"
    return [f"{default} {'is in force again' if change.is_default_now else 'no longer applies'}."]
