"""A local Discord to try and test the bot without a token."""
