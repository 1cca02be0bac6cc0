-- Where each record's transfer stands: what the next decision depends on.
CREATE TABLE transfer_runs (
    transfer     TEXT NOT NULL,
    record_id    TEXT NOT NULL,
    run          INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'failed', 'unchecked', 'checking', 'checked')),
    folder_name  TEXT NOT NULL,
    -- The modification time the CRM answered when we set the checkbox; older states of the record ask for nothing.
    checked_at   TEXT,
    requested_at TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (transfer, record_id)
) STRICT;
