"""Who may spend how much: rules, which of them bind, and the legs that a job books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

MICROS = 1_000_000


class Unit(StrEnum):
    """What is counted: micro-dollars, seconds of output asked for, clips."""

    USD = "usd"
    SECONDS = "seconds"
    CLIPS = "clips"


class Period(StrEnum):
    """How long an amount lasts; a new period is a new balance."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Audience(StrEnum):
    """Whom a rule is for. Rules for everyone or a role are each member's own allowance; the server's is one pot."""

    SERVER = "server"
    EVERYONE = "everyone"
    ROLE = "role"
    MEMBER = "member"


class OwnerKind(StrEnum):
    """Whose balance it is."""

    GUILD = "guild"
    MEMBER = "member"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody with balances: a guild, a member of a guild (of none on the command line), or the operator."""

    kind: OwnerKind
    guild_id: int | None = None
    member_id: str | None = None


OPERATOR = Owner(kind=OwnerKind.OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An amount of a unit per period for an audience. `subject_id` is the role's or member's Discord id."""

    guild_id: int
    audience: Audience
    subject_id: int | None = None
    unit: Unit
    period: Period
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One period: its name (`2026-11-20`, `2026-W47`, `2026-11`, `total`), its start, and its end (None: never)."""

    period: Period
    name: str
    starts_ms: int
    ends_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One balance that a job touches. `limit` None only meters; else no more than the limit may be spent or held."""

    owner: Owner
    unit: Unit
    window: Window
    amount: int
    limit: int | None


def window_at(period: Period, now_ms: int, zone: tzinfo) -> Window:
    now = datetime.fromtimestamp(now_ms / 1000, tz=zone)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match period:
        case Period.DAY:
            return _window(period, f"{day:%Y-%m-%d}", day, day + timedelta(days=1))
        case Period.WEEK:
            monday = day - timedelta(days=day.weekday())
            return _window(period, f"{day:%G-W%V}", monday, monday + timedelta(days=7))
        case Period.MONTH:
            first = day.replace(day=1)
            return _window(period, f"{day:%Y-%m}", first, (first + timedelta(days=32)).replace(day=1))
        case Period.TOTAL:
            return Window(period=period, name="total", starts_ms=0, ends_ms=None)


def _window(period: Period, name: str, start: datetime, end: datetime) -> Window:
    return Window(
        period=period, name=name, starts_ms=round(start.timestamp() * 1000), ends_ms=round(end.timestamp() * 1000)
    )


def binding_rules(rules: Iterable[Rule], member_id: str, role_ids: Sequence[int]) -> list[Rule]:
    """The rules that bind this member.

    The server's always do. Of member, role and everyone the most specific that has any rule replaces the broader;
    among several roles the largest amount per unit and period counts.
    """
    rules = list(rules)
    server = [rule for rule in rules if rule.audience is Audience.SERVER]
    own = [rule for rule in rules if rule.audience is Audience.MEMBER and str(rule.subject_id) == member_id]
    roles = [rule for rule in rules if rule.audience is Audience.ROLE and rule.subject_id in role_ids]
    everyone = [rule for rule in rules if rule.audience is Audience.EVERYONE]
    return server + (own or _largest(roles) or everyone)


def _largest(rules: Iterable[Rule]) -> list[Rule]:
    best: dict[tuple[Unit, Period], Rule] = {}
    for rule in rules:
        key = (rule.unit, rule.period)
        if key not in best or rule.amount > best[key].amount:
            best[key] = rule
    return list(best.values())


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
    legs = [
        Leg(owner=o, unit=u, window=window_at(p, now_ms, zone), amount=amounts[u], limit=limit)
        for (o, u, p), limit in sorted(limits.items(), key=lambda item: owners.index(item[0][0]))
    ]
    return [*legs, _operator_leg(amounts[Unit.USD], caps, now_ms)]


def _operator_leg(amount: int, caps: Caps, now_ms: int) -> Leg:
    today = window_at(Period.DAY, now_ms, UTC)
    return Leg(owner=OPERATOR, unit=Unit.USD, window=today, amount=amount, limit=caps.operator_day_micros)


def amount_words(unit: Unit, amount: int) -> str:
    """An amount as a person reads it: `$4.60`, `35 s`, `2 clips`."""
    match unit:
        case Unit.USD:
            return dollars(amount)
        case Unit.SECONDS:
            return f"{amount} s"
        case Unit.CLIPS:
            return f"{amount} clip" if amount == 1 else f"{amount} clips"


def dollars(micros: int) -> str:
    """Exact, with at least two decimals: `$0.40`, `$0.000001`."""
    return f"${decimal_dollars(micros)}" if micros >= 0 else f"-${decimal_dollars(-micros)}"


def decimal_dollars(micros: int) -> str:
    """A decimal string for JSON and CSV: `0.40`."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    whole, part = divmod(micros, MICROS)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
