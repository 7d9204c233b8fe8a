-- What is learned of providers, and how their places are shared.

ALTER TABLE job ADD COLUMN frame_link TEXT;
ALTER TABLE job ADD COLUMN seen_ms INTEGER;
ALTER TABLE job ADD COLUMN usual_seconds INTEGER;
ALTER TABLE job ADD COLUMN ready_from_ms INTEGER;
ALTER TABLE job ADD COLUMN ready_until_ms INTEGER;
ALTER TABLE job ADD COLUMN is_late INTEGER NOT NULL DEFAULT 0 CHECK (is_late IN (0, 1));
ALTER TABLE job ADD COLUMN offers TEXT NOT NULL DEFAULT '[]';

-- How long tasks take, learned from those that ended. `counts` is a JSON list over the edges of `domain/polling`.
CREATE TABLE timing (
    key TEXT PRIMARY KEY,
    counts TEXT NOT NULL
) STRICT;

-- Virtual times of servers and members that are ahead of the queue's own, per provider, as JSON.
CREATE TABLE fair_queue (
    provider TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT;

-- Accounts that got no job for a while, and why. A row stays when its time is over, so that the next fault weighs more.
CREATE TABLE circuit (
    account TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    trouble TEXT NOT NULL,
    reason TEXT NOT NULL,
    strikes INTEGER NOT NULL CHECK (strikes > 0),
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;
