"""For every test: log lines as the shipped configuration writes them, and no clock on examples."""

import pytest
from hypothesis import settings

from bot.commandline.logs import set_up_logs
from bot.settings import DefaultSettings

# How long an example takes says something of the machine, not of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _logs() -> None:
    set_up_logs(DefaultSettings())
