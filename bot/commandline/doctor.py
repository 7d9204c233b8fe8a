"""`dailies doctor`: is everything in place, and if not, the mend."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import httpx
import typer

from bot.commandline.ending import Status
from bot.domain.errors import BotError, SettingsError
from bot.settings import Settings, load_settings
from bot.wiring import check_database
from bot.wiring.accounts import ROWS

DISCORD_API = "https://discord.com/api/v10"
TOKEN_SECONDS_MAX = 10.0
ENCODERS = ("libx264", "aac")


class Verdict(StrEnum):
    """A warning leaves the exit status alone: nothing that was asked for is broken."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor: what was looked at, how it is, and how to mend it."""

    name: str
    verdict: Verdict
    detail: str
    mend: str = ""


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check settings, database, encoders and token."""
    checks = list(_checks())
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


def _checks() -> Iterator[Check]:
    try:
        settings = load_settings()
    except SettingsError as error:
        for line in str(error).splitlines():
            yield Check(
                name="settings", verdict=Verdict.FAILED, detail=line, mend="Mend it in the environment or .env."
            )
        return
    yield Check(name="settings", verdict=Verdict.OK, detail=f"providers: {', '.join(settings.order)}")
    yield _folder(settings.data_dir.absolute())
    yield _database(settings)
    yield _sqlite()
    yield _encoders()
    yield asyncio.run(_token(settings))
    yield from (_key(settings, name) for name in settings.order)


def _folder(path: Path) -> Check:
    name, mend = "data folder", "Set DAILIES_DATA_DIR to a folder that this user may write."
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not nearest.is_dir():
        return Check(name=name, verdict=Verdict.FAILED, detail=f"{nearest} is not a folder.", mend=mend)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Check(name=name, verdict=Verdict.FAILED, detail=f"{nearest} cannot be written.", mend=mend)
    made = "can be written" if nearest == path else "will be made at the first start"
    return Check(name=name, verdict=Verdict.OK, detail=f"{path} {made}")


def _database(settings: Settings) -> Check:
    path = settings.database_path
    if not path.exists():
        return Check(name="database", verdict=Verdict.OK, detail=f"{path} will be made at the first start")
    try:
        check_database(settings)
    except BotError as error:
        mend = "Restore a backup, or move the file away to begin anew."
        return Check(name="database", verdict=Verdict.FAILED, detail=str(error), mend=mend)
    return Check(name="database", verdict=Verdict.OK, detail=f"{path} opens and is sound")


def _sqlite() -> Check:
    """Between 3.7.0 and 3.51.2 a second writer may corrupt a WAL database (sqlite.org/wal.html); we only have one."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < (3, 37, 0):
        return Check(
            name="sqlite", verdict=Verdict.FAILED, detail=f"version {version}", mend="Dailies needs 3.37 or newer."
        )
    if sqlite3.sqlite_version_info < (3, 51, 3):
        detail = f"version {version}; let no other program write or checkpoint the database"
        return Check(name="sqlite", verdict=Verdict.WARNING, detail=detail)
    return Check(name="sqlite", verdict=Verdict.OK, detail=f"version {version}")


def _encoders() -> Check:
    import av  # noqa: PLC0415 -- slow to import, needed only here

    missing = [name for name in ENCODERS if name not in av.codecs_available]
    if missing:
        detail = f"{', '.join(missing)} missing"
        mend = "Install PyAV from its own wheel: pip install --force-reinstall av"
        return Check(name="encoders", verdict=Verdict.FAILED, detail=detail, mend=mend)
    return Check(name="encoders", verdict=Verdict.OK, detail=f"{', '.join(ENCODERS)} (PyAV {av.__version__})")


async def _token(settings: Settings) -> Check:
    name = "token"
    if settings.discord_token is None:
        mend = "Set DAILIES_DISCORD_TOKEN before `dailies run`."
        return Check(
            name=name, verdict=Verdict.WARNING, detail="not set; the command line works without it.", mend=mend
        )
    base = (settings.discord_api_url or DISCORD_API).rstrip("/")
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}"}
    try:
        async with httpx.AsyncClient(timeout=TOKEN_SECONDS_MAX, trust_env=False, headers=headers) as client:
            answer = await client.get(f"{base}/users/@me")
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


def _key(settings: Settings, name: str) -> Check:
    if name == "animatic":
        return Check(name=name, verdict=Verdict.OK, detail="needs no key")
    keys = len(settings.provider(name).keys)
    if not keys:
        mend = f"Set DAILIES_PROVIDERS__{name.upper()}__API_KEY, or take {name} out of DAILIES_PROVIDER_ORDER."
        return Check(name=name, verdict=Verdict.FAILED, detail=f"{ROWS[name].title} has no key.", mend=mend)
    return Check(name=name, verdict=Verdict.OK, detail=f"{keys} key{'s' if keys > 1 else ''} set, not tried")
