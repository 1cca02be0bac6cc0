-- Time-limited claims on work of which there may be only one at a time.
CREATE TABLE leases (
    lease_name   TEXT PRIMARY KEY,
    leased_by    TEXT NOT NULL,
    leased_until TEXT NOT NULL
) STRICT;
