-- What an admin decides about money: bounds, settings, bonus pools, alerts, the audit trail; and beside what members
-- were charged, what providers took.

-- None bounds nothing; `tiers` is a list in JSON.
ALTER TABLE rule ADD COLUMN tiers TEXT;
ALTER TABLE rule ADD COLUMN resolution_max TEXT;
ALTER TABLE rule ADD COLUMN seconds_max INTEGER;

-- One field of a server's settings that is not the default, as JSON.
CREATE TABLE setting (
    guild_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (guild_id, name)
) STRICT, WITHOUT ROWID;

-- A bonus; what is left of it is in its balance.
CREATE TABLE pool (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    audience TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    ends_ms INTEGER
) STRICT;

CREATE INDEX pool_of_guild ON pool (guild_id, ends_ms);

CREATE TABLE alert (
    guild_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    percent INTEGER NOT NULL,
    PRIMARY KEY (guild_id, name, percent)
) STRICT, WITHOUT ROWID;

-- The audit trail. `guild_id` is 0 for everywhere; `actor` and `subject` are ids of `owner`, the latter of a member.
-- `chain` hashes the row together with the chain of the row before.
CREATE TABLE decision (
    seq INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    chain BLOB NOT NULL
) STRICT;

CREATE INDEX decision_of_guild ON decision (guild_id, seq);

CREATE TRIGGER decision_is_never_changed BEFORE UPDATE ON decision
BEGIN SELECT RAISE (ABORT, 'the audit trail is only added to'); END;

CREATE TRIGGER decision_is_never_deleted BEFORE DELETE ON decision
BEGIN SELECT RAISE (ABORT, 'the audit trail is only added to'); END;

-- Pools have balances now; a CHECK cannot be changed in place.
CREATE TABLE owner_2 (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('guild', 'member', 'operator', 'pool', 'actor')),
    guild_id INTEGER NOT NULL,
    member_id TEXT NOT NULL,
    UNIQUE (kind, guild_id, member_id)
) STRICT, WITHOUT ROWID;

INSERT INTO owner_2 SELECT id, kind, guild_id, member_id FROM owner;
DROP TABLE owner;
ALTER TABLE owner_2 RENAME TO owner;

-- The other side of the cost ledger. A provider's balance per month is the operator's, with the provider's id in
-- `member_id`: granted is what members were charged, spent what the provider took.
INSERT INTO balance (id, owner, unit, period, name, starts_ms) VALUES (-1, 'house', 'usd', 'total', 'costs', 0);

-- Every owner's own lines of the journal in order, for pages of them beside a million others.
CREATE TABLE line (
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES transfer (seq),
    PRIMARY KEY (owner, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO line
SELECT balance.owner, transfer.seq FROM transfer
JOIN balance ON balance.id IN (transfer.debit, transfer.credit) AND balance.owner <> 'house';

CREATE TRIGGER transfer_is_a_line AFTER INSERT ON transfer
BEGIN
    INSERT INTO line SELECT owner, NEW.seq FROM balance WHERE id IN (NEW.debit, NEW.credit) AND owner <> 'house';
END;

CREATE INDEX job_of_guild ON job (guild_id, created_ms);
