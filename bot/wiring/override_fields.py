"""What `providers.toml` may say of a provider, field by field."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from bot.domain.capabilities import Option
from bot.domain.pricing import PerSecond, PerSecondByResolution, PerToken, PriceRule, VideoInputFactor, WithMinimum
from bot.domain.prompts import PROMPT_CHARS_MAX
from bot.domain.quota import MICROS
from bot.domain.requests import RESOLUTIONS, Aspect, Tier
from bot.domain.slots import SLOTS_MAX, Kind

EVERY = "*"
"""Stands for every resolution where one amount is given."""
SECONDS_MAX = 60
DOLLARS_MAX = 10_000
MICROS_DECIMALS = Decimal("0.000001")
SOURCE = "this server's operator"
_AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,20})?")
_NO_AMOUNT = "must be a number such as 0.12"
_NO_DURATIONS = "must be whole seconds such as [5, 10], or { min = 4, max = 15 }"


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or all that there is."""
    known = list(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"


# -- values


def _named(
    what: str, known: Iterable[str], make: Callable[[str], object] = str, *, also: Iterable[str] = ()
) -> BeforeValidator:
    names, others = list(known), list(also)

    def checked(value: object) -> object:
        if value not in names + others:
            raise ValueError(f"no such {what} as {str(value)!a:.40}; {nearest(str(value), names)}")
        return make(str(value))

    return BeforeValidator(checked)


def _micros(value: object) -> object:
    """Dollars, exact to the micro-dollar: a number or its text."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise ValueError(_NO_AMOUNT)
    if not 0 <= value <= DOLLARS_MAX:
        raise ValueError(f"must be at least 0 and at most {DOLLARS_MAX:,}")
    exact = Decimal(value).quantize(MICROS_DECIMALS)
    if exact != value:
        raise ValueError("has more than 6 decimals")
    return int(exact * MICROS)


def _for_every(value: object) -> object:
    return value if isinstance(value, dict) else {EVERY: value}


def _seconds(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,4}", value):
        raise ValueError("must be whole seconds such as 5")
    return int(value)


def _durations(value: object) -> object:
    if isinstance(value, dict) and set(value) == {"min", "max"} and all(type(end) is int for end in value.values()):
        value = list(range(max(value["min"], 0), min(value["max"], SECONDS_MAX + 1) + 1))
    if not isinstance(value, list) or not value or not all(type(one) is int for one in value):
        raise ValueError(_NO_DURATIONS)
    if not all(1 <= one <= SECONDS_MAX for one in value):
        raise ValueError(f"must lie between 1 and {SECONDS_MAX} s")
    return tuple(sorted(set(value)))


def _rate(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)]
Amount = Annotated[int, BeforeValidator(_micros)]
Resolution = Annotated[str, _named("resolution", RESOLUTIONS)]
TierName = Annotated[Tier, _named("tier", Tier, Tier)]
ByResolution = Annotated[
    dict[Annotated[str, _named("resolution", RESOLUTIONS, also=[EVERY])], Amount], BeforeValidator(_for_every)
]
Minimum = dict[Resolution, dict[Annotated[int, BeforeValidator(_seconds)], Amount]]
Count = Annotated[int, Field(ge=1, le=1000)]


# -- tables


class Table(BaseModel):
    """A table of the file; what it does not name stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OwnPrice(Table):
    """A tier's price in dollars. The day it is of is the file's own where none is given."""

    usd_per_second: ByResolution | None = None
    usd_per_million_tokens: ByResolution | None = None
    minimum_usd: Minimum | None = None
    video_input_percent: Annotated[int, Field(ge=1, le=1000)] | None = None
    source: Text = SOURCE
    dated: date | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> "OwnPrice":
        if (self.usd_per_second is None) == (self.usd_per_million_tokens is None):
            raise ValueError("must hold either usd_per_second or usd_per_million_tokens")
        if self.minimum_usd is not None and self.usd_per_second is None:
            raise ValueError("minimum_usd goes with usd_per_second")
        if self.minimum_usd is not None and self.video_input_percent is not None:
            raise ValueError("minimum_usd does not go with video_input_percent")
        if self.dated is not None and self.dated > datetime.now(tz=UTC).date() + timedelta(days=1):
            raise ValueError("dated lies in the future")
        return self

    def rule(self, resolutions: tuple[str, ...], changed_on: date) -> PriceRule:
        dated = self.dated or changed_on
        rule = self._plain(resolutions, dated)
        if self.video_input_percent is None:
            return rule
        return VideoInputFactor(rule=rule, percent=self.video_input_percent, source=self.source, dated=dated)

    def _plain(self, resolutions: tuple[str, ...], dated: date) -> PriceRule:
        if self.usd_per_million_tokens is not None:
            tokens = _spread(self.usd_per_million_tokens, resolutions)
            return PerToken(micros_per_million=tokens, source=self.source, dated=dated)
        seconds = self.usd_per_second or {}
        if self.minimum_usd is not None:
            micros, least = _spread(seconds, resolutions), self.minimum_usd
            return WithMinimum(micros=micros, minimum_micros=least, source=self.source, dated=dated)
        if set(seconds) == {EVERY}:
            return PerSecond(micros=seconds[EVERY], source=self.source, dated=dated)
        return PerSecondByResolution(micros=_spread(seconds, resolutions), source=self.source, dated=dated)


def _spread(amounts: Mapping[str, int], resolutions: Iterable[str]) -> dict[str, int]:
    return {one: amounts.get(one, amounts[EVERY]) for one in resolutions} if EVERY in amounts else dict(amounts)


class OwnTier(Table):
    """A tier, changed or new."""

    model: Text | None = None
    resolutions: Annotated[list[Resolution], Field(min_length=1)] | None = None
    price: OwnPrice | None = None
    free_per_month: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class OwnReferences(Table):
    """How many references it takes."""

    image: Annotated[int, Field(ge=0, le=SLOTS_MAX[Kind.IMAGE])] | None = None
    video: Annotated[int, Field(ge=0, le=SLOTS_MAX[Kind.VIDEO])] | None = None
    audio: Annotated[int, Field(ge=0, le=SLOTS_MAX[Kind.AUDIO])] | None = None
    total: Annotated[int, Field(ge=0, le=sum(SLOTS_MAX.values()))] | None = None


class OwnRow(Table):
    """A provider."""

    durations: Annotated[tuple[int, ...], BeforeValidator(_durations)] | None = None
    aspects: Annotated[list[Annotated[Aspect, _named("aspect", Aspect, Aspect)]], Field(min_length=1)] | None = None
    references: OwnReferences | None = None
    prompt_chars_max: Annotated[int, Field(ge=100, le=PROMPT_CHARS_MAX)] | None = None
    negative_prompt_chars_max: Annotated[int, Field(ge=1, le=PROMPT_CHARS_MAX)] | None = None
    options: dict[Annotated[Option, _named("option", Option, Option)], bool] = {}
    max_concurrent: Count | None = None
    requests_per_second: Annotated[float, BeforeValidator(_rate), Field(gt=0, le=1000)] | None = None
    typical_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    tiers: dict[TierName, OwnTier] = {}
    without_tiers: list[TierName] = []
    paths: dict[str, Path] = {}
