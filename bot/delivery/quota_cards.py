"""What people read about quotas: balances with bars, rules before and after, bonuses, pauses."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.delivery.bars import bar, standing_line
from bot.domain.errors import BotError
from bot.domain.quota import OwnerKind, Period, Unit, amount_words, dollars
from bot.domain.requests import Plan, Tier
from bot.domain.rules import Audience, Binding, Bounds, Pool, Rule
from bot.ports.quota import Account, Draw, Explanation, Judged, Overview, RuleChange

MESSAGE_CHARS_MAX = 2000
LINE_CHARS_MAX = 600
PERIODS = {Period.DAY: "a day", Period.WEEK: "a week", Period.MONTH: "a month", Period.TOTAL: "in total"}
NOW = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month", Period.TOTAL: "in total"}
UNITS = {Unit.USD: "dollars", Unit.SECONDS: "seconds", Unit.CLIPS: "clips"}
NO_RULE = "no rule"
OTHERS = {
    Audience.ROLE: "It replaces what everyone's rules say for members with this role.",
    Audience.MEMBER: "It replaces what the rules for everyone and for roles say for this member.",
}


def overview(view: Overview, *, is_own: bool) -> str:
    """A bar and a sentence for every balance that limits."""
    whose = "You" if is_own else f"<@{view.who.member_id}>"
    lines = [f"**{whose}**", *map(_balance, view.own)]
    if not view.own:
        lines.append("No rule of this server limits you on your own." if is_own else "No rule limits this member.")
    lines += [f"-# {words}" for words in map(_bounds, view.binding.own_bounds) if words]
    lines += [_bonus(pool, left) for pool, left in view.pools]
    lines += ["**This server**", *map(_balance, view.server)]
    lines += ["New clips are paused here."] if view.paused_by is not None else []
    if is_own and view.rules:
        lines += ["**Rules here**", *(f"{_whom(rule)}: {rule_words(rule)}" for rule in view.rules)]
    return fitted(lines)


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
    bounds = _bounds(rule.bounds)
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


def explanation(view: Explanation, *, is_own: bool) -> str:
    """The way of one request through the rules, step by step, and its verdict."""
    judged = view.judged
    their = "Your own" if is_own else "Their own"
    steps = [_asked(judged, is_own=is_own), _whose_rules(judged.binding, judged.rules, their)]
    steps += _bound_steps(judged)
    steps += [_draw(draw) for draw in judged.draws]
    steps += [_account_step(account, their) for account in view.accounts]
    numbered = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    return fitted([*numbered, _verdict(judged)], keep_last=True)


def fitted(lines: Sequence[str], *, keep_last: bool = False) -> str:
    """As many lines as a message takes (docs.discord.com, message resource); `keep_last` gives up those before it."""
    lines = [line if len(line) <= LINE_CHARS_MAX else f"{line[: LINE_CHARS_MAX - 1]}…" for line in lines]
    tail = lines[-1:] if keep_last else []
    head = lines[: len(lines) - len(tail)]
    if len("\n".join([*head, *tail])) <= MESSAGE_CHARS_MAX:
        return "\n".join([*head, *tail])
    while head and len("\n".join([*head, "-# …", *tail])) > MESSAGE_CHARS_MAX:
        head.pop()
    return "\n".join([*head, "-# …", *tail])


def _balance(account: Account) -> str:
    leg, standing = account.leg, account.standing
    drawn = bar(standing.spent, standing.held, standing.limit or 0)
    return f"`{drawn}` {NOW[leg.window.period]}: {_standing(account)}"


def _standing(account: Account) -> str:
    leg, standing = account.leg, account.standing
    return standing_line(
        unit=leg.unit, limit=standing.limit, spent=standing.spent, held=standing.held, window=leg.window
    )


def _bonus(pool: Pool, left: int) -> str:
    shared = f" shared by <@&{pool.subject_id}>" if pool.audience is Audience.ROLE else ""
    ends = "" if pool.ends_ms is None else f" · ends <t:{pool.ends_ms // 1000}:R>"
    drawn = bar(pool.amount - left, 0, pool.amount)
    amounts = f"{amount_words(pool.unit, left)} left of {amount_words(pool.unit, pool.amount)}"
    return f"`{drawn}` bonus{shared}, used first: {amounts}{ends}"


def _whom(rule: Rule) -> str:
    match rule.audience:
        case Audience.SERVER:
            return "This server's pot"
        case Audience.EVERYONE:
            return "Everyone"
        case Audience.ROLE:
            return f"<@&{rule.subject_id}>"
        case Audience.MEMBER:
            return f"<@{rule.subject_id}>"


def _bounds(bounds: Bounds) -> str:
    parts = []
    if bounds.tiers is not None:
        parts.append(_tiers(bounds.tiers))
    parts += [] if bounds.resolution_max is None else [f"up to {bounds.resolution_max}"]
    parts += [] if bounds.seconds_max is None else [f"up to {bounds.seconds_max} s a clip"]
    return ", ".join(parts)


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


def _asked(judged: Judged, *, is_own: bool) -> str:
    plan = judged.plan
    asks = "You ask" if is_own else f"<@{judged.who.member_id}> asks"
    if plan is None:
        return f"{asks} for a clip that no provider here makes."
    price = dollars(judged.price_micros) if judged.price_micros else "free"
    return f"{asks} for {_clip(plan)} from {plan.provider}: at most **{price}**."


def _clip(plan: Plan) -> str:
    return f"{plan.tier.value}, {plan.duration_seconds} s, {plan.resolution}"


def _whose_rules(binding: Binding, rules: Iterable[Rule], their: str) -> str:
    """Which audience's rules are the member's, and which gave way to them."""
    known = list(rules)
    own = [rule for rule in known if rule.audience is binding.audience]
    if binding.audience is None:
        return "No rule is about members here: only the server's budget limits."
    listed = "; ".join(_named(rule) for rule in own)
    broader = {rule.audience for rule in known} - {binding.audience, Audience.SERVER}
    because = {
        Audience.MEMBER: "rules about one member alone",
        Audience.ROLE: "rules for one of the roles",
        Audience.EVERYONE: "rules for everyone, and none is narrower",
    }[binding.audience]
    gone = f" They replace the rules for {_audiences(broader)}." if broader else ""
    largest = " Of several roles the largest amount counts." if len({rule.subject_id for rule in own}) > 1 else ""
    return f"{their} limits: {listed} ({because}).{largest}{gone}"


def _named(rule: Rule) -> str:
    subject = f"<@&{rule.subject_id}> " if rule.audience is Audience.ROLE else ""
    return f"{subject}{rule_words(replace(rule, audience=Audience.MEMBER))}"


def _audiences(audiences: Iterable[Audience]) -> str:
    names = {Audience.ROLE: "their roles", Audience.EVERYONE: "everyone"}
    return " and ".join(names[audience] for audience in Audience if audience in audiences and audience in names)


def _bound_steps(judged: Judged) -> list[str]:
    """Every bound that binds, with whether the request keeps to it."""
    if judged.plan is None:
        return []
    choices = judged.choices
    tiers = None if choices.allowed_tiers == frozenset(Tier) else choices.allowed_tiers
    settings = Bounds(tiers=tiers, seconds_max=choices.longest_seconds)
    server = [rule.bounds for rule in judged.binding.server]
    known = dict.fromkeys([settings, *judged.binding.own_bounds, *server])
    return [_bound_step(one, judged.plan) for one in known if one != Bounds()]


def _bound_step(bounds: Bounds, plan: Plan) -> str:
    try:
        bounds.check(plan)
    except BotError:
        return f"✗ Allowed is {_bounds(bounds)}."
    return f"✓ Allowed is {_bounds(bounds)}."


def _draw(draw: Draw) -> str:
    unit = draw.pool.unit
    taken = f"it pays {amount_words(unit, draw.taken)} first" if draw.taken else "it pays nothing here"
    return f"Bonus with {amount_words(unit, draw.left)} left: {taken}."


def _account_step(account: Account, their: str) -> str:
    """The operator's figures are the operator's own."""
    leg = account.leg
    mark = "✓" if account.fits else "✗"
    if leg.owner.kind is OwnerKind.OPERATOR:
        return f"{mark} The bot's own day for all servers together {'has' if account.fits else 'lacks'} room for it."
    whose = "The server" if leg.owner.kind is OwnerKind.GUILD else their
    takes = f"takes {amount_words(leg.unit, leg.amount)}" if leg.amount else "takes nothing of it"
    return f"{mark} {whose} {NOW[leg.window.period]}: {_standing(account)}; this {takes}."


def _verdict(judged: Judged) -> str:
    if judged.verdict is not None:
        return f"**Refused:** {judged.verdict}"
    price = dollars(judged.price_micros)
    held = f"{price} would be held, never more charged" if judged.price_micros else "it costs nothing"
    waits = " The price must be confirmed first." if judged.awaits_confirming else ""
    waits += " It then waits for somebody's approval." if judged.awaits_approval else ""
    return f"**Accepted:** {held}.{waits}"
