-- The same change seen again: by a retried webhook, or by a poll after its webhook.
CREATE TABLE sightings (
    sighting_id  INTEGER PRIMARY KEY,
    event_id     BLOB NOT NULL,
    seen_at      TEXT NOT NULL,
    source       TEXT NOT NULL,
    account      TEXT,
    causation_id BLOB,
    same_payload INTEGER
) STRICT;

CREATE INDEX sightings_by_event ON sightings (event_id);
