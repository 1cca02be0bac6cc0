-- Endpoints that are told what happens: since when, and what became of it.
CREATE TABLE notify_endpoints (
    endpoint          text COLLATE "C" PRIMARY KEY,
    first_seen_at     timestamptz NOT NULL,
    -- Later events are told as they come.
    since_position    bigint NOT NULL,
    -- Events between these two are still to be planned: what was before, or what was missed while it was stopped.
    history_position  bigint,
    history_until     bigint,
    -- It said that it wants nothing more, at the address of this hash.
    stopped_at        timestamptz,
    stopped_address   text COLLATE "C",
    -- Events after this one were not planned while it was stopped.
    missed_after      bigint,
    delivered         bigint NOT NULL DEFAULT 0,
    last_delivered_at timestamptz
);
