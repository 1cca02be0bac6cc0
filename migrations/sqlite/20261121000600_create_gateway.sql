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
    -- Since when every change should have been announced: a renewal without a gap keeps it.
    active_since    TEXT,
    retiring_since  TEXT,
    -- When we last compared, and when the provider last had it.
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
    -- Why the next run happens, where that is not its time: 'start', 'gap'.
    wanted_trigger   TEXT,
    last_started_at  TEXT,
    last_finished_at TEXT,
    -- 'completed', 'failed' (it is tried again at next_run_at), 'misconfigured' (a person must act).
    last_outcome     TEXT,
    last_error       TEXT,
    -- Failed attempts in a row.
    failures         INTEGER NOT NULL DEFAULT 0,
    runs             INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How far an unfinished run has come: the provider's continuation, saved with the events it covers.
CREATE TABLE poll_cursors (
    poll_name    TEXT PRIMARY KEY,
    run          INTEGER NOT NULL,
    trigger_name TEXT NOT NULL,
    -- Absent before the first page.
    cursor       TEXT,
    updated_at   TEXT NOT NULL
) STRICT;

-- Requests that were not accepted, with the cause; the oldest make room for new ones.
CREATE TABLE rejected_deliveries (
    rejected_id INTEGER PRIMARY KEY,
    -- As in the answer to the sender and in the log.
    request_id  BLOB NOT NULL,
    received_at TEXT NOT NULL,
    -- As named in the address; there need not be such an account.
    account     TEXT NOT NULL,
    cause       TEXT NOT NULL,
    http_status INTEGER NOT NULL,
    metadata    TEXT NOT NULL,
    -- At most 4 KiB.
    body_prefix BLOB NOT NULL,
    -- As announced, or as far as it was read.
    body_bytes  INTEGER NOT NULL
) STRICT;
