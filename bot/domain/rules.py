"""Who may spend how much: rules, which of them bind, and the legs that a job books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from enum import StrEnum

from bot.domain.errors import BoundError
from bot.domain.quota import OPERATOR, Leg, Owner, OwnerKind, Period, Unit, window_at
from bot.domain.requests import RESOLUTIONS, Plan, Tier


class Audience(StrEnum):
    """Whom a rule is for. Rules for everyone or a role are each member's own allowance; the server's is one pot."""

    SERVER = "server"
    EVERYONE = "everyone"
    ROLE = "role"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a rule allows beside its amount; None does not bound."""

    tiers: frozenset[Tier] | None = None
    resolution_max: str | None = None
    seconds_max: int | None = None

    def check(self, plan: Plan) -> None:
        """Raises BoundError, naming what is allowed."""
        if self.tiers is not None and plan.tier not in self.tiers:
            allowed = ", ".join(sorted(tier.value for tier in self.tiers))
            raise BoundError(option="tier", asked=plan.tier.value, allowed=allowed or "none")
        if self.resolution_max is not None and _rank(plan.resolution) > _rank(self.resolution_max):
            raise BoundError(option="resolution", asked=plan.resolution, allowed=f"up to {self.resolution_max}")
        if self.seconds_max is not None and plan.duration_seconds > self.seconds_max:
            raise BoundError(option="length", asked=f"{plan.duration_seconds} s", allowed=f"up to {self.seconds_max} s")

    def allows(self, plan: Plan) -> bool:
        try:
            self.check(plan)
        except BoundError:
            return False
        return True

    def wider(self, other: "Bounds") -> "Bounds":
        """What either allows."""
        no_tiers = self.tiers is None or other.tiers is None
        no_resolution = self.resolution_max is None or other.resolution_max is None
        no_seconds = self.seconds_max is None or other.seconds_max is None
        return Bounds(
            tiers=None if no_tiers else (self.tiers or frozenset()) | (other.tiers or frozenset()),
            resolution_max=None if no_resolution else max(self.resolution_max, other.resolution_max, key=_rank),  # type: ignore[arg-type] # neither is None here
            seconds_max=None if no_seconds else max(self.seconds_max or 0, other.seconds_max or 0),
        )


def _rank(resolution: str) -> int:
    return RESOLUTIONS.index(resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An amount of a unit per period for an audience. `subject_id` is the role's or member's Discord id."""

    guild_id: int
    audience: Audience
    subject_id: int | None = None
    unit: Unit
    period: Period
    amount: int
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def key(self) -> tuple[Audience, int | None, Unit, Period]:
        return (self.audience, self.subject_id, self.unit, self.period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The rules that bind one member, by where they come from; `audience` is the one whose rules are the member's."""

    server: tuple[Rule, ...] = ()
    own: tuple[Rule, ...] = ()
    audience: Audience | None = None
    own_bounds: tuple[Bounds, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.own + self.server

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """Every bound that binds."""
        return (*self.own_bounds, *(rule.bounds for rule in self.server))


def binding_of(rules: Iterable[Rule], member_id: str, role_ids: Sequence[int]) -> Binding:
    """The rules that bind this member.

    The server's always do. Of member, role and everyone the most specific that has any rule replaces the broader,
    bounds included; among several roles the largest amount per unit and period counts, and the widest bounds.
    """
    rules = list(rules)
    server = tuple(rule for rule in rules if rule.audience is Audience.SERVER)
    groups = {
        Audience.MEMBER: [r for r in rules if r.audience is Audience.MEMBER and str(r.subject_id) == member_id],
        Audience.ROLE: [r for r in rules if r.audience is Audience.ROLE and r.subject_id in role_ids],
        Audience.EVERYONE: [r for r in rules if r.audience is Audience.EVERYONE],
    }
    for audience, group in groups.items():
        if group:
            own = _largest(group)
            return Binding(server=server, own=own, audience=audience, own_bounds=_bounds(group))
    return Binding(server=server)


def _largest(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    best: dict[tuple[Unit, Period], Rule] = {}
    for rule in rules:
        key = (rule.unit, rule.period)
        if key not in best or rule.amount > best[key].amount:
            best[key] = rule
    return tuple(best.values())


def _bounds(rules: Sequence[Rule]) -> tuple[Bounds, ...]:
    """All rules of one subject bind together; of several subjects (roles) the widest do."""
    by_subject: dict[int | None, list[Bounds]] = {}
    for rule in rules:
        by_subject.setdefault(rule.subject_id, []).append(rule.bounds)
    if len(by_subject) == 1:
        return tuple(rule.bounds for rule in rules)
    narrowed = [narrowest(group) for group in by_subject.values()]
    widest = narrowed[0]
    for bounds in narrowed[1:]:
        widest = widest.wider(bounds)
    return (widest,)


def narrowest(group: Sequence[Bounds]) -> Bounds:
    """What all of them allow."""
    tiers = [bounds.tiers for bounds in group if bounds.tiers is not None]
    resolutions = [bounds.resolution_max for bounds in group if bounds.resolution_max is not None]
    seconds = [bounds.seconds_max for bounds in group if bounds.seconds_max is not None]
    return Bounds(
        tiers=frozenset.intersection(*tiers) if tiers else None,
        resolution_max=min(resolutions, key=_rank) if resolutions else None,
        seconds_max=min(seconds) if seconds else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A bonus for a member or a role's members together: drained first, gone at its end."""

    id: int
    guild_id: int
    audience: Audience
    subject_id: int
    unit: Unit
    amount: int
    ends_ms: int | None

    @property
    def owner(self) -> Owner:
        return Owner(kind=OwnerKind.POOL, guild_id=self.guild_id, member_id=str(self.id))

    def serves(self, member_id: str, role_ids: Sequence[int], now_ms: int) -> bool:
        mine = str(self.subject_id) == member_id if self.audience is Audience.MEMBER else self.subject_id in role_ids
        return mine and (self.ends_ms is None or now_ms < self.ends_ms)


def drained(legs: Sequence[Leg], pools: Sequence[tuple[Pool, int]], now_ms: int) -> list[Leg]:
    """The legs with a member's limited amounts taken from bonus pools first; `pools` comes with what each has left.

    The order is total: the pool that ends first, then the older one. The server's and the operator's legs stay whole.
    """
    limited = {leg.unit for leg in legs if leg.owner.kind is OwnerKind.MEMBER and leg.limit is not None}
    owed = {leg.unit: leg.amount for leg in legs if leg.unit in limited}
    taken: list[Leg] = []
    for pool, left in sorted(pools, key=lambda item: (item[0].ends_ms is None, item[0].ends_ms or 0, item[0].id)):
        amount = min(max(left, 0), owed.get(pool.unit, 0))
        if amount:
            owed[pool.unit] -= amount
            window = window_at(Period.TOTAL, now_ms, UTC)
            taken.append(Leg(owner=pool.owner, unit=pool.unit, window=window, amount=amount, limit=pool.amount))
    rest = [_with_rest(leg, owed) if _is_allowance(leg) else leg for leg in legs]
    return [*taken, *rest]


def _is_allowance(leg: Leg) -> bool:
    return leg.owner.kind is OwnerKind.MEMBER and leg.limit is not None


def _with_rest(leg: Leg, owed: Mapping[Unit, int]) -> Leg:
    return replace(leg, amount=owed[leg.unit])


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The limits that hold without any rule: a server's month budget and the operator's day cap, in micro-dollars."""

    guild_month_micros: int
    operator_day_micros: int


def legs_of(
    *,
    guild_id: int | None,
    member_id: str,
    rules: Sequence[Rule],
    caps: Caps,
    amounts: Mapping[Unit, int],
    now_ms: int,
    zone: tzinfo,
) -> list[Leg]:
    """Every balance that a job of these amounts touches; `rules` are those that bind, the narrowest first to refuse.

    Guild and member are metered per month in every unit, rule or none. The operator's day is UTC for all: `zone`
    only says where the guild's periods begin.
    """
    member = Owner(kind=OwnerKind.MEMBER, guild_id=guild_id, member_id=member_id)
    limits: dict[tuple[Owner, Unit, Period], int | None] = {}
    guild = Owner(kind=OwnerKind.GUILD, guild_id=guild_id)
    owners = [member] if guild_id is None else [member, guild]
    for owner in owners:
        limits |= {(owner, unit, Period.MONTH): None for unit in Unit}
    if guild_id is not None and not any(r.audience is Audience.SERVER and r.unit is Unit.USD for r in rules):
        limits[guild, Unit.USD, Period.MONTH] = caps.guild_month_micros
    for rule in rules:
        limits[guild if rule.audience is Audience.SERVER else member, rule.unit, rule.period] = rule.amount
    windows = {period: window_at(period, now_ms, zone) for period in {period for _, _, period in limits}}
    legs = [
        Leg(owner=o, unit=u, window=windows[p], amount=amounts[u], limit=limit)
        for (o, u, p), limit in sorted(limits.items(), key=lambda item: owners.index(item[0][0]))
    ]
    return [*legs, _operator_leg(amounts[Unit.USD], caps, now_ms)]


def _operator_leg(amount: int, caps: Caps, now_ms: int) -> Leg:
    today = window_at(Period.DAY, now_ms, UTC)
    return Leg(owner=OPERATOR, unit=Unit.USD, window=today, amount=amount, limit=caps.operator_day_micros)
