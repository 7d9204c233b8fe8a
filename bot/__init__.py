"""Dailies: SeeDance video inside a Discord server's threads."""
