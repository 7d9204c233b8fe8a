"""Why a request would be accepted or refused: the rules, balances and bonuses that its hold would meet."""

from collections.abc import Iterable
from contextlib import suppress

from bot.domain.errors import BotError, RequestError
from bot.domain.jobs import ChannelTarget, Job
from bot.domain.quota import Leg, OwnerKind
from bot.domain.requests import Plan
from bot.domain.rules import Audience, Pool, Rule, binding_of
from bot.ports.books import Transaction
from bot.ports.quota import Ask, Draw, Judged, Who
from bot.services.admission import Admission, is_above, may_approve
from bot.services.routing import Router


def judge(tx: Transaction, *, ask: Ask, router: Router, admission: Admission, now_ms: int) -> Judged:
    """Verdict and legs are those of the door itself, for a job that is never written down; nothing is held."""
    who, choices, job = ask.who, tx.rules.settings(ask.who.guild_id), _job(ask, now_ms)
    rules = tx.rules.of_guild(who.guild_id)
    plan: Plan | None = None
    price, legs = 0, list[Leg]()
    with suppress(RequestError):
        plan = admission.plan(tx, job)
        price = router.quote(plan)
        legs = admission.legs(tx, job, choices, plan, price)
    pools = [] if plan is None else serving(tx, who, now_ms)
    return Judged(
        who=who,
        rules=tuple(rule for rule in rules if _is_about(rule, who)),
        choices=choices,
        binding=binding_of(rules, who.member_id, who.role_ids),
        plan=plan,
        price_micros=price,
        draws=_draws(pools, legs),
        legs=tuple(legs),
        verdict=_verdict(tx, job, admission),
        awaits_confirming=is_above(price, choices.confirm_above_micros),
        awaits_approval=is_above(price, choices.approve_above_micros) and not may_approve(job, choices),
    )


def _job(ask: Ask, now_ms: int) -> Job:
    who = ask.who
    target = ChannelTarget(
        channel_id=ask.channel_id,
        status_message_id=0,
        opens_thread=False,
        parent_id=ask.parent_id,
        by_manager=who.is_manager,
    )
    return Job(
        id=0,
        guild_id=who.guild_id,
        member_id=who.member_id,
        role_ids=who.role_ids,
        target=target,
        request=ask.request,
        created_ms=now_ms,
        since_ms=now_ms,
        due_ms=now_ms,
    )


def _verdict(tx: Transaction, job: Job, admission: Admission) -> BotError | None:
    try:
        admission.check(tx, job)
    except BotError as refusal:
        return refusal
    return None


def _draws(pools: Iterable[tuple[Pool, int]], legs: Iterable[Leg]) -> tuple[Draw, ...]:
    taken = {leg.owner: leg.amount for leg in legs if leg.owner.kind is OwnerKind.POOL}
    return tuple(Draw(pool=pool, left=left, taken=taken.get(pool.owner, 0)) for pool, left in pools)


def serving(tx: Transaction, who: Who, now_ms: int) -> list[tuple[Pool, int]]:
    """The bonuses for this member that are not used up, with what is left of each."""
    pools = tx.rules.pools(who.guild_id, now_ms=now_ms)
    return [(pool, left) for pool, left in pools if left > 0 and pool.serves(who.member_id, who.role_ids, now_ms)]


def _is_about(rule: Rule, who: Who) -> bool:
    match rule.audience:
        case Audience.SERVER | Audience.EVERYONE:
            return True
        case Audience.ROLE:
            return rule.subject_id in who.role_ids
        case Audience.MEMBER:
            return str(rule.subject_id) == who.member_id
