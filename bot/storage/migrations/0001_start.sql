-- Jobs, their money, and what is still to be told. Times are milliseconds since 1970, UTC; amounts are integers:
-- micro-dollars, seconds or clips.

CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER,
    member_id TEXT NOT NULL,
    role_ids TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    plan TEXT,
    provider TEXT,
    quote_micros INTEGER,
    cost_micros INTEGER,
    account TEXT,
    task_id TEXT,
    submitted_ms INTEGER,
    result TEXT,
    progress INTEGER,
    cancel_asked INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)),
    thread_id INTEGER,
    clip_path TEXT,
    clip_bytes INTEGER,
    channel_id INTEGER,
    message_id INTEGER,
    error_code TEXT,
    error_text TEXT
) STRICT;

CREATE INDEX job_due ON job (due_ms) WHERE is_open = 1;
CREATE INDEX job_of_member ON job (member_id, guild_id, id);
CREATE INDEX job_of_account ON job (account, state);
CREATE INDEX job_of_task ON job (task_id) WHERE is_open = 1;
CREATE INDEX job_queued ON job (provider, since_ms) WHERE state = 'QUEUED';

CREATE TABLE attempt (
    job_id INTEGER NOT NULL REFERENCES job (id),
    number INTEGER NOT NULL,
    provider TEXT NOT NULL,
    account TEXT NOT NULL,
    intent_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    task_id TEXT,
    exposure_micros INTEGER NOT NULL CHECK (exposure_micros >= 0),
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempt_of_account ON attempt (account, intent_ms);

-- The history of every job: one row for each change of state. Only added to.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id),
    from_state TEXT,
    to_state TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    error_code TEXT
) STRICT;

CREATE INDEX event_of_job ON event (job_id);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE (ABORT, 'events are only added'); END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE (ABORT, 'events are only added'); END;

-- A row stays when it was told, so that its version keeps growing.
CREATE TABLE outbox (
    job_id INTEGER NOT NULL REFERENCES job (id),
    telling TEXT NOT NULL,
    version INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    is_told INTEGER NOT NULL CHECK (is_told IN (0, 1)),
    PRIMARY KEY (job_id, telling)
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (due_ms) WHERE is_told = 0;

-- `subject_id` is 0 where the audience has none.
CREATE TABLE rule (
    guild_id INTEGER NOT NULL,
    audience TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    unit TEXT NOT NULL,
    period TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (guild_id, audience, subject_id, unit, period)
) STRICT, WITHOUT ROWID;

-- `guild_id` is 0 for everywhere.
CREATE TABLE pause (
    guild_id INTEGER PRIMARY KEY,
    paused_by TEXT NOT NULL
) STRICT;

-- Who stands behind the random ids of the ledger. A row here may be deleted; the ledger then sums as before and tells
-- nobody's name. `guild_id` is 0 and `member_id` empty where there is none. `actor` is whoever caused a transfer.
CREATE TABLE owner (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('guild', 'member', 'operator', 'actor')),
    guild_id INTEGER NOT NULL,
    member_id TEXT NOT NULL,
    UNIQUE (kind, guild_id, member_id)
) STRICT, WITHOUT ROWID;

-- One per owner, unit and period: a new period is a new balance. The sums are a cache of the journal. Only a balance
-- with `limited` refuses; it may still stand below zero after its limit was lowered. `caught_up` is the last hold up
-- to which a balance that came in mid-period knows what its owner used.
CREATE TABLE balance (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    unit TEXT NOT NULL CHECK (unit IN ('usd', 'seconds', 'clips')),
    period TEXT NOT NULL,
    name TEXT NOT NULL,
    starts_ms INTEGER NOT NULL,
    ends_ms INTEGER,
    limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)),
    granted INTEGER NOT NULL DEFAULT 0 CHECK (granted >= 0),
    spent INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    caught_up INTEGER NOT NULL DEFAULT 0,
    UNIQUE (owner, unit, period, name)
) STRICT;

-- The other side of every transfer: grants come from `limits`, what is used goes to `jobs`.
INSERT INTO balance (id, owner, unit, period, name, starts_ms) VALUES
    (1, 'house', 'usd', 'total', 'limits', 0),
    (2, 'house', 'usd', 'total', 'jobs', 0),
    (3, 'house', 'seconds', 'total', 'limits', 0),
    (4, 'house', 'seconds', 'total', 'jobs', 0),
    (5, 'house', 'clips', 'total', 'limits', 0),
    (6, 'house', 'clips', 'total', 'jobs', 0);

-- The journal. `hold` is the hold that a charge, release or refund is about; a charge of less than its hold frees the
-- rest. `chain` hashes the row together with the chain of the row before.
CREATE TABLE transfer (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    body_hash BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'hold', 'charge', 'release', 'refund', 'adjust', 'loss')),
    debit INTEGER NOT NULL REFERENCES balance (id),
    credit INTEGER NOT NULL REFERENCES balance (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    hold INTEGER REFERENCES transfer (seq),
    job_id INTEGER,
    reason TEXT,
    actor TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    chain BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX one_resolution ON transfer (hold) WHERE kind IN ('charge', 'release');
CREATE INDEX transfer_of_hold ON transfer (hold) WHERE hold IS NOT NULL;

CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
BEGIN SELECT RAISE (ABORT, 'the journal is only added to'); END;

CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
BEGIN SELECT RAISE (ABORT, 'the journal is only added to'); END;

-- One leg of a job's hold; its id is the hold's place in the journal.
CREATE TABLE reservation (
    id INTEGER PRIMARY KEY REFERENCES transfer (seq),
    job_id INTEGER NOT NULL,
    balance_id INTEGER NOT NULL REFERENCES balance (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'charged', 'released')),
    charged INTEGER CHECK (charged BETWEEN 0 AND amount),
    CHECK ((state = 'charged') = (charged IS NOT NULL)),
    UNIQUE (job_id, balance_id)
) STRICT;

CREATE INDEX reservation_of_balance ON reservation (balance_id);
CREATE INDEX reservation_held ON reservation (job_id) WHERE state = 'held';
