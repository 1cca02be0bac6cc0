-- Where each record's transfer stands: what the next decision depends on.
CREATE TABLE transfer_runs (
    transfer     text COLLATE "C" NOT NULL,
    record_id    text COLLATE "C" NOT NULL,
    run          bigint NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('open', 'failed', 'unchecked', 'checking', 'checked')),
    folder_name  text COLLATE "C" NOT NULL,
    -- The modification time the CRM answered when we set the checkbox; older states of the record ask for nothing.
    checked_at   timestamptz,
    requested_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (transfer, record_id)
);
