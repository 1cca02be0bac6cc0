-- Endpoints that are told what happens: since when, and what became of it.
CREATE TABLE notify_endpoints (
    endpoint          TEXT PRIMARY KEY,
    first_seen_at     TEXT NOT NULL,
    -- Later events are told as they come.
    since_position    INTEGER NOT NULL,
    -- Events between these two are still to be planned: what was before, or what was missed while it was stopped.
    history_position  INTEGER,
    history_until     INTEGER,
    -- It said that it wants nothing more, at the address of this hash.
    stopped_at        TEXT,
    stopped_address   TEXT,
    -- Events after this one were not planned while it was stopped.
    missed_after      INTEGER,
    delivered         INTEGER NOT NULL DEFAULT 0,
    last_delivered_at TEXT
) STRICT;
