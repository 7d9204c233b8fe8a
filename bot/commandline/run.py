"""`dailies run`: the bot itself."""

from bot.commandline.ending import run_until_signal
from bot.commandline.logs import set_up_logs
from bot.settings import load_settings
from bot.wiring import run_bot


def run() -> None:
    """Start the bot. It needs DAILIES_DISCORD_TOKEN."""
    settings = load_settings()
    set_up_logs(settings)
    run_until_signal(run_bot(settings))
