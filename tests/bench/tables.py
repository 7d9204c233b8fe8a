"""Tables of a bench, and figures that have a level to reach and a better one to aim for."""

from collections.abc import Sequence

from tests.bench.quota import Figure, say


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column is text, the others are figures."""
    lines = [header, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    say(f"\n{title}\n")
    for line in lines:
        figures = (f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        say("  ".join((f"{line[0]:<{widths[0]}}", *figures)).rstrip())


def at_most(name: str, value: float, *, must: float, good: float, unit: str = "") -> Figure:
    return _figure(name, f"{value:.2f}{unit}", f"<= {must:g}", f"<= {good:g}", met=value <= must, better=value <= good)


def at_least(name: str, value: float, *, must: float, good: float, unit: str = "") -> Figure:
    return _figure(name, f"{value:.2f}{unit}", f">= {must:g}", f">= {good:g}", met=value >= must, better=value >= good)


def _figure(name: str, found: str, must: str, good: str, *, met: bool, better: bool) -> Figure:
    return Figure(name=name, found=f"{found}{' (good)' if better else ''}", asked=f"{must}, good {good}", is_met=met)
