-- The only truth: every event, in commit order. Rows are never changed or deleted.
CREATE TABLE events (
    global_position INTEGER PRIMARY KEY,
    event_id        BLOB    NOT NULL UNIQUE,
    stream_name     TEXT    NOT NULL,
    stream_version  INTEGER NOT NULL,
    event_type      TEXT    NOT NULL,
    schema_version  INTEGER NOT NULL,
    account         TEXT,
    organization    TEXT,
    source          TEXT    NOT NULL,
    correlation_id  BLOB    NOT NULL,
    causation_id    BLOB,
    occurred_at     TEXT,
    received_at     TEXT,
    recorded_at     TEXT    NOT NULL,
    data            TEXT    NOT NULL,
    metadata        TEXT    NOT NULL,
    payload         BLOB,
    UNIQUE (stream_name, stream_version)
) STRICT;

CREATE INDEX events_by_story ON events (correlation_id);
CREATE INDEX events_by_type ON events (event_type, global_position);
CREATE INDEX events_by_account ON events (account, global_position);

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'events are immutable'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'events are immutable'); END;
