-- Jobs that bring one thing up to date with its provider. A row and its events change in one transaction.
CREATE TABLE sync_jobs (
    -- Rises with time.
    job_id         BLOB PRIMARY KEY,
    -- 'channel', 'books_users', 'books_assignments'.
    kind           TEXT NOT NULL,
    -- What is brought up to date: 'channel:<mapping id>', 'books-users:<account>', ….
    subject        TEXT NOT NULL,
    account        TEXT NOT NULL,
    organization   TEXT NOT NULL,
    trigger_name   TEXT NOT NULL CHECK (trigger_name IN ('manual', 'scheduled', 'retry', 'webhook')),
    -- Everything is read again, not only what changed.
    is_full        INTEGER NOT NULL,
    retry_of       BLOB,
    state          TEXT NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    -- Nothing is done before this time.
    not_before     TEXT NOT NULL,
    -- Failed tries in a row, and calls that brought something.
    failures       INTEGER NOT NULL DEFAULT 0,
    turns          INTEGER NOT NULL DEFAULT 0,
    -- Wanted once more while it was running: that trigger.
    wanted_again   TEXT,
    requested_at   TEXT NOT NULL,
    started_at     TEXT,
    finished_at    TEXT,
    counts         TEXT NOT NULL,
    processing_ms  INTEGER NOT NULL DEFAULT 0,
    error_code     TEXT,
    error          TEXT,
    correlation_id BLOB NOT NULL,
    -- The event that asked for it.
    causation_id   BLOB
) STRICT;

-- One job at a time for each thing.
CREATE UNIQUE INDEX sync_jobs_open ON sync_jobs (subject) WHERE state IN ('pending', 'running');
CREATE INDEX sync_jobs_due ON sync_jobs (account, not_before) WHERE state IN ('pending', 'running');
CREATE INDEX sync_jobs_by_organization ON sync_jobs (organization, job_id);
CREATE INDEX sync_jobs_by_subject ON sync_jobs (subject, job_id);
