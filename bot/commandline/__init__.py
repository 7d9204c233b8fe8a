"""The `dailies` command: one module per command."""
