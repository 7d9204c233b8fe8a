"""The `dailies` command: one module per command."""

from bot.commandline.app import main

__all__ = ["main"]
