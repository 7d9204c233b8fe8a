"""The doctor's look at this machine: folder, database, libraries."""

import os
import sqlite3
from pathlib import Path

from bot.commandline.findings import Check, Verdict
from bot.domain.errors import BotError
from bot.settings import Settings
from bot.wiring import check_database

ENCODERS = ("libx264", "aac")


def folder(path: Path) -> Check:
    name, mend = "data folder", "Set DAILIES_DATA_DIR to a folder that this user may write."
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not nearest.is_dir():
        return Check(name=name, verdict=Verdict.FAILED, detail=f"{nearest} is not a folder.", mend=mend)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Check(name=name, verdict=Verdict.FAILED, detail=f"{nearest} cannot be written.", mend=mend)
    made = "can be written" if nearest == path else "will be made at the first start"
    return Check(name=name, verdict=Verdict.OK, detail=f"{path} {made}")


def database(settings: Settings) -> Check:
    path = settings.database_path
    if not path.exists():
        return Check(name="database", verdict=Verdict.OK, detail=f"{path} will be made at the first start")
    try:
        check_database(settings)
    except BotError as error:
        mend = "Restore a backup, or move the file away to begin anew."
        return Check(name="database", verdict=Verdict.FAILED, detail=str(error), mend=mend)
    return Check(name="database", verdict=Verdict.OK, detail=f"{path} opens and is sound")


def sqlite() -> Check:
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


def encoders() -> Check:
    import av  # noqa: PLC0415 -- slow to import, needed only here

    missing = [name for name in ENCODERS if name not in av.codecs_available]
    if missing:
        detail = f"{', '.join(missing)} missing"
        mend = "Install PyAV from its own wheel: pip install --force-reinstall av"
        return Check(name="encoders", verdict=Verdict.FAILED, detail=detail, mend=mend)
    return Check(name="encoders", verdict=Verdict.OK, detail=f"{', '.join(ENCODERS)} (PyAV {av.__version__})")
