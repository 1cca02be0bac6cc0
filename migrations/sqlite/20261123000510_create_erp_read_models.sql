-- Read models for the ERP: what follows from Books and from people's decisions, as tables. Anyone may read them; only the
-- projector writes them. A rebuild makes `<table>__next` beside a table and swaps them: so no table here has an index,
-- view or trigger beyond its primary key.

-- The accounts of the ERP.
CREATE TABLE rm_erp_users (
    account          TEXT NOT NULL,
    zoho_user_id     TEXT NOT NULL,
    organization     TEXT,
    erp_user_id      BLOB NOT NULL,
    email            TEXT,
    name             TEXT NOT NULL,
    zoho_role        TEXT,
    -- Absent where a person has to say.
    erp_role         TEXT,
    -- 'held' and 'merged' have no account of their own.
    state            TEXT NOT NULL CHECK (state IN ('active', 'inactive', 'held', 'merged')),
    active           INTEGER NOT NULL,
    -- No password is ever set: the person has to be invited.
    needs_invitation INTEGER NOT NULL,
    merged_into      BLOB,
    created_at       TEXT,
    updated_at       TEXT NOT NULL,
    -- The last list of users that had it.
    last_synced_at   TEXT,
    position         INTEGER NOT NULL,
    PRIMARY KEY (account, zoho_user_id)
) STRICT;

-- The customers of the ERP and their salespeople.
CREATE TABLE rm_erp_customers (
    account               TEXT NOT NULL,
    zoho_contact_id       TEXT NOT NULL,
    organization          TEXT,
    name                  TEXT NOT NULL,
    zoho_owner_id         TEXT,
    owner_name            TEXT,
    -- The account in rm_erp_users, and the one that the ERP wants while Books has not followed.
    salesperson_id        BLOB,
    wanted_salesperson_id BLOB,
    state                 TEXT NOT NULL CHECK (state IN ('assigned', 'unassigned', 'unmapped_owner', 'inactive_owner', 'held_owner', 'gone')),
    state_since           TEXT NOT NULL,
    updated_at            TEXT NOT NULL,
    position              INTEGER NOT NULL,
    PRIMARY KEY (account, zoho_contact_id)
) STRICT;

-- Owners of customers that are no user we know of.
CREATE TABLE rm_unmapped_owners (
    account       TEXT NOT NULL,
    zoho_owner_id TEXT NOT NULL,
    organization  TEXT,
    owner_name    TEXT,
    -- Customers of that owner that wait for them; 0 once they appeared or have none any more.
    customers     INTEGER NOT NULL,
    found_at      TEXT,
    resolved_at   TEXT,
    position      INTEGER NOT NULL,
    PRIMARY KEY (account, zoho_owner_id)
) STRICT;

-- What contradicts what, and what people decided.
CREATE TABLE rm_conflicts (
    conflict_id  BLOB NOT NULL,
    account      TEXT,
    organization TEXT,
    kind         TEXT NOT NULL CHECK (kind IN ('same_email', 'owner')),
    -- The address or the customer.
    subject      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'decided', 'resolved')),
    -- The parties, as in the event.
    about        TEXT NOT NULL,
    decision     TEXT,
    decided_by   TEXT,
    found_at     TEXT,
    decided_at   TEXT,
    resolved_at  TEXT,
    position     INTEGER NOT NULL,
    PRIMARY KEY (conflict_id)
) STRICT;
