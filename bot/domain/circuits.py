"""When an account gets no jobs for a while: its key or credit is refused, or the provider is in trouble."""

from dataclasses import dataclass
from enum import StrEnum

STRIKES_BEFORE_REST = 3
"""So many troubles of a server in a row are a storm; fewer are bad luck."""
STORM_REST_SECONDS = 30.0
"""https://docs.apiyi.com names half a minute as the pause after an HTTP 503 (specification of `apiyi`, 2026-04)."""
REFUSED_REST_SECONDS = 60.0
REST_SECONDS_MAX = 3600.0


class Trouble(StrEnum):
    """What keeps an account from work."""

    KEY = "key"
    """Its key is not accepted."""
    CREDIT = "credit"
    """It is out of credit, or may not use the model."""
    STORM = "storm"
    """It cannot be reached, or answers with errors of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is held against an account. It rests until `until_ms`; then one job at a time tries it anew.

    `strikes` counts troubles of one kind in a row, `since_ms` is the first of them.
    """

    account: str
    provider: str
    trouble: Trouble
    reason: str
    strikes: int = 1
    since_ms: int
    until_ms: int

    def is_resting(self, now_ms: int) -> bool:
        return now_ms < self.until_ms


def struck(
    before: Circuit | None, *, account: str, provider: str, trouble: Trouble, reason: str, now_ms: int
) -> Circuit:
    """The circuit after one more trouble; what rests already goes on resting as it did."""
    if before is not None and before.is_resting(now_ms):
        return before
    same = before if before is not None and before.trouble is trouble else None
    strikes = 1 if same is None else same.strikes + 1
    return Circuit(
        account=account,
        provider=provider,
        trouble=trouble,
        reason=reason,
        strikes=strikes,
        since_ms=now_ms if same is None else same.since_ms,
        until_ms=now_ms + round(_rest_seconds(trouble, strikes) * 1000),
    )


def _rest_seconds(trouble: Trouble, strikes: int) -> float:
    """None for the first troubles of a server, then doubling; a refusal rests at once."""
    over = strikes - (STRIKES_BEFORE_REST if trouble is Trouble.STORM else 1)
    if over < 0:
        return 0.0
    first = STORM_REST_SECONDS if trouble is Trouble.STORM else REFUSED_REST_SECONDS
    return min(first * (1 << min(over, 10)), REST_SECONDS_MAX)
