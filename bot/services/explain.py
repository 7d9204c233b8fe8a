"""Why a request would be accepted or refused: the rules, balances and bonuses that its hold would meet."""

from contextlib import suppress

from bot.domain.errors import BotError, RequestError
from bot.domain.jobs import ChannelTarget, Job
from bot.domain.quota import Leg, OwnerKind, Unit
from bot.domain.requests import Plan
from bot.domain.rules import Audience, Binding, Caps, Pool, Rule, binding_of, drained, legs_of
from bot.ports.books import Transaction
from bot.ports.quota import Ask, Draw, Judged, Who
from bot.services.admission import Admission
from bot.services.routing import Router


def judge(tx: Transaction, *, ask: Ask, router: Router, admission: Admission, caps: Caps, now_ms: int) -> Judged:
    """The verdict is that of the door itself, for a job that is never written down; nothing is held."""
    who, choices = ask.who, tx.rules.settings(ask.who.guild_id)
    rules = tx.rules.of_guild(who.guild_id)
    binding = binding_of(rules, who.member_id, who.role_ids)
    plan: Plan | None = None
    price, verdict = 0, _verdict(tx, ask, admission, now_ms)
    legs: list[Leg] = []
    draws: tuple[Draw, ...] = ()
    with suppress(RequestError):
        plan, price = router.preview(ask.request, choices=choices)
        legs, draws = _legs(tx, who, binding, plan, price, caps, now_ms)
    return Judged(
        who=who,
        rules=tuple(rule for rule in rules if _is_about(rule, who)),
        choices=choices,
        binding=binding,
        plan=plan,
        price_micros=price,
        draws=draws,
        legs=tuple(legs),
        verdict=verdict,
    )


def _verdict(tx: Transaction, ask: Ask, admission: Admission, now_ms: int) -> BotError | None:
    who = ask.who
    job = Job(
        id=0,
        guild_id=who.guild_id,
        member_id=who.member_id,
        role_ids=who.role_ids,
        target=ChannelTarget(
            channel_id=ask.channel_id, status_message_id=0, opens_thread=False, parent_id=ask.parent_id
        ),
        request=ask.request,
        created_ms=now_ms,
        since_ms=now_ms,
        due_ms=now_ms,
    )
    try:
        admission.check(tx, job)
    except BotError as refusal:
        return refusal
    return None


def _legs(
    tx: Transaction, who: Who, binding: Binding, plan: Plan, price: int, caps: Caps, now_ms: int
) -> tuple[list[Leg], tuple[Draw, ...]]:
    whole = legs_of(
        guild_id=who.guild_id,
        member_id=who.member_id,
        rules=binding.rules,
        caps=caps,
        amounts={Unit.USD: price, Unit.SECONDS: plan.duration_seconds, Unit.CLIPS: 1},
        now_ms=now_ms,
        zone=tx.rules.settings(who.guild_id).zone,
    )
    pools = serving(tx, who, now_ms)
    legs = drained(whole, pools, now_ms)
    taken = {leg.owner: leg.amount for leg in legs if leg.owner.kind is OwnerKind.POOL}
    return legs, tuple(Draw(pool=pool, left=left, taken=taken.get(pool.owner, 0)) for pool, left in pools)


def serving(tx: Transaction, who: Who, now_ms: int) -> list[tuple[Pool, int]]:
    """The bonuses for this member, with what is left of each."""
    pools = tx.rules.pools(who.guild_id, now_ms=now_ms)
    return [(pool, left) for pool, left in pools if pool.serves(who.member_id, who.role_ids, now_ms)]


def _is_about(rule: Rule, who: Who) -> bool:
    match rule.audience:
        case Audience.SERVER | Audience.EVERYONE:
            return True
        case Audience.ROLE:
            return rule.subject_id in who.role_ids
        case Audience.MEMBER:
            return str(rule.subject_id) == who.member_id
