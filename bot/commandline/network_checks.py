"""The doctor's look outside: Discord's token, the clock, and our own public address."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import httpx

from bot.commandline.findings import Check, Verdict
from bot.settings import Settings

DISCORD_API = "https://discord.com/api/v10"
ANSWER_SECONDS_MAX = 10.0
CLOCK_SECONDS_MAX = 30.0
HEALTH_CHARS_MAX = 64
OUR_HEALTH = {(HTTPStatus.OK, "ok"), (HTTPStatus.SERVICE_UNAVAILABLE, "not ok")}


@dataclass(slots=True, kw_only=True)
class Clock:
    """How far our clock is ahead of those who answered, in seconds."""

    ahead_seconds: list[float] = field(default_factory=list)

    def hear(self, answer: httpx.Response) -> None:
        try:
            told = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return
        self.ahead_seconds.append(time.time() - told.replace(tzinfo=told.tzinfo or UTC).timestamp())

    def check(self) -> Check | None:
        """Of several the nearest counts: it is likelier that one of them is wrong than that all are."""
        if not self.ahead_seconds:
            return None
        ahead = min(self.ahead_seconds, key=abs)
        if abs(ahead) <= CLOCK_SECONDS_MAX:
            detail = f"within {CLOCK_SECONDS_MAX:g} s of those who answered"
            return Check(name="clock", verdict=Verdict.OK, detail=detail)
        way = "ahead of" if ahead > 0 else "behind"
        detail = f"{abs(ahead):,.0f} s {way} those who answered: signed links and days of budgets go by it."
        mend = "Let the system keep its time (NTP)."
        return Check(name="clock", verdict=Verdict.WARNING, detail=detail, mend=mend)


async def token(settings: Settings, clock: Clock) -> Check:
    name = "token"
    if settings.discord_token is None:
        mend = "Set DAILIES_DISCORD_TOKEN before `dailies run`."
        return Check(
            name=name, verdict=Verdict.WARNING, detail="not set; the command line works without it.", mend=mend
        )
    base = (settings.discord_api_url or DISCORD_API).rstrip("/")
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}"}
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False, headers=headers) as client:
            answer = await client.get(f"{base}/users/@me")
            clock.hear(answer)
            user = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        mend = "Is this machine online? Is DAILIES_DISCORD_API_URL right?"
        return Check(name=name, verdict=Verdict.FAILED, detail="Discord could not be reached.", mend=mend)
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        mend = "Copy DAILIES_DISCORD_TOKEN anew from Discord's developer page."
        return Check(name=name, verdict=Verdict.FAILED, detail="Discord did not accept it.", mend=mend)
    if not answer.is_success or not isinstance(user, dict):
        mend = "Try again later; if it stays so, is DAILIES_DISCORD_API_URL right?"
        return Check(name=name, verdict=Verdict.FAILED, detail=f"Discord answered {answer.status_code}.", mend=mend)
    return Check(name=name, verdict=Verdict.OK, detail=f"the bot is {user.get('username', 'unnamed')}")


async def public_url(settings: Settings) -> Check:
    """Whether our own door is found where the world is told to knock. Only a running bot opens it."""
    name, address = "public url", settings.public_url
    if address is None:
        detail = "not set: links lead to Discord's own files only, and ends are found by asking."
        mend = "DAILIES_PUBLIC_URL, this bot's public https address, switches on signed links and callbacks."
        return Check(name=name, verdict=Verdict.OK, detail=detail, mend=mend)
    host, found = urlsplit(address).netloc, await _health(address)
    if found is None:
        mend = "Does the bot run? Does the proxy lead to DAILIES_WEB_HOST and DAILIES_WEB_PORT?"
        return Check(name=name, verdict=Verdict.WARNING, detail=f"{host} did not answer.", mend=mend)
    if found not in OUR_HEALTH:
        mend = "Its path must lead to DAILIES_WEB_HOST and DAILIES_WEB_PORT, and the bot must run."
        detail = f"{host} answered {found[0]}, and not as this bot does."
        return Check(name=name, verdict=Verdict.WARNING, detail=detail, mend=mend)
    if urlsplit(address).scheme != "https":
        mend = "Put an https proxy before the bot, and set DAILIES_PUBLIC_URL to its address."
        detail = f"{host} leads here, but no provider reaches plain http on this machine."
        return Check(name=name, verdict=Verdict.WARNING, detail=detail, mend=mend)
    return Check(name=name, verdict=Verdict.OK, detail=f"{host} leads here: signed links and callbacks are on")


async def _health(address: str) -> tuple[int, str] | None:
    """Status and first words of what answers there."""
    try:
        async with (
            httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client,
            client.stream("GET", f"{address.rstrip('/')}/healthz") as answer,
            aclosing(_pieces(answer)) as body,
        ):
            return answer.status_code, await anext(body, "")
    except httpx.HTTPError:
        return None


def _pieces(answer: httpx.Response) -> AsyncGenerator[str]:
    return cast("AsyncGenerator[str]", answer.aiter_text(HEALTH_CHARS_MAX))  # what it is; httpx declares less
