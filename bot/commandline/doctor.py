"""`dailies doctor`: is everything in place, and if not, the mend."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.commandline.account_checks import keys, prices, resting
from bot.commandline.ending import Status
from bot.commandline.findings import Check, Verdict
from bot.commandline.machine_checks import database, encoders, folder, sqlite
from bot.commandline.network_checks import Clock, public_url, token
from bot.domain.capabilities import Capabilities
from bot.domain.errors import SettingsError
from bot.settings import Settings, load_settings
from bot.wiring.accounts import rows


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check settings, database, encoders, token, keys, clock and prices."""
    checks = asyncio.run(_all_checks())
    failed = any(check.verdict is Verdict.FAILED for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    else:
        for check in checks:
            typer.echo(_line(check))
    raise typer.Exit(_status(checks))


def _status(checks: list[Check]) -> Status:
    failed = {check.name for check in checks if check.verdict is Verdict.FAILED}
    if "settings" in failed:
        return Status.BAD_SETTINGS
    return Status.FAILED if failed else Status.DONE


def _line(check: Check) -> str:
    mark = {Verdict.OK: "ok  ", Verdict.WARNING: "note", Verdict.FAILED: "FAIL"}[check.verdict]
    return f"{mark}  {check.name}: {check.detail}" + (f" {check.mend}" if check.mend else "")


async def _all_checks() -> list[Check]:
    try:
        settings = load_settings()
        known = rows(settings)
    except SettingsError as error:
        return list(_wrong(error))
    return [check async for check in _checks(settings, [known[name] for name in settings.order])]


def _wrong(error: SettingsError) -> Iterator[Check]:
    mend = "Mend it in the environment, .env or providers.toml."
    for line in str(error).splitlines():
        yield Check(name="settings", verdict=Verdict.FAILED, detail=line, mend=mend)


async def _checks(settings: Settings, enabled: list[Capabilities]) -> AsyncIterator[Check]:
    yield Check(name="settings", verdict=Verdict.OK, detail=f"providers: {', '.join(settings.order)}")
    yield folder(settings.data_dir.absolute())
    yield database(settings)
    yield sqlite()
    yield encoders()
    clock = Clock()
    yield await token(settings, clock)
    for tried in await asyncio.gather(*(keys(settings, row, clock) for row in enabled)):
        for check in tried:
            yield check
    async for check in resting(settings):
        yield check
    for row in enabled:
        for check in prices(row, today=datetime.now(UTC).date()):
            yield check
    if told := clock.check():
        yield told
    yield await public_url(settings)
