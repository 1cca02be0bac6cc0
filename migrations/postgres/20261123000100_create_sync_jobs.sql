-- Jobs that bring one thing up to date with its provider. A row and its events change in one transaction.
CREATE TABLE sync_jobs (
    -- Rises with time.
    job_id         uuid PRIMARY KEY,
    -- 'channel', 'books_users', 'books_assignments'.
    kind           text COLLATE "C" NOT NULL,
    -- What is brought up to date: 'channel:<mapping id>', 'books-users:<account>', ….
    subject        text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    organization   text COLLATE "C" NOT NULL,
    trigger_name   text COLLATE "C" NOT NULL CHECK (trigger_name IN ('manual', 'scheduled', 'retry', 'webhook')),
    -- Everything is read again, not only what changed.
    is_full        boolean NOT NULL,
    retry_of       uuid,
    state          text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    -- Nothing is done before this time.
    not_before     timestamptz NOT NULL,
    -- Failed tries in a row, and calls that brought something.
    failures       bigint NOT NULL DEFAULT 0,
    turns          bigint NOT NULL DEFAULT 0,
    -- Wanted once more while it was running: that trigger.
    wanted_again   text COLLATE "C",
    requested_at   timestamptz NOT NULL,
    started_at     timestamptz,
    finished_at    timestamptz,
    counts         jsonb NOT NULL,
    processing_ms  bigint NOT NULL DEFAULT 0,
    error_code     text COLLATE "C",
    error          text COLLATE "C",
    correlation_id uuid NOT NULL,
    -- The event that asked for it.
    causation_id   uuid
);

-- One job at a time for each thing.
CREATE UNIQUE INDEX sync_jobs_open ON sync_jobs (subject) WHERE state IN ('pending', 'running');
CREATE INDEX sync_jobs_due ON sync_jobs (account, not_before) WHERE state IN ('pending', 'running');
CREATE INDEX sync_jobs_by_organization ON sync_jobs (organization, job_id);
CREATE INDEX sync_jobs_by_subject ON sync_jobs (subject, job_id);
