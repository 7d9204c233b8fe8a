"""Who a text pings: https://docs.discord.com/developers/resources/message#allowed-mentions-object."""

import re
from collections.abc import Iterable

from bot.sandbox.form import as_snowflake
from bot.sandbox.records import Json, Pings

_USER = re.compile(r"<@!?(\d{15,20})>")
_ROLE = re.compile(r"<@&(\d{15,20})>")
_EVERYONE = re.compile(r"@(everyone|here)\b")
_EVERYTHING: Json = {"parse": ["users", "roles", "everyone"]}


def pings_of(texts: Iterable[str], allowed: Json | None, *, replied_to: int | None = None) -> Pings:
    """Find the mentions that are allowed to notify; without allowed_mentions everything is parsed."""
    text = "\n".join(texts)
    rules = _EVERYTHING if allowed is None else allowed
    parse = rules.get("parse") or []
    users = {int(found) for found in _USER.findall(text)}
    roles = {int(found) for found in _ROLE.findall(text)}
    if "users" not in parse:
        users &= _ids(rules.get("users"))
    if "roles" not in parse:
        roles &= _ids(rules.get("roles"))
    if replied_to is not None and rules.get("replied_user", allowed is None):
        users.add(replied_to)
    everyone = "everyone" in parse and bool(_EVERYONE.search(text))
    return Pings(users=frozenset(users), roles=frozenset(roles), everyone=everyone)


def _ids(values: list[object] | None) -> set[int]:
    return {number for value in values or () if (number := as_snowflake(value)) is not None}
