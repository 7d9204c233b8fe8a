"""The use cases: what the bot does, with no library in sight."""
