"""A server's settings: one row for each field that was decided."""

import sqlite3
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from bot.domain.guilds import GuildSettings, shown
from bot.ports.books import By
from bot.storage.audit import Audit


class Settings:
    """The statements on settings, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._audit = Audit(connection)

    def of_guild(self, guild_id: int) -> GuildSettings:
        """A field that this version does not know is left alone."""
        rows = self._connection.execute("SELECT name, value FROM setting WHERE guild_id = ?", (guild_id,))
        known = _adapters()
        return GuildSettings(**{name: known[name].validate_json(value) for name, value in rows if name in known})

    def longest_retention_days(self) -> int:
        row = self._connection.execute(
            "SELECT MAX(COALESCE(CAST(setting.value AS INTEGER), ?)) FROM (SELECT DISTINCT guild_id FROM job) AS guild "
            "LEFT JOIN setting ON setting.guild_id = guild.guild_id AND setting.name = 'retention_days'",
            (GuildSettings().retention_days,),
        ).fetchone()
        return GuildSettings().retention_days if row[0] is None else int(row[0])

    def put(self, guild_id: int, name: str, value: object, *, by: By) -> None:
        before, adapter = getattr(self.of_guild(guild_id), name), _adapters()[name]
        checked = adapter.validate_python(value, strict=True)
        if checked == before:
            return
        self._connection.execute(
            "INSERT INTO setting (guild_id, name, value) VALUES (?, ?, ?) "
            "ON CONFLICT (guild_id, name) DO UPDATE SET value = excluded.value",
            (guild_id, name, adapter.dump_json(checked).decode()),
        )
        self._audit.note(
            guild_id,
            f"setting {name.removesuffix('_micros')}",
            before=shown(name, before),
            after=shown(name, checked),
            by=by,
        )


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:  # Any: every field has its own type
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(GuildSettings).items()}
