"""A refused hold in the words of whoever asked."""

from datetime import UTC, datetime

from bot.domain.errors import QuotaExceededError
from bot.domain.quota import Leg, OwnerKind, Period, Window, amount_words

_WHOSE = {
    OwnerKind.MEMBER: "You have",
    OwnerKind.GUILD: "This server has",
    OwnerKind.OPERATOR: "The operator has",
    OwnerKind.POOL: "This bonus has",
}
_PERIOD = {
    Period.DAY: "today",
    Period.WEEK: "this week",
    Period.MONTH: "this month",
    Period.TOTAL: "in total",
}
_ADMIN = "An admin of this server can raise it."
_HOST = "Only whoever hosts the bot can raise it."


def refusal(leg: Leg, *, left: int) -> QuotaExceededError:
    """`left` may be below zero after a limit was lowered; nobody is shown less than nothing."""
    return QuotaExceededError(
        whose=_WHOSE[leg.owner.kind],
        left=amount_words(leg.unit, max(left, 0)),
        limit=amount_words(leg.unit, leg.limit or 0),
        period=_PERIOD[leg.window.period],
        asked=amount_words(leg.unit, leg.amount),
        resets=_resets(leg.window),
        remedy=_HOST if leg.owner.kind is OwnerKind.OPERATOR else _ADMIN,
    )


def _resets(window: Window) -> str:
    if window.ends_ms is None:
        return "It does not reset."
    end = datetime.fromtimestamp(window.ends_ms / 1000, tz=UTC)
    return f"It resets on {end.day} {end:%B %Y, %H:%M} UTC."
