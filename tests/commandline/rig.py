"""The command as somebody types it: a process of its own, in a folder of its own, with nothing of our environment."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "bot" / "samples"
SECONDS_MAX = 120.0
SMALL = ("--duration", "4", "--resolution", "480p")
"""The cheapest clip there is."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a finished command left behind."""

    status: int
    out: str
    err: str

    @property
    def value(self) -> Any:  # Any: whatever JSON the command wrote
        """Standard output holds one JSON value and nothing else."""
        return json.loads(self.out)

    @property
    def sentences(self) -> list[str]:
        return self.err.splitlines()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": str(REPOSITORY)} | settings


def dailies(folder: Path, *arguments: str | bytes, **settings: str) -> Ran:
    """Whatever happens: no traceback, and it ends in time."""
    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return Ran(status=done.returncode, out=out, err=err)


def several(folder: Path, *commands: Sequence[str], **settings: str) -> list[Ran]:
    """The same one after the other in a single process: most of a command's time is Python's own start."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.commandline.repeating"],
        cwd=folder,
        env=environment(folder, **settings),
        input=json.dumps(commands).encode(),
        capture_output=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    ran = [Ran(**one) for one in json.loads(done.stdout)]
    assert "Traceback" not in "".join(one.err for one in ran), ran
    return ran


def assert_nothing_held(folder: Path) -> None:
    assert_sound(dailies(folder, "ledger", "verify", "--json"))


def assert_sound(verdict: Ran) -> None:
    assert (verdict.status, verdict.value["ok"], verdict.value["open_holds"]) == (0, True, 0)
