-- Read models for the ERP: what follows from Books and from people's decisions, as tables. Anyone may read them; only the
-- projector writes them. A rebuild makes `<table>__next` beside a table and swaps them: so no table here has an index,
-- view or trigger beyond its primary key.

-- The accounts of the ERP.
CREATE TABLE rm_erp_users (
    account          text COLLATE "C" NOT NULL,
    zoho_user_id     text COLLATE "C" NOT NULL,
    organization     text COLLATE "C",
    erp_user_id      uuid NOT NULL,
    email            text COLLATE "C",
    name             text COLLATE "C" NOT NULL,
    zoho_role        text COLLATE "C",
    -- Absent where a person has to say.
    erp_role         text COLLATE "C",
    -- 'held' and 'merged' have no account of their own.
    state            text COLLATE "C" NOT NULL CHECK (state IN ('active', 'inactive', 'held', 'merged')),
    active           boolean NOT NULL,
    -- No password is ever set: the person has to be invited.
    needs_invitation boolean NOT NULL,
    merged_into      uuid,
    created_at       timestamptz,
    updated_at       timestamptz NOT NULL,
    -- The last list of users that had it.
    last_synced_at   timestamptz,
    position         bigint NOT NULL,
    PRIMARY KEY (account, zoho_user_id)
);

-- The customers of the ERP and their salespeople.
CREATE TABLE rm_erp_customers (
    account               text COLLATE "C" NOT NULL,
    zoho_contact_id       text COLLATE "C" NOT NULL,
    organization          text COLLATE "C",
    name                  text COLLATE "C" NOT NULL,
    zoho_owner_id         text COLLATE "C",
    owner_name            text COLLATE "C",
    -- The account in rm_erp_users, and the one that the ERP wants while Books has not followed.
    salesperson_id        uuid,
    wanted_salesperson_id uuid,
    state                 text COLLATE "C" NOT NULL CHECK (state IN ('assigned', 'unassigned', 'unmapped_owner', 'inactive_owner', 'held_owner', 'gone')),
    state_since           timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    position              bigint NOT NULL,
    PRIMARY KEY (account, zoho_contact_id)
);

-- Owners of customers that are no user we know of.
CREATE TABLE rm_unmapped_owners (
    account       text COLLATE "C" NOT NULL,
    zoho_owner_id text COLLATE "C" NOT NULL,
    organization  text COLLATE "C",
    owner_name    text COLLATE "C",
    -- Customers of that owner that wait for them; 0 once they appeared or have none any more.
    customers     bigint NOT NULL,
    found_at      timestamptz,
    resolved_at   timestamptz,
    position      bigint NOT NULL,
    PRIMARY KEY (account, zoho_owner_id)
);

-- What contradicts what, and what people decided.
CREATE TABLE rm_conflicts (
    conflict_id  uuid NOT NULL,
    account      text COLLATE "C",
    organization text COLLATE "C",
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('same_email', 'owner')),
    -- The address or the customer.
    subject      text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('open', 'decided', 'resolved')),
    -- The parties, as in the event.
    about        jsonb NOT NULL,
    decision     jsonb,
    decided_by   text COLLATE "C",
    found_at     timestamptz,
    decided_at   timestamptz,
    resolved_at  timestamptz,
    position     bigint NOT NULL,
    PRIMARY KEY (conflict_id)
);
