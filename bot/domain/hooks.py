"""Addresses that a provider calls when a task has news: one for each attempt, and nobody can guess it."""

import hmac
import re
from dataclasses import dataclass, field

from bot.domain.links import LinkForgedError, mac

_TOKEN = re.compile(r"(?P<attempt>[0-9]{1,20}-[0-9]{1,6})\.(?P<mac>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookLinks:
    """Makes and checks addresses under the public one. Nothing is stored, and nothing ends: an old call is harmless."""

    public_url: str
    secret: bytes = field(repr=False)

    def address(self, *, provider: str, attempt_id: str) -> str:
        token = f"{attempt_id}.{self._mac(provider, attempt_id)}"
        return f"{self.public_url.rstrip('/')}/hooks/{provider}/{token}"

    def verify(self, *, provider: str, token: str) -> str:
        """The attempt's id. Raises LinkForgedError."""
        match = _TOKEN.fullmatch(token)
        if match is None or not hmac.compare_digest(self._mac(provider, match["attempt"]), match["mac"]):
            raise LinkForgedError
        return match["attempt"]

    def _mac(self, provider: str, attempt_id: str) -> str:
        return mac(self.secret, "hook", f"{provider}\n{attempt_id}")
