"""For every test: log lines as the shipped configuration writes them."""

import pytest

from bot.commandline.logs import set_up_logs
from bot.settings import DefaultSettings


@pytest.fixture(autouse=True, scope="session")
def _logs() -> None:
    set_up_logs(DefaultSettings())
