"""The providers' rows and accounts, made from the settings."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from bot.domain.capabilities import Capabilities
from bot.domain.errors import SettingsError
from bot.media.child import run_limited
from bot.ports.outside import Media, Provider
from bot.providers.account import Dialect, PaidAccount
from bot.providers.animatic.provider import Animatic
from bot.providers.animatic.row import CAPABILITIES as ANIMATIC
from bot.providers.apiframe import DIALECT as APIFRAME
from bot.providers.apiyi import DIALECT as APIYI
from bot.providers.ark import DIALECT as ARK
from bot.providers.byteplus import DIALECT as BYTEPLUS
from bot.providers.fal import DIALECT as FAL
from bot.providers.http import Clients
from bot.providers.replicate import DIALECT as REPLICATE
from bot.providers.unifically import DIALECT as UNIFICALLY
from bot.providers.v3_async import DIALECT as V3_ASYNC
from bot.services.bell import Bell
from bot.settings import Settings
from bot.wiring.overrides import overridden

DIALECTS: Mapping[str, Dialect] = {
    one.capabilities.provider: one for one in (UNIFICALLY, APIYI, APIFRAME, BYTEPLUS, V3_ASYNC, ARK, FAL, REPLICATE)
}
ROWS: Mapping[str, Capabilities] = {"animatic": ANIMATIC} | {name: one.capabilities for name, one in DIALECTS.items()}

OVERRIDES = "providers.toml"
"""In the data directory, where the operator wants one."""


def rows(settings: Settings) -> dict[str, Capabilities]:
    """Every known provider's row as the operator has it: `providers.toml`, then the limits of the environment.

    Raises SettingsError.
    """
    known = overridden(ROWS, settings.data_dir / OVERRIDES)
    return {name: _adjusted(row, settings) for name, row in known.items()}


async def open_accounts(
    settings: Settings, names: Sequence[str], clients: Clients, media: Media, bell: Bell, stack: AsyncExitStack
) -> dict[str, list[Provider]]:
    known = rows(settings)
    made: dict[str, list[Provider]] = {}
    for name in dict.fromkeys(names):
        if name == "animatic":
            made[name] = [await stack.enter_async_context(animatic(settings, media, bell))]
        else:
            made[name] = _paid_accounts(settings, known[name], clients, media)
    return made


def animatic(settings: Settings, media: Media, bell: Bell) -> Animatic:
    return Animatic(
        folder=settings.data_dir.resolve() / "animatic",
        stored_path=lambda sha256: media.stored_path(sha256=sha256),
        run=run_limited,
        ring=lambda task_id: bell.ring(task_id=task_id),
    )


def _paid_accounts(settings: Settings, row: Capabilities, clients: Clients, media: Media) -> list[Provider]:
    """One account per key. Raises SettingsError where there is none, or one that no header can carry."""
    keys = settings.provider(row.provider).keys
    variable = f"DAILIES_PROVIDERS__{row.provider.upper()}__API_KEY"
    if not keys:
        raise SettingsError(faults=f"{variable}: is not set; {row.title} needs a key")
    try:
        return [paid_account(settings, row, key, clients, media) for key in keys]
    except ValueError as error:
        raise SettingsError(faults=f"{variable}: {error}") from None


def paid_account(
    settings: Settings, row: Capabilities, key: str, clients: Clients, media: Media | None = None
) -> PaidAccount:
    """Named by the key's hash, not its place: a running task keeps its account when keys come and go.

    `media` is needed to send files; a dry run has none. Raises SettingsError without an address, ValueError for a key
    that no header can carry.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=3, person=b"account").hexdigest()
    return PaidAccount(
        dialect=DIALECTS[row.provider],
        clients=clients,
        base_urls=bases_of(settings, row),
        api_key=key,
        account=f"{row.provider}#{digest}",
        capabilities=row,
        stored_path=None if media is None else lambda sha256: media.stored_path(sha256=sha256),
    )


def bases_of(settings: Settings, row: Capabilities) -> list[str]:
    """The provider's address and its backups. Raises SettingsError where there is none."""
    own = DIALECTS[row.provider].base_url
    bases = settings.provider(row.provider).base_urls or ([own] if own else [])
    if not bases:
        variable = f"DAILIES_PROVIDERS__{row.provider.upper()}__BASE_URL"
        raise SettingsError(faults=f"{variable}: is not set; {row.title} runs at several hosts, so say which")
    return bases


def _adjusted(row: Capabilities, settings: Settings) -> Capabilities:
    given = settings.provider(row.provider)
    return replace(
        row,
        max_concurrent=given.max_concurrent or row.max_concurrent,
        requests_per_second=given.requests_per_second or row.requests_per_second,
        typical_seconds=given.typical_seconds or row.typical_seconds,
        deadline_seconds=given.deadline_seconds or row.deadline_seconds,
    )
