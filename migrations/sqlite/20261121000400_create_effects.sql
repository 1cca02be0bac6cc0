-- One row per thing done outside. Intent is durable before the call, outcome event and row change together.
CREATE TABLE effects (
    effect_key     TEXT PRIMARY KEY,
    kind           TEXT NOT NULL,
    -- Effects of one account and lane share its slots: files must not hold up what is quick.
    lane           TEXT NOT NULL CHECK (lane IN ('control', 'files')),
    stream_name    TEXT NOT NULL,
    run            INTEGER NOT NULL,
    account        TEXT NOT NULL,
    -- The account it reads from, where that is another one.
    source_account TEXT,
    organization   TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('planned', 'started', 'unknown', 'succeeded', 'failed')),
    attempt        INTEGER NOT NULL DEFAULT 0,
    not_before     TEXT NOT NULL,
    leased_by      TEXT,
    leased_until   TEXT,
    -- What makes two effects the same change at the destination, whoever asked for it.
    once_key       TEXT,
    -- Length of the file by its listing, then as copied.
    bytes          INTEGER,
    request        TEXT NOT NULL,
    result         TEXT,
    error_code     TEXT,
    error          TEXT,
    correlation_id BLOB NOT NULL,
    causation_id   BLOB,
    planned_at     TEXT NOT NULL,
    started_at     TEXT,
    finished_at    TEXT
) STRICT;

CREATE INDEX effects_due ON effects (account, lane, not_before) WHERE status IN ('planned', 'unknown');
CREATE INDEX effects_leased ON effects (leased_until) WHERE status = 'started';
CREATE INDEX effects_by_stream ON effects (stream_name, run, status);
CREATE INDEX effects_once ON effects (once_key, status) WHERE once_key IS NOT NULL;

-- Work parked after its policy gave up, with the reason; can be redriven.
CREATE TABLE dead_letters (
    dead_letter_id INTEGER PRIMARY KEY,
    effect_key     TEXT NOT NULL,
    kind           TEXT NOT NULL,
    stream_name    TEXT NOT NULL,
    account        TEXT NOT NULL,
    organization   TEXT NOT NULL,
    reason         TEXT NOT NULL,
    error          TEXT NOT NULL,
    attempts       INTEGER NOT NULL,
    correlation_id BLOB NOT NULL,
    parked_at      TEXT NOT NULL,
    redriven_at    TEXT,
    resolved_at    TEXT
) STRICT;

CREATE INDEX dead_letters_open ON dead_letters (effect_key) WHERE resolved_at IS NULL;
