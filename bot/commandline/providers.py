"""`dailies providers`: what every known provider can do and costs, from the rows that decide it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import typer

from bot.domain.capabilities import Capabilities, make_plan, quote_micros
from bot.domain.quota import decimal_dollars, dollars
from bot.domain.requests import Request, Tier
from bot.domain.slots import Kind
from bot.settings import load_settings
from bot.wiring.accounts import rows

HEADINGS = ("provider", "tier", "resolutions", "clips", "aspects", "references", "frames", "a clip of")

ACCOUNT_HEADINGS = (
    "provider",
    "at once",
    "a second",
    "references go by",
    "cancels",
    "lists",
    "calls back",
    "keeps a clip",
)
HOURS_SHOWN_MAX = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a plain clip of a tier costs: no references, the length nearest to five seconds."""

    seconds: int
    micros: int
    is_estimate: bool
    dated: str
    source: str


def providers(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False) -> None:
    """Print the capability and price table; settings of this machine are in it."""
    known = rows(load_settings())
    if as_json:
        typer.echo(json.dumps([_entry(row, tier) for row in known.values() for tier in row.tiers], ensure_ascii=False))
        return
    for line in [*aligned([HEADINGS, *cells(known)]), "", *aligned([ACCOUNT_HEADINGS, *account_cells(known)])]:
        typer.echo(line)


def markdown(known: Mapping[str, Capabilities]) -> str:
    """What they can do, as a table for a page."""
    return _page([HEADINGS, *cells(known)])


def account_markdown(known: Mapping[str, Capabilities]) -> str:
    """How their accounts are spoken to, as a table for a page."""
    return _page([ACCOUNT_HEADINGS, *account_cells(known)])


def _page(lines: Sequence[Sequence[str]]) -> str:
    headings, *others = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [headings, ["---"] * len(headings), *others])


def cells(known: Mapping[str, Capabilities]) -> list[tuple[str, ...]]:
    """A line for each tier."""
    return [_cells(row, tier) for row in known.values() for tier in row.tiers]


def account_cells(known: Mapping[str, Capabilities]) -> list[tuple[str, ...]]:
    """A line for each provider."""
    return [_account_cells(row) for row in known.values()]


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def price_of(row: Capabilities, tier: Tier) -> Price:
    """Raises nothing: every tier has a price, if only a deliberately high estimate."""
    plan = make_plan(request=Request(prompt="a fox", tier=tier), stored=(), capabilities=row, draw_seed=lambda: 0)
    rule = row.tiers[tier].price
    return Price(
        seconds=plan.duration_seconds,
        micros=quote_micros(plan, row),
        is_estimate=rule.is_estimate,
        dated=rule.dated.isoformat(),
        source=rule.source,
    )


def _cells(row: Capabilities, tier: Tier) -> tuple[str, ...]:
    return (
        row.provider,
        tier.value,
        " ".join(row.tiers[tier].resolutions),
        _seconds(row.durations),
        " ".join(aspect.value for aspect in row.aspects),
        _references(row),
        _frames(row),
        _price(price_of(row, tier)),
    )


def _account_cells(row: Capabilities) -> tuple[str, ...]:
    return (
        row.provider,
        str(row.max_concurrent),
        f"{row.requests_per_second:.3g}",
        _ways(row),
        "yes" if row.cancels else "no",
        "yes" if row.lists else "no",
        "yes" if row.calls_back else "no",
        "not said" if row.retention_seconds is None else _stay(row.retention_seconds),
    )


def _ways(row: Capabilities) -> str:
    """One way for all kinds, else each kind's own."""
    each = {
        kind: " or ".join(row.transports.get(kind, ())).replace("_", " ") for kind in Kind if row.references_max[kind]
    }
    if len(set(each.values())) == 1:
        return next(iter(each.values()))
    return ", ".join(f"{kind.word}: {ways}" for kind, ways in each.items())


def _stay(seconds: int) -> str:
    hours = seconds // 3600
    return f"{hours} h" if hours <= HOURS_SHOWN_MAX else f"{hours // 24} days"


def _seconds(durations: Sequence[int]) -> str:
    ordered = sorted(durations)
    if len(ordered) > 2 and all(after - before == 1 for before, after in pairwise(ordered)):  # noqa: PLR2004 -- two are a list
        return f"{ordered[0]}–{ordered[-1]} s"
    return f"{', '.join(map(str, ordered))} s"


def _references(row: Capabilities) -> str:
    each = " + ".join(str(row.references_max[kind]) for kind in Kind)
    return each if row.references_total_max is None else f"{each}, {row.references_total_max} in all"


def _frames(row: Capabilities) -> str:
    names = [name for name, has in (("first", row.frames.first), ("end", row.frames.end)) if has]
    return " and ".join(names) or "none"


def _price(price: Price) -> str:
    cost = dollars(price.micros) if price.micros else "free"
    doubt = "; estimate, set your own row" if price.is_estimate else ""
    return f"{price.seconds} s: {cost} ({price.dated}{doubt})"


def _entry(row: Capabilities, tier: Tier) -> dict[str, object]:
    price = price_of(row, tier)
    return {
        "provider": row.provider,
        "title": row.title,
        "tier": tier.value,
        "model": row.tiers[tier].model,
        "resolutions": list(row.tiers[tier].resolutions),
        "durations": sorted(row.durations),
        "aspects": [aspect.value for aspect in row.aspects],
        "references": {kind.word: row.references_max[kind] for kind in Kind},
        "references_total": row.references_total_max,
        "transports": {kind.word: [way.value for way in row.transports.get(kind, ())] for kind in Kind},
        "frames": {"first": row.frames.first, "end": row.frames.end},
        "sound": row.sound_available,
        "options": sorted(option.value for option in row.options),
        "prompt_chars_max": row.prompt_chars_max,
        "price": {
            "seconds": price.seconds,
            "usd": decimal_dollars(price.micros),
            "is_estimate": price.is_estimate,
            "dated": price.dated,
            "source": price.source,
            "free_per_month": row.free_per_month.get(tier, 0),
        },
        "limits": {
            "max_concurrent": row.max_concurrent,
            "requests_per_second": row.requests_per_second,
            "typical_seconds": row.typical_seconds,
            "deadline_seconds": row.deadline_seconds,
        },
        "cancels": row.cancels,
        "lists": row.lists,
        "calls_back": row.calls_back,
        "retention_seconds": row.retention_seconds,
        "source": row.source,
        "read_on": row.read_on.isoformat(),
    }
