-- How far the messages of each chat are composed into batches, for each mapping. Saved with the batches it covers.
CREATE TABLE ingest_progress (
    mapping_id     BLOB NOT NULL,
    stream_name    TEXT NOT NULL,
    stream_version INTEGER NOT NULL,
    PRIMARY KEY (mapping_id, stream_name)
) STRICT;

-- The batches of each mapping, in the order of their lines.
CREATE TABLE ingest_batches (
    batch_id    BLOB PRIMARY KEY,
    mapping_id  BLOB NOT NULL,
    -- Number of its first line among all lines of the mapping, from 0. The halves of a batch share its numbers.
    first_line  INTEGER NOT NULL,
    lines       INTEGER NOT NULL,
    -- 'split': two others hold its lines. 'refused': given up, for whatever reason; it may be sent on its way again.
    state       TEXT NOT NULL CHECK (state IN ('open', 'delivered', 'split', 'refused')),
    composed_at TEXT NOT NULL,
    settled_at  TEXT
) STRICT;

CREATE INDEX ingest_batches_by_line ON ingest_batches (mapping_id, first_line);
CREATE INDEX ingest_batches_by_state ON ingest_batches (mapping_id, state, lines);
