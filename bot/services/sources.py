"""Where a provider that fetches references itself finds them."""

from collections.abc import Callable

from bot.domain.capabilities import Capabilities
from bot.domain.errors import ReferenceStaleError
from bot.domain.links import discord_link_ends_ms
from bot.domain.references import StoredReference
from bot.domain.request_errors import PublicUrlMissingError
from bot.domain.requests import Plan
from bot.domain.slots import kind_of

LINK_MARGIN_MS = 3_600_000
"""A provider may fetch late: its own queue comes first."""


class Sources:
    """A signed link of our own where `web` has a public address, else Discord's while it is fresh."""

    def __init__(self, *, signed: Callable[[StoredReference], str] | None, now_ms: Callable[[], int]) -> None:
        self._signed = signed
        self._now_ms = now_ms

    def links(self, plan: Plan, row: Capabilities) -> dict[str, str]:
        """Each reference's address by content hash; none where the provider takes the bytes and no link can be had.

        Raises PublicUrlMissingError for a local file, ReferenceStaleError for a link of Discord that runs out.
        """
        found = {one.sha256: self._link_if_any(one, row) for one in plan.references}
        return {sha256: link for sha256, link in found.items() if link is not None}

    def _link_if_any(self, one: StoredReference, row: Capabilities) -> str | None:
        kind = kind_of(one.place)
        if not row.takes_link(kind):
            return None
        try:
            return self._link(one, row)
        except (PublicUrlMissingError, ReferenceStaleError):
            if row.needs_link(kind):
                raise
            return None

    def _link(self, one: StoredReference, row: Capabilities) -> str:
        if self._signed is not None:
            return self._signed(one)
        if one.reference.is_local:
            raise PublicUrlMissingError(place=str(one.place), provider=row.title, name=one.name)
        ends_ms = discord_link_ends_ms(one.reference.source)
        if ends_ms is not None and ends_ms < self._now_ms() + LINK_MARGIN_MS:
            raise ReferenceStaleError(place=str(one.place), name=one.name, provider=row.title)
        return one.reference.source
