"""When to ask again: pure arithmetic over seconds."""

POLL_STEP_SECONDS = 3.0
"""The interval of the provider's own sample (specification of `unifically`, 2026)."""
FIRST_POLL_SHARE = 0.5
BACKOFF_SECONDS_MAX = 60.0


def poll_wait_seconds(*, elapsed_seconds: float, typical_seconds: float) -> float:
    """How long to leave a running task alone: nothing is ready in the first half of the typical time."""
    first = typical_seconds * FIRST_POLL_SHARE
    if elapsed_seconds < first:
        return first - elapsed_seconds
    return max(min(POLL_STEP_SECONDS, typical_seconds / 4), elapsed_seconds / 50)


def backoff_seconds(tries: int) -> float:
    """2 s, doubling to a minute."""
    return min(2.0 * (1 << min(tries, 10)), BACKOFF_SECONDS_MAX)
