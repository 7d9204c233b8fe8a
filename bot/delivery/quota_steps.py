"""Why a request would be accepted or refused, step by step."""

from collections.abc import Iterable
from dataclasses import replace

from bot.delivery.quota_cards import NOW, bounds_words, fitted, left_of, rule_words
from bot.domain.errors import BotError
from bot.domain.quota import OwnerKind, amount_words, dollars
from bot.domain.requests import Plan, Tier
from bot.domain.rules import Audience, Binding, Bounds, Rule
from bot.ports.quota import Account, Draw, Explanation, Judged


def explanation(view: Explanation, *, is_own: bool) -> str:
    """The way of one request through the rules, step by step, and its verdict."""
    judged = view.judged
    their = "Your own" if is_own else "Their own"
    steps = [_asked(judged, is_own=is_own), _whose_rules(judged.binding, judged.rules, their)]
    steps += _bound_steps(judged)
    steps += [_draw(draw) for draw in judged.draws]
    steps += [_account_step(account, their) for account in view.accounts]
    numbered = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    return fitted([*numbered, _verdict(judged, is_own=is_own)], keep_last=True)


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
        Audience.ROLE: "rules for roles",
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
        return f"✗ Allowed: {bounds_words(bounds)}."
    return f"✓ Allowed: {bounds_words(bounds)}."


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
    return f"{mark} {whose} {NOW[leg.window.period]}: {left_of(account)}; this {takes}."


def _verdict(judged: Judged, *, is_own: bool) -> str:
    """A refusal says *you* to whoever asks for the clip."""
    if judged.verdict is not None:
        return f"**Refused:** {judged.verdict}" if is_own else f"**Refused**, and told: “{judged.verdict}”"
    price = dollars(judged.price_micros)
    held = f"{price} would be held, never more charged" if judged.price_micros else "it costs nothing"
    waits = " The price must be confirmed first." if judged.awaits_confirming else ""
    waits += " It then waits for somebody's approval." if judged.awaits_approval else ""
    return f"**Accepted:** {held}.{waits}"
