-- Promises of providers to call us: what we wish for and what was observed there.
CREATE TABLE registrations (
    registration_id TEXT PRIMARY KEY,
    account         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    target          TEXT NOT NULL,
    notify_url      TEXT NOT NULL,
    token_hash      BLOB NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('creating', 'active', 'retiring', 'removed', 'lost', 'failed')),
    expires_at      TEXT,
    created_at      TEXT NOT NULL,
    active_since    TEXT,
    checked_at      TEXT,
    last_seen_at    TEXT,
    error           TEXT
) STRICT;

CREATE INDEX registrations_by_account ON registrations (account, target, state);

-- When each poll runs next, kept over restarts.
CREATE TABLE schedules (
    schedule_name    TEXT PRIMARY KEY,
    spec             TEXT NOT NULL,
    timezone         TEXT NOT NULL,
    next_run_at      TEXT,
    last_started_at  TEXT,
    last_finished_at TEXT,
    last_outcome     TEXT,
    last_error       TEXT,
    runs             INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The provider's continuation, saved with the events it covers.
CREATE TABLE poll_cursors (
    poll_name  TEXT PRIMARY KEY,
    cursor     TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- Requests that were not accepted, with the cause; the oldest make room for new ones.
CREATE TABLE rejected_deliveries (
    rejected_id INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,
    account     TEXT,
    cause       TEXT NOT NULL,
    detail      TEXT,
    http_status INTEGER NOT NULL,
    headers     TEXT NOT NULL,
    body_prefix BLOB NOT NULL,
    body_bytes  INTEGER NOT NULL
) STRICT;
