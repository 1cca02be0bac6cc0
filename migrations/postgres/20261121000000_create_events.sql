-- The only truth: every event, in commit order. Rows are never changed or deleted.
CREATE TABLE events (
    global_position bigint PRIMARY KEY,
    event_id        uuid NOT NULL UNIQUE,
    stream_name     text COLLATE "C" NOT NULL,
    stream_version  bigint NOT NULL,
    event_type      text COLLATE "C" NOT NULL,
    schema_version  bigint NOT NULL,
    account         text COLLATE "C",
    organization    text COLLATE "C",
    source          text COLLATE "C" NOT NULL,
    correlation_id  uuid NOT NULL,
    causation_id    uuid,
    occurred_at     timestamptz,
    received_at     timestamptz,
    recorded_at     timestamptz NOT NULL,
    data            jsonb NOT NULL,
    metadata        jsonb NOT NULL,
    payload         bytea,
    UNIQUE (stream_name, stream_version)
);

CREATE INDEX events_by_story ON events (correlation_id);
CREATE INDEX events_by_type ON events (event_type, global_position);
CREATE INDEX events_by_account ON events (account, global_position);

CREATE FUNCTION refuse_to_change_events() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'events are immutable'; END $$;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE ON events
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_events();
CREATE TRIGGER events_are_never_removed BEFORE TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_events();
