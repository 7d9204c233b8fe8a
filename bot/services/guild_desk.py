"""A server's own choices: shown, set and reset by its admins; and what the server has that they may name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.domain.guilds import CHOICES, GuildSettings, default_of, read_setting, shown
from bot.domain.request_errors import AmountError, SettingValueError, SubjectUnknownError
from bot.domain.rules import Audience, Rule
from bot.ports.books import Books, By, Transaction
from bot.ports.outside import Channel, Directory

TALKING = frozenset({"approval_channel", "alert_channel"})
"""Where the bot posts: a forum would not do."""
CHANNELS = TALKING | {"channels"}
ROLES = frozenset({"approver_role"})
OFFERED_SECONDS = 30
"""How long what was read for one keystroke serves the next."""
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
        self._offered: dict[tuple[int, str], tuple[int, dict[int, str]]] = {}

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

    async def offered(self, guild_id: int, field: str) -> dict[int, str]:
        """The channels or roles that this choice takes, by name; not a moment's truth, but a hint while typing."""
        now_ms = self._now_ms()
        self._offered = {key: kept for key, kept in self._offered.items() if kept[0] > now_ms}
        if (guild_id, field) not in self._offered:
            known = await self._known(guild_id, field)
            self._offered[guild_id, field] = (now_ms + OFFERED_SECONDS * 1000, known)
        return self._offered[guild_id, field][1]

    async def role_ids(self, guild_id: int) -> frozenset[int]:
        return frozenset(await self._directory.roles(guild_id))

    async def gone_roles(self, guild_id: int, rules: Iterable[Rule]) -> frozenset[int]:
        """The roles that these rules name and the server has no more; Discord is asked only where there are any."""
        named = frozenset(rule.subject_id for rule in rules if rule.audience is Audience.ROLE and rule.subject_id)
        return named - await self.role_ids(guild_id) if named else named

    async def check_role(self, guild_id: int, role_id: int) -> None:
        """Raises SubjectUnknownError for a role of elsewhere, or of no more."""
        if role_id != guild_id:  # the id of @everyone
            _check_known({role_id}, await self._directory.roles(guild_id), "<@&{}>", "role")

    async def title(self, guild_id: int) -> str:
        return await self._directory.title(guild_id)

    async def member_names(self, guild_id: int, member_ids: Sequence[str]) -> dict[str, str]:
        return await self._directory.member_names(guild_id, member_ids)

    async def _check_subjects(self, guild_id: int, field: str, value: object) -> None:
        """A channel or role of another server would never be met."""
        wanted = {one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, int)}
        if field in CHANNELS and wanted:
            kind = "text channel" if field in TALKING else "channel"
            _check_known(wanted, await self._known(guild_id, field), "<#{}>", kind)
        if field in ROLES and wanted:
            _check_known(wanted, await self._known(guild_id, field), "<@&{}>", "role")

    async def _known(self, guild_id: int, field: str) -> dict[int, str]:
        if field in ROLES:
            return await self._directory.roles(guild_id)
        channels = await self._directory.channels(guild_id)
        return {one.id: one.name for one in channels if _takes(field, one)}


def _takes(field: str, channel: Channel) -> bool:
    return channel.takes_messages or field not in TALKING


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


def _check_known(wanted: set[int], known: Iterable[int], mention: str, kind: str) -> None:
    for one in sorted(wanted - set(known)):
        raise SubjectUnknownError(subject=mention.format(one), kind=kind)
