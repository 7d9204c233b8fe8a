"""The only SQL: jobs, ledger, rules, outbox, in one database."""
