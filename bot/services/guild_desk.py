"""A server's own choices: shown, set and reset by its admins."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain.guilds import CHOICES, GuildSettings, default_of, read_setting, shown
from bot.domain.request_errors import AmountError, SettingValueError, SubjectUnknownError
from bot.ports.books import Books, By, Transaction
from bot.ports.outside import Directory

CHANNELS = frozenset({"channels", "approval_channel", "alert_channel"})
ROLES = frozenset({"approver_role"})
FIELDS = {field.removesuffix("_micros"): field for field in CHOICES}
"""Each choice as admins name it, and the field behind it."""
GIVEN_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One choice, in words."""

    name: str
    meaning: str
    value: str
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A choice as it was and as it is, in words."""

    name: str
    before: str
    after: str


class GuildDesk:
    """Reads and writes a server's choices. Who may ask is checked by whoever calls."""

    def __init__(self, *, books: Books, directory: Directory, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._directory = directory
        self._now_ms = now_ms

    async def show(self, guild_id: int) -> list[Line]:
        choices = await self._books.write(lambda tx: tx.rules.settings(guild_id))
        return [_line(name, field, choices) for name, field in FIELDS.items()]

    async def put(self, guild_id: int, *, name: str, text: str, actor: str) -> Change:
        """Raises SettingValueError, AmountError, SubjectUnknownError."""
        field = field_of(name)
        value = _read(name, field, text)
        await self._check_subjects(guild_id, field, value)
        return await self._write(guild_id, name, value, actor)

    async def reset(self, guild_id: int, *, name: str, actor: str) -> Change:
        return await self._write(guild_id, name, default_of(field_of(name)), actor)

    async def _write(self, guild_id: int, name: str, value: object, actor: str) -> Change:
        by = By(actor=actor, at_ms=self._now_ms())
        return await self._books.write(lambda tx: _change(tx, guild_id, name, value, by))

    async def _check_subjects(self, guild_id: int, field: str, value: object) -> None:
        """A channel or role of another server would never be met."""
        wanted = {one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, int)}
        if field in CHANNELS and wanted:
            _check_known(wanted, await self._directory.channel_ids(guild_id), "<#{}>", "channel")
        if field in ROLES and wanted:
            _check_known(wanted, await self._directory.role_ids(guild_id), "<@&{}>", "role")


def field_of(name: str) -> str:
    """The field of a displayed name. Raises SettingValueError: a stale client sends what it likes."""
    if name not in FIELDS:
        raise SettingValueError(
            name="name", given=name[:GIVEN_CHARS], limit=f"is no setting; there is {', '.join(FIELDS)}"
        )
    return FIELDS[name]


def _read(name: str, field: str, text: str) -> object:
    """Said with the displayed name, and with no more of the text than a message takes."""
    try:
        return read_setting(field, text)
    except SettingValueError as fault:
        raise replace(fault, name=name, given=fault.given[:GIVEN_CHARS]) from fault
    except AmountError as fault:
        raise replace(fault, given=fault.given[:GIVEN_CHARS]) from fault


def _change(tx: Transaction, guild_id: int, name: str, value: object, by: By) -> Change:
    field = FIELDS[name]
    before = getattr(tx.rules.settings(guild_id), field)
    tx.rules.put_setting(guild_id, field, value, by=by)
    return Change(name=name, before=shown(field, before), after=shown(field, value))


def _line(name: str, field: str, choices: GuildSettings) -> Line:
    return Line(
        name=name,
        meaning=CHOICES[field].meaning,
        value=shown(field, getattr(choices, field)),
        default=shown(field, default_of(field)),
    )


def _check_known(wanted: set[int], known: frozenset[int], mention: str, kind: str) -> None:
    for one in sorted(wanted - known):
        raise SubjectUnknownError(subject=mention.format(one), kind=kind)
