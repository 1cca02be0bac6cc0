-- Read models: what the log says, as tables. Anyone may read them; only the projector writes them, and they can be
-- rebuilt from the log at any time. `position` columns are places in `events`, `correlation_id` joins with
-- `events.correlation_id`. A rebuild makes `<table>__next` beside a table and swaps them:
-- so no table here has an index, view or trigger beyond its primary key.

-- What we know of each provider account from its events.
CREATE TABLE rm_accounts (
    account          text COLLATE "C" NOT NULL,
    organization     text COLLATE "C",
    -- 'ok' until the provider asks for consent, and again once access has recovered.
    state            text COLLATE "C" NOT NULL CHECK (state IN ('ok', 'needs_consent')),
    reason           text COLLATE "C",
    state_since      timestamptz,
    events           bigint NOT NULL,
    -- Webhooks kept, and facts about its records.
    deliveries       bigint NOT NULL,
    facts            bigint NOT NULL,
    last_delivery_at timestamptz,
    last_event_at    timestamptz NOT NULL,
    PRIMARY KEY (account)
);

-- The newest known state of each CRM record.
CREATE TABLE rm_records (
    account       text COLLATE "C" NOT NULL,
    module        text COLLATE "C" NOT NULL,
    record_id     text COLLATE "C" NOT NULL,
    -- The CRM's clock; an older state never replaces a newer one.
    modified_time timestamptz,
    fields        jsonb NOT NULL,
    deleted       boolean NOT NULL,
    -- Facts about the record, and how the newest one was learned: 'webhook', 'poll', 'fetch', 'effect'.
    facts         bigint NOT NULL,
    last_source   text COLLATE "C" NOT NULL,
    updated_at    timestamptz NOT NULL,
    position      bigint NOT NULL,
    PRIMARY KEY (account, module, record_id)
);

-- Each run of each record's transfer.
CREATE TABLE rm_transfers (
    transfer          text COLLATE "C" NOT NULL,
    record_id         text COLLATE "C" NOT NULL,
    run               bigint NOT NULL,
    organization      text COLLATE "C",
    module            text COLLATE "C",
    folder_name       text COLLATE "C",
    reason            text COLLATE "C",
    state             text COLLATE "C" NOT NULL CHECK (state IN ('requested', 'located', 'copying', 'completed', 'failed')),
    source_folder_id  text COLLATE "C",
    -- Folders prepared so far and files found in them; how many are done.
    folders           bigint NOT NULL,
    folders_failed    bigint NOT NULL,
    files_total       bigint NOT NULL,
    files_copied      bigint NOT NULL,
    files_failed      bigint NOT NULL,
    bytes             bigint NOT NULL,
    -- Whether the record's checkbox is to be set (once the run is complete), and when it was.
    check_wished      boolean,
    checked_at        timestamptz,
    -- Why the run failed, or why the checkbox could not be set.
    code              text COLLATE "C",
    error             text COLLATE "C",
    requested_at      timestamptz NOT NULL,
    finished_at       timestamptz,
    correlation_id    uuid NOT NULL,
    position          bigint NOT NULL,
    PRIMARY KEY (transfer, record_id, run)
);

-- Each file of each run, once its fate is known.
CREATE TABLE rm_transfer_files (
    transfer            text COLLATE "C" NOT NULL,
    record_id           text COLLATE "C" NOT NULL,
    run                 bigint NOT NULL,
    source_file_id      text COLLATE "C" NOT NULL,
    path                text COLLATE "C" NOT NULL,
    -- Name and file at the destination.
    name                text COLLATE "C",
    destination_file_id text COLLATE "C",
    bytes               bigint NOT NULL,
    -- 'reused': an earlier run had copied this version already.
    state               text COLLATE "C" NOT NULL CHECK (state IN ('copied', 'reused', 'failed')),
    verification        text COLLATE "C" CHECK (verification IN ('verified', 'verified_by_reread', 'unverifiable')),
    -- The answer had been lost, and the copy was found by reading the destination back.
    settled             boolean NOT NULL,
    code                text COLLATE "C",
    error               text COLLATE "C",
    attempts            bigint NOT NULL,
    finished_at         timestamptz NOT NULL,
    PRIMARY KEY (transfer, record_id, run, source_file_id)
);

-- Each promise of a provider to call us, as its events tell it.
CREATE TABLE rm_registrations (
    registration_id text COLLATE "C" NOT NULL,
    account         text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    target          text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL CHECK (state IN ('active', 'lost', 'removed', 'failed')),
    expires_at      timestamptz,
    reason          text COLLATE "C",
    created_at      timestamptz,
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (registration_id)
);

-- Each poll: its last run and what it has found over time.
CREATE TABLE rm_polls (
    poll         text COLLATE "C" NOT NULL,
    transfer     text COLLATE "C",
    -- Number of the last run, its trigger and outcome.
    runs         bigint NOT NULL,
    last_trigger text COLLATE "C",
    last_outcome text COLLATE "C" NOT NULL CHECK (last_outcome IN ('reading', 'completed', 'failed')),
    last_run_at  timestamptz NOT NULL,
    -- Records still pending by the pages of the last run.
    pending      bigint NOT NULL,
    -- Over all runs.
    pages        bigint NOT NULL,
    new_facts    bigint NOT NULL,
    found_missed bigint NOT NULL,
    failures     bigint NOT NULL,
    -- Why the last failure failed.
    code         text COLLATE "C",
    error        text COLLATE "C",
    PRIMARY KEY (poll)
);

-- Counters per organisation ('' where an event has none), for summaries.
CREATE TABLE rm_totals (
    organization text COLLATE "C" NOT NULL,
    counter      text COLLATE "C" NOT NULL,
    value        bigint NOT NULL,
    PRIMARY KEY (organization, counter)
);
