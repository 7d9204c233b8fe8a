"""A server's own choices, each with its meaning and its default."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from bot.domain.quota import Unit, dollars, parse_amount
from bot.domain.request_errors import SettingValueError
from bot.domain.requests import Tier
from bot.domain.rules import Bounds

BLOCKED_WORDS_MAX = 200
RETENTION_DAYS = range(1, 366)
CLIP_SECONDS = range(1, 61)


class Routing(StrEnum):
    """Which of the providers that can make a clip is asked."""

    ORDER = "order"
    """The first in the operator's order."""
    CHEAPEST = "cheapest"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuildSettings:
    """What a server decided; None and empty mean that nothing is bound. Ids are Discord's."""

    default_tier: Tier = Tier.FAST
    allowed_tiers: frozenset[Tier] = frozenset(Tier)
    longest_seconds: int | None = None
    routing: Routing = Routing.ORDER
    channels: tuple[int, ...] = ()
    confirm_above_micros: int | None = None
    approve_above_micros: int | None = None
    approval_channel: int | None = None
    approver_role: int | None = None
    alert_channel: int | None = None
    watermark: bool = False
    blocklist: tuple[str, ...] = ()
    retention_days: int = 30
    time_zone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def bounds(self) -> Bounds:
        """What binds everybody here, whatever the rules."""
        return Bounds(tiers=self.allowed_tiers, seconds_max=self.longest_seconds)

    def blocked_word(self, prompt: str) -> str | None:
        """The first blocked word in the prompt, whatever its case."""
        found = (
            word for word in self.blocklist if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE)
        )
        return next(found, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One setting: its field, what it means, and how its text is read. `none` as text goes back to the default."""

    name: str
    meaning: str
    read: Callable[[str], object]


def read_setting(name: str, text: str) -> object:
    """The value of a setting from what an admin typed. Raises SettingValueError."""
    choice = CHOICES[name]
    if text.strip().lower() == "none":
        return default_of(name)
    try:
        return choice.read(text.strip())
    except ValueError as error:
        raise SettingValueError(name=name, given=text, limit=str(error)) from error


def default_of(name: str) -> object:
    return getattr(GuildSettings(), name)


def shown(name: str, value: object) -> str:
    """A value as an admin reads it; channels and roles as mentions."""
    if value is None or value in ((), frozenset()):
        return "none"
    return _SHOWN.get(name, _plainly)(value)


def _plainly(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, frozenset):
        return ", ".join(tier.value for tier in Tier if tier in value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _channel_mentions(value: object) -> str:
    return " ".join(f"<#{one}>" for one in (value if isinstance(value, tuple) else (value,)))


def _price(value: object) -> str:
    return dollars(int(str(value)))


_SHOWN: Mapping[str, Callable[[object], str]] = {
    "channels": _channel_mentions,
    "approval_channel": _channel_mentions,
    "alert_channel": _channel_mentions,
    "approver_role": lambda value: f"<@&{value}>",
    "confirm_above_micros": _price,
    "approve_above_micros": _price,
}


def _tier(text: str) -> Tier:
    try:
        return Tier(text.lower())
    except ValueError:
        raise ValueError(f"is no tier; there is {', '.join(Tier)}") from None


def _routing(text: str) -> Routing:
    try:
        return Routing(text.lower())
    except ValueError:
        raise ValueError(f"is neither {' nor '.join(Routing)}") from None


def _tiers(text: str) -> frozenset[Tier]:
    tiers = frozenset(_tier(part) for part in re.split(r"[,\s]+", text) if part)
    if not tiers:
        raise ValueError(f"names no tier; there is {', '.join(Tier)}")
    return tiers


def _whole(allowed: range) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) not in allowed:
            raise ValueError(f"is not a whole number from {allowed.start} to {allowed.stop - 1}")
        return int(text)

    return read


def _dollars(text: str) -> int:
    return parse_amount(Unit.USD, text)


def _ids(pattern: str, what: str) -> Callable[[str], tuple[int, ...]]:
    def read(text: str) -> tuple[int, ...]:
        parts = [part for part in re.split(r"[,\s]+", text) if part]
        found = [re.fullmatch(pattern, part) for part in parts]
        if not parts or not all(found):
            raise ValueError(f"names no {what}; write it as a mention")
        return tuple(int(match[1]) for match in found if match)

    return read


def _one(read_all: Callable[[str], tuple[int, ...]]) -> Callable[[str], int]:
    def read(text: str) -> int:
        ids = read_all(text)
        if len(ids) != 1:
            raise ValueError("names more than one")
        return ids[0]

    return read


def _switch(text: str) -> bool:
    known = {"on": True, "off": False, "yes": True, "no": False, "true": True, "false": False}
    if text.lower() not in known:
        raise ValueError("is neither on nor off")
    return known[text.lower()]


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if not words or len(words) > BLOCKED_WORDS_MAX:
        raise ValueError(f"needs one to {BLOCKED_WORDS_MAX} words between commas")
    return words


def _zone(text: str) -> str:
    known = available_timezones()
    if text in known:
        return text
    by_folded = {name.lower(): name for name in known}
    if text.lower() in by_folded:
        return by_folded[text.lower()]
    cities = {name.rpartition("/")[2].lower(): name for name in known}
    near = get_close_matches(text.lower().rpartition("/")[2].replace(" ", "_"), cities, n=3, cutoff=0.5)
    names = ", ".join(cities[one] for one in near) or "UTC, Europe/Berlin, America/New_York"
    raise ValueError(f"is no time zone; the nearest: {names}")


_CHANNELS = _ids(r"(?:<#)?(\d{15,20})>?", "channel")
_ROLES = _ids(r"(?:<@&)?(\d{15,20})>?", "role")

CHOICES: Mapping[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice(name="default_tier", meaning="the tier when a member does not say", read=_tier),
        Choice(name="allowed_tiers", meaning="the tiers that may be asked for", read=_tiers),
        Choice(name="longest_seconds", meaning="the longest clip, in seconds", read=_whole(CLIP_SECONDS)),
        Choice(name="routing", meaning="which provider is asked: the first in order, or the cheapest", read=_routing),
        Choice(name="channels", meaning="where clips may be made; none: everywhere", read=_CHANNELS),
        Choice(name="confirm_above_micros", meaning="above this price the requester confirms first", read=_dollars),
        Choice(name="approve_above_micros", meaning="above this price somebody must approve", read=_dollars),
        Choice(name="approval_channel", meaning="where requests for approval go", read=_one(_CHANNELS)),
        Choice(name="approver_role", meaning="who may approve beside Manage Server", read=_one(_ROLES)),
        Choice(name="alert_channel", meaning="where budget alerts go", read=_one(_CHANNELS)),
        Choice(name="watermark", meaning="ask providers for their watermark", read=_switch),
        Choice(name="blocklist", meaning="words that no prompt may hold, between commas", read=_words),
        Choice(name="retention_days", meaning="how long files are kept, in days", read=_whole(RETENTION_DAYS)),
        Choice(name="time_zone", meaning="where days, weeks and months begin", read=_zone),
    )
}
