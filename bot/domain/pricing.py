"""What a plan would cost: price rules as data. A quote is the worst case, in whole micro-dollars (rounded up)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from bot.domain.changes import all_after
from bot.domain.requests import Aspect, Plan
from bot.domain.slots import Kind

FRAMES_PER_SECOND = 24
_MILLION = 1_000_000
_TOKEN_PX = 1024

# What the model makes of a resolution and an aspect, as several public repositories agree in 2026; not measured by us.
SHAPES_PX: Mapping[str, Mapping[Aspect, tuple[int, int]]] = {
    "480p": {
        Aspect.ULTRAWIDE: (992, 432),
        Aspect.WIDE: (864, 496),
        Aspect.CLASSIC: (752, 560),
        Aspect.SQUARE: (640, 640),
        Aspect.PORTRAIT: (560, 752),
        Aspect.TALL: (496, 864),
    },
    "720p": {
        Aspect.ULTRAWIDE: (1470, 630),
        Aspect.WIDE: (1280, 720),
        Aspect.CLASSIC: (1112, 834),
        Aspect.SQUARE: (960, 960),
        Aspect.PORTRAIT: (834, 1112),
        Aspect.TALL: (720, 1280),
    },
    "1080p": {
        Aspect.ULTRAWIDE: (2206, 946),
        Aspect.WIDE: (1920, 1080),
        Aspect.CLASSIC: (1664, 1248),
        Aspect.SQUARE: (1440, 1440),
        Aspect.PORTRAIT: (1248, 1664),
        Aspect.TALL: (1080, 1920),
    },
}


# -- what of a plan decides its price


def video_input_ms(plan: Plan) -> int:
    """How long the reference videos are together, once the changes are made that the requester agrees to."""
    after = all_after(plan.references, plan.changes)
    return sum(one.info.duration_ms for one in after if one.info.kind is Kind.VIDEO)


def has_video_input(plan: Plan) -> bool:
    return any(one.info.kind is Kind.VIDEO for one in plan.references)


def billed_seconds(plan: Plan) -> int:
    """Output and reference video together, rounded up."""
    return plan.duration_seconds + _up(video_input_ms(plan), 1000)


def tokens(plan: Plan, *, seconds: int) -> int:
    """`width × height × (24 × seconds + 1) / 1024`, rounded up; an aspect left open counts as the largest.

    docs.byteplus.com/en/docs/ModelArk/1520757, read 2026-11-20.
    """
    shapes = SHAPES_PX[plan.resolution]
    areas = [width * height for aspect, (width, height) in shapes.items() if plan.aspect in {aspect, Aspect.AUTO}]
    return _up(max(areas) * (FRAMES_PER_SECOND * seconds + 1), _TOKEN_PX)


def _up(amount: int, unit: int) -> int:
    return -(-amount // unit)


# -- rules


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule(ABC):
    """One tier's price. `source` says where it is written, `dated` of when that is.

    `is_estimate`: nobody documents it, and a deliberately high figure stands here; it is charged as any other.
    """

    source: str
    dated: date
    is_estimate: bool = False

    @abstractmethod
    def quote(self, plan: Plan) -> int:
        """The most that this plan costs, in micro-dollars."""

    @abstractmethod
    def covers(self, resolution: str, seconds: int) -> bool:
        """Whether a clip of this size has a price, whatever goes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSecond(PriceRule):
    """Flat per second of output. Of a range (`least_micros` to `micros`) the upper end is quoted."""

    micros: int
    least_micros: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= (self.micros if self.least_micros is None else self.least_micros) <= self.micros:
            raise ValueError(f"{self.least_micros} to {self.micros} is no range of prices")

    def quote(self, plan: Plan) -> int:
        return self.micros * plan.duration_seconds

    def covers(self, resolution: str, seconds: int) -> bool:  # noqa: ARG002 -- flat
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSecondByResolution(PriceRule):
    """Per second of output, each resolution at its own price in micro-dollars."""

    micros: Mapping[str, int]

    def quote(self, plan: Plan) -> int:
        return self.micros[plan.resolution] * plan.duration_seconds

    def covers(self, resolution: str, seconds: int) -> bool:  # noqa: ARG002 -- flat per second
        return resolution in self.micros


@dataclass(frozen=True, slots=True, kw_only=True)
class PerToken(PriceRule):
    """Per token of picture. Reference video is counted with the output, at the one price."""

    micros_per_million: Mapping[str, int]

    def quote(self, plan: Plan) -> int:
        return _up(tokens(plan, seconds=billed_seconds(plan)) * self.micros_per_million[plan.resolution], _MILLION)

    def covers(self, resolution: str, seconds: int) -> bool:  # noqa: ARG002 -- any number of tokens
        return resolution in self.micros_per_million and resolution in SHAPES_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class WithMinimum(PriceRule):
    """Per second, and with reference video at least what a table says.

    `micros` is per second by resolution, of output and reference video together; `minimum_micros` is by resolution
    and seconds of output.
    """

    micros: Mapping[str, int]
    minimum_micros: Mapping[str, Mapping[int, int]]

    def quote(self, plan: Plan) -> int:
        price = self.micros[plan.resolution] * billed_seconds(plan)
        if not has_video_input(plan):
            return price
        return max(price, self.minimum_micros[plan.resolution][plan.duration_seconds])

    def covers(self, resolution: str, seconds: int) -> bool:
        return resolution in self.micros and seconds in self.minimum_micros.get(resolution, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInputFactor(PriceRule):
    """Another rule's price, times `percent` / 100 where reference video goes in."""

    rule: PriceRule
    percent: int

    def quote(self, plan: Plan) -> int:
        price = self.rule.quote(plan)
        return _up(price * self.percent, 100) if has_video_input(plan) else price

    def covers(self, resolution: str, seconds: int) -> bool:
        return self.rule.covers(resolution, seconds)
