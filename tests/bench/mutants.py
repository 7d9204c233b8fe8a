"""Does the model find bugs? Each is planted in a copy of the package, and the ledger is run against the model there.

`python tests/bench/mutants.py` prints what was caught and what survived, and ends with 1 if anything survived.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bot", "tests", "pyproject.toml")
SEQUENCES, STEPS = "300", "30"
SECONDS_MAX = 300
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One bug: in this file, this text becomes that."""

    bug: str
    file: str
    sound: str
    planted: str


NONE = Mutant(bug="nothing", file="ledger.py", sound="_TRIAL_JOB = 0", planted="_TRIAL_JOB = 0")
MUTANTS = (
    Mutant(
        bug="the balance's condition is dropped",
        file="ledger.py",
        sound="(limited = 0 OR :amount = 0 OR granted - spent - held >= :amount)",
        planted=":amount = :amount",
    ),
    Mutant(
        bug="a hold is resolved twice",
        file="ledger.py",
        sound="WHERE reservation.job_id = ? AND reservation.state = 'held' ORDER BY reservation.id",
        planted="WHERE reservation.job_id = ? ORDER BY reservation.id",
    ),
    Mutant(
        bug="more is charged than was held",
        file="ledger.py",
        sound="max(min(cost_micros - paid, amount), 0)",
        planted="max(cost_micros - paid, 0)",
    ),
    Mutant(
        bug="the hash of the body is ignored",
        file="journal.py",
        sound="if found != wanted:",
        planted="if not found:",
    ),
    Mutant(
        bug="a grant is applied twice",
        file="balances.py",
        sound='"UPDATE balance SET limited = ?, granted = ? WHERE id = ?"',
        planted='"UPDATE balance SET limited = ?, granted = granted + ? WHERE id = ?"',
    ),
    Mutant(
        bug="the end of a hold is forgotten",
        file="ledger.py",
        sound='("charged" if is_charge else "released", amount if is_charge else None, leg["id"])',
        planted='("held", None, leg["id"])',
    ),
    Mutant(
        bug="a repeated hold holds again",
        file="ledger.py",
        sound="if known is not None:",
        planted="if known is not None and not legs:",
    ),
    Mutant(
        bug="a limit is off by one",
        file="ledger.py",
        sound="granted - spent - held >= :amount)",
        planted="granted - spent - held >= :amount - 1)",
    ),
    Mutant(
        bug="bonus and allowance both pay the whole",
        file="ledger.py",
        sound="paid = relief",
        planted="paid = 0",
    ),
    Mutant(
        bug="a changed rule waits for the next hold",
        file="balances.py",
        sound="if balance is not None:\n            self.limit(",
        planted="if balance is None:\n            self.limit(",
    ),
    Mutant(
        bug="a hold adjusts the bonus it draws on",
        file="balances.py",
        sound="if leg.owner.kind is not OwnerKind.POOL:\n            self.limit(balance, leg.unit, leg.limit, cause)",
        planted="self.limit(balance, leg.unit, leg.amount if leg.owner.kind == 'pool' else leg.limit, cause)",
    ),
    Mutant(
        bug="the provider's cost is what was charged",
        file="ledger.py",
        sound="cost_micros=cost_micros, cause=cause)\n        return charged_micros",
        planted="cost_micros=charged_micros, cause=cause)\n        return charged_micros",
    ),
)
"""Eight of every ledger, four of this one's."""


def main() -> int:
    if not survives(NONE):
        print("the sound ledger does not match its model")  # noqa: T201  what this script is for
        return 1
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        outcomes = list(zip(MUTANTS, threads.map(survives, MUTANTS), strict=True))
    for mutant, survived in outcomes:
        print(f"{'SURVIVED' if survived else 'caught  '}  {mutant.bug}")  # noqa: T201  as above
    return int(any(survived for _, survived in outcomes))


def survives(mutant: Mutant) -> bool:
    """Whether the model notices nothing."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            _copy(ROOT / name, copy / name)
        _plant(mutant, copy / "bot" / "storage" / mutant.file)
        return _matches_model(copy)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def _plant(mutant: Mutant, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.sound) != 1:
        raise LookupError(f"{mutant.bug}: {mutant.file} does not have its text once")
    path.write_text(text.replace(mutant.sound, mutant.planted), encoding="utf-8")


def _matches_model(copy: Path) -> bool:
    command = [sys.executable, str(copy / "tests" / "bench" / "ledger_model.py"), SEQUENCES, STEPS]
    run = subprocess.run(  # noqa: S603  our own interpreter and our own script
        command, cwd=copy, env={"PYTHONPATH": str(copy)}, check=False, capture_output=True, timeout=SECONDS_MAX
    )
    return run.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
