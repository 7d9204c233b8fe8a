"""Slash commands: read the interaction, call one service, answer."""
