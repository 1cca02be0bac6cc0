-- Time-limited claims on work of which there may be only one at a time.
CREATE TABLE leases (
    lease_name   text COLLATE "C" PRIMARY KEY,
    leased_by    text COLLATE "C" NOT NULL,
    leased_until timestamptz NOT NULL
);
