"""What is counted, for how long and whose: units, periods, owners, balances, and their words."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from bot.domain.request_errors import AmountError

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


class OwnerKind(StrEnum):
    """Whose balance it is."""

    GUILD = "guild"
    MEMBER = "member"
    OPERATOR = "operator"
    POOL = "pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody with balances: a guild, a member of a guild (of none on the command line), a bonus pool, the operator.

    A pool's own id stands in `member_id`.
    """

    kind: OwnerKind
    guild_id: int | None = None
    member_id: str | None = None


OPERATOR = Owner(kind=OwnerKind.OPERATOR)


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


def amount_words(unit: Unit, amount: int) -> str:
    """An amount as a person reads it: `$4.60`, `35 s`, `2 clips`."""
    match unit:
        case Unit.USD:
            return dollars(amount)
        case Unit.SECONDS:
            return f"{amount} s"
        case Unit.CLIPS:
            return f"{amount} clip" if amount == 1 else f"{amount} clips"


AMOUNT_CHARS_MAX = 24
DECIMALS_MAX = 6
AMOUNTS_MAX = {Unit.USD: 1_000_000 * MICROS, Unit.SECONDS: 10_000_000, Unit.CLIPS: 1_000_000}


def parse_amount(unit: Unit, text: str) -> int:
    """What an admin typed, exactly: `5`, `$4.60`, `30s`. Raises AmountError."""
    typed = text.strip().removeprefix("$").removesuffix("s" if unit is Unit.SECONDS else "").replace(",", "").strip()
    most = amount_words(unit, AMOUNTS_MAX[unit])
    scale = MICROS if unit is Unit.USD else 1
    if len(typed) > AMOUNT_CHARS_MAX:
        raise AmountError(given=f"{text[:AMOUNT_CHARS_MAX]}…", unit=unit.value, limit="that is too long")
    try:
        value = Decimal(typed)
    except InvalidOperation:
        raise AmountError(given=text, unit=unit.value, limit="write a number such as 5") from None
    if not value.is_finite() or value < 0:
        raise AmountError(given=text, unit=unit.value, limit=f"it must lie between 0 and {most}")
    # Compared before it is scaled: an exponent of thousands would overflow, or round to nothing.
    if value > AMOUNTS_MAX[unit] // scale:
        raise AmountError(given=text, unit=unit.value, limit=f"{most} is the most")
    if value and (value.adjusted() < -DECIMALS_MAX or value * scale % 1):
        limit = "six decimals are the most" if unit is Unit.USD else "only whole numbers"
        raise AmountError(given=text, unit=unit.value, limit=limit)
    return int(value * scale)


def dollars(micros: int) -> str:
    """Exact, with at least two decimals: `$0.40`, `$0.000001`."""
    return f"${decimal_dollars(micros)}" if micros >= 0 else f"-${decimal_dollars(-micros)}"


def decimal_dollars(micros: int) -> str:
    """A decimal string for JSON and CSV: `0.40`."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    whole, part = divmod(micros, MICROS)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
