"""The bot's own process decodes nothing: it does not even load what could."""

import subprocess
import sys

HEAVY = ("av", "PIL", "numpy", "matplotlib")


def test_the_bot_starts_without_any_decoder() -> None:
    code = f"import sys, bot.wiring; print([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    assert ran.stdout.strip() == "[]"
