-- Clips that continue others, previews and films; the file that fits its target; the last frame.

ALTER TABLE job ADD COLUMN work TEXT NOT NULL DEFAULT 'clip' CHECK (work IN ('clip', 'preview', 'film'));
ALTER TABLE job ADD COLUMN parent_id INTEGER REFERENCES job (id);
ALTER TABLE job ADD COLUMN has_agreed INTEGER NOT NULL DEFAULT 0 CHECK (has_agreed IN (0, 1));
ALTER TABLE job ADD COLUMN last_frame TEXT;
ALTER TABLE job ADD COLUMN upload_path TEXT;
ALTER TABLE job ADD COLUMN upload_bytes INTEGER;
ALTER TABLE job ADD COLUMN fitting TEXT;

CREATE INDEX job_of_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_at_message ON job (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX job_delivered ON job (guild_id, id) WHERE state = 'DELIVERED';
