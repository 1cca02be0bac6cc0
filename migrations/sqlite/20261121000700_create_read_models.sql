-- Read models: what the log says, as tables. Anyone may read them; only the projector writes them, and they can be
-- rebuilt from the log at any time. Times are RFC 3339 text in UTC, `position` columns are places in `events`,
-- `correlation_id` joins with `events.correlation_id`. A rebuild makes `<table>__next` beside a table and swaps them:
-- so no table here has an index, view or trigger beyond its primary key.

-- What we know of each provider account from its events.
CREATE TABLE rm_accounts (
    account          TEXT    NOT NULL,
    organization     TEXT,
    -- 'ok' until the provider asks for consent, and again once access has recovered.
    state            TEXT    NOT NULL CHECK (state IN ('ok', 'needs_consent')),
    reason           TEXT,
    state_since      TEXT,
    events           INTEGER NOT NULL,
    -- Webhooks kept, and facts about its records.
    deliveries       INTEGER NOT NULL,
    facts            INTEGER NOT NULL,
    last_delivery_at TEXT,
    last_event_at    TEXT    NOT NULL,
    PRIMARY KEY (account)
) STRICT, WITHOUT ROWID;

-- The newest known state of each CRM record.
CREATE TABLE rm_records (
    account       TEXT    NOT NULL,
    module        TEXT    NOT NULL,
    record_id     TEXT    NOT NULL,
    -- The CRM's clock; an older state never replaces a newer one.
    modified_time TEXT,
    fields        TEXT    NOT NULL,
    deleted       INTEGER NOT NULL,
    -- Facts about the record, and how the newest one was learned: 'webhook', 'poll', 'fetch', 'effect'.
    facts         INTEGER NOT NULL,
    last_source   TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (account, module, record_id)
) STRICT, WITHOUT ROWID;

-- Each run of each record's transfer.
CREATE TABLE rm_transfers (
    transfer          TEXT    NOT NULL,
    record_id         TEXT    NOT NULL,
    run               INTEGER NOT NULL,
    organization      TEXT,
    module            TEXT,
    folder_name       TEXT,
    reason            TEXT,
    state             TEXT    NOT NULL CHECK (state IN ('requested', 'located', 'copying', 'completed', 'failed')),
    source_folder_id  TEXT,
    -- Folders prepared so far and files found in them; how many are done.
    folders           INTEGER NOT NULL,
    folders_failed    INTEGER NOT NULL,
    files_total       INTEGER NOT NULL,
    files_copied      INTEGER NOT NULL,
    files_failed      INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,
    -- Whether the record's checkbox is to be set (once the run is complete), and when it was.
    check_wished      INTEGER,
    checked_at        TEXT,
    -- Why the run failed, or why the checkbox could not be set.
    code              TEXT,
    error             TEXT,
    requested_at      TEXT    NOT NULL,
    finished_at       TEXT,
    correlation_id    BLOB    NOT NULL,
    position          INTEGER NOT NULL,
    PRIMARY KEY (transfer, record_id, run)
) STRICT, WITHOUT ROWID;

-- Each file of each run, once its fate is known.
CREATE TABLE rm_transfer_files (
    transfer            TEXT    NOT NULL,
    record_id           TEXT    NOT NULL,
    run                 INTEGER NOT NULL,
    source_file_id      TEXT    NOT NULL,
    path                TEXT    NOT NULL,
    -- Name and file at the destination.
    name                TEXT,
    destination_file_id TEXT,
    bytes               INTEGER NOT NULL,
    -- 'reused': an earlier run had copied this version already.
    state               TEXT    NOT NULL CHECK (state IN ('copied', 'reused', 'failed')),
    verification        TEXT    CHECK (verification IN ('verified', 'verified_by_reread', 'unverifiable')),
    -- The answer had been lost, and the copy was found by reading the destination back.
    settled             INTEGER NOT NULL,
    code                TEXT,
    error               TEXT,
    attempts            INTEGER NOT NULL,
    finished_at         TEXT    NOT NULL,
    PRIMARY KEY (transfer, record_id, run, source_file_id)
) STRICT, WITHOUT ROWID;

-- Each promise of a provider to call us, as its events tell it.
CREATE TABLE rm_registrations (
    registration_id TEXT NOT NULL,
    account         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    target          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('active', 'lost', 'removed', 'failed')),
    expires_at      TEXT,
    reason          TEXT,
    created_at      TEXT,
    changed_at      TEXT NOT NULL,
    PRIMARY KEY (registration_id)
) STRICT, WITHOUT ROWID;

-- Each poll: its last run and what it has found over time.
CREATE TABLE rm_polls (
    poll         TEXT    NOT NULL,
    transfer     TEXT,
    -- Number of the last run, its trigger and outcome.
    runs         INTEGER NOT NULL,
    last_trigger TEXT,
    last_outcome TEXT    NOT NULL CHECK (last_outcome IN ('reading', 'completed', 'failed')),
    last_run_at  TEXT    NOT NULL,
    -- Records still pending by the pages of the last run.
    pending      INTEGER NOT NULL,
    -- Over all runs.
    pages        INTEGER NOT NULL,
    new_facts    INTEGER NOT NULL,
    found_missed INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    -- Why the last failure failed.
    code         TEXT,
    error        TEXT,
    PRIMARY KEY (poll)
) STRICT, WITHOUT ROWID;

-- Counters per organisation ('' where an event has none), for summaries.
CREATE TABLE rm_totals (
    organization TEXT    NOT NULL,
    counter      TEXT    NOT NULL,
    value        INTEGER NOT NULL,
    PRIMARY KEY (organization, counter)
) STRICT, WITHOUT ROWID;
