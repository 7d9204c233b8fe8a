"""`dailies run`: the bot itself."""

import aiohttp
from discord import LoginFailure

from bot.commandline.ending import run_until_signal
from bot.commandline.faults import DiscordUnreachableError, reason_of
from bot.commandline.logs import set_up_logs
from bot.domain.errors import SettingsError
from bot.settings import load_settings
from bot.wiring import run_bot


def run() -> None:
    """Start the bot. It needs DAILIES_DISCORD_TOKEN."""
    settings = load_settings()
    set_up_logs(settings)
    try:
        run_until_signal(run_bot(settings))
    except LoginFailure as error:
        faults = "DAILIES_DISCORD_TOKEN: Discord did not accept it; copy it anew from Discord's developer page"
        raise SettingsError(faults=faults) from error
    except aiohttp.ClientConnectionError as error:
        raise DiscordUnreachableError from error
    except OSError as error:
        raise SettingsError(faults=f"DAILIES_WEB_HOST, DAILIES_WEB_PORT: {reason_of(error)}") from error
