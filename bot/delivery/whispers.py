"""Ephemeral answers: the interaction tokens that still live, in memory only."""

from collections.abc import Callable

import discord

TOKEN_LIFE_MS = 14 * 60_000
"""A token lives fifteen minutes (docs.discord.com, interactions); the last one is left alone."""


class Whispers:
    """Who can still be answered so that nobody else sees it. A restart forgets them all, and that is fine."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._kept: dict[int, tuple[int, discord.Interaction]] = {}

    def keep(self, job_id: int, interaction: discord.Interaction) -> None:
        now_ms = self._now_ms()
        self._kept = {key: value for key, value in self._kept.items() if value[0] > now_ms}
        self._kept[job_id] = (now_ms + TOKEN_LIFE_MS, interaction)

    def of(self, job_id: int) -> discord.Interaction | None:
        until_ms, interaction = self._kept.get(job_id, (0, None))
        return interaction if until_ms > self._now_ms() else None

    def forget(self, job_id: int) -> None:
        self._kept.pop(job_id, None)
