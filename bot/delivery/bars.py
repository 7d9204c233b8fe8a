"""A balance in text: one bar of a few characters, and one sentence with the amounts."""

from bot.domain.quota import Unit, Window, amount_words

SPENT, HELD, LEFT = "▰", "▨", "▱"
WIDTH_MIN = 3  # a cell each for spent, held and left


def bar(spent: int, held: int, limit: int, width: int = 12) -> str:
    """Spent, held and left as cells. Full means that nothing is left, and empty that all is."""
    if width < WIDTH_MIN:
        raise ValueError(f"a bar needs {WIDTH_MIN} cells")
    spent, held = max(spent, 0), max(held, 0)
    used = spent + held
    filled = _cells(used, max(limit, used), width, least=(spent > 0) + (held > 0))
    spent_cells = _spent_cells(spent, held, filled)
    return SPENT * spent_cells + HELD * (filled - spent_cells) + LEFT * (width - filled)


def standing_line(*, unit: Unit, limit: int | None, spent: int, held: int, window: Window) -> str:
    """`$3.40 left of $5.00 · $1.20 spent · $0.40 held · resets <t:…:R>`; without a hold, that part is left out."""
    details = standing_details(unit=unit, spent=spent, held=held, window=window)
    return f"{left_words(unit, limit, spent + held)} · {details}"


def standing_details(*, unit: Unit, spent: int, held: int, window: Window) -> str:
    parts = [f"{amount_words(unit, spent)} spent"]
    parts += [f"{amount_words(unit, held)} held"] if held else []
    parts += [f"resets <t:{window.ends_ms // 1000}:R>"] if window.ends_ms is not None else []
    return " · ".join(parts)


def left_words(unit: Unit, limit: int | None, used: int) -> str:
    """`$3.40 left of $5.00`."""
    if limit is None:
        return "no limit"
    if used > limit:
        return f"{amount_words(unit, used - limit)} over the limit of {amount_words(unit, limit)}"
    return f"{amount_words(unit, limit - used)} left of {amount_words(unit, limit)}"


def _cells(used: int, scale: int, width: int, *, least: int) -> int:
    if used in (0, scale):
        return width if used else 0
    return max(used * width // scale, least)


def _spent_cells(spent: int, held: int, filled: int) -> int:
    if not spent or not held:
        return filled if spent else 0
    return min(max(spent * filled // (spent + held), 1), filled - 1)
