"""Signed, expiring links to attachments: https://docs.discord.com/developers/reference#signed-attachment-cdn-urls."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from bot.sandbox.clock import Clock


class Links:
    """Signs a path for a while and recognises its own signature."""

    def __init__(self, *, clock: Clock, secret: bytes, life_seconds: int) -> None:
        self._clock = clock
        self._secret = secret
        self._life_seconds = life_seconds
        self.base = "http://127.0.0.1"

    def sign(self, path: str) -> str:
        issued = self._clock.now_ms() // 1000
        expires = issued + self._life_seconds
        mark = self._mark(path, f"{expires:x}", f"{issued:x}")
        return f"{self.base}{quote(path)}?ex={expires:x}&is={issued:x}&hm={mark}&"

    def valid(self, path: str, query: Mapping[str, str]) -> bool:
        expires, issued = query.get("ex", ""), query.get("is", "")
        if not hmac.compare_digest(self._mark(path, expires, issued).encode(), query.get("hm", "").encode()):
            return False
        return int(expires, 16) > self._clock.now_ms() // 1000

    def _mark(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(self._secret, f"{path}\n{expires}\n{issued}".encode(), hashlib.sha256).hexdigest()
