-- What is known of Books, as the next sync needs it: each row changes in the commit of its events.

-- The users of Books, and the accounts of the ERP that follow from them.
CREATE TABLE books_users (
    account      text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    organization text COLLATE "C" NOT NULL,
    -- Versions of the user's stream and of the account's stream, and the last state in each.
    version      bigint NOT NULL,
    fact         jsonb NOT NULL,
    is_gone      boolean NOT NULL,
    -- Complete lists in a row that did not have the user.
    missed       bigint NOT NULL,
    erp_version  bigint NOT NULL,
    erp          jsonb,
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (account, user_id)
);

-- The customers of Books, and whose they are.
CREATE TABLE books_contacts (
    account          text COLLATE "C" NOT NULL,
    contact_id       text COLLATE "C" NOT NULL,
    organization     text COLLATE "C" NOT NULL,
    owner_id         text COLLATE "C",
    -- Versions of the contact's stream and of the customer's stream, and the last state in each.
    version          bigint NOT NULL,
    fact             jsonb NOT NULL,
    -- The event that told the last state of the contact: seeing it again is a sighting.
    fact_id          uuid NOT NULL,
    is_gone          boolean NOT NULL,
    customer_version bigint NOT NULL,
    assignment       jsonb,
    -- What the ERP wants and Books has not followed.
    wish             jsonb,
    -- The last job that saw it.
    seen_in          uuid,
    seen_at          timestamptz NOT NULL,
    PRIMARY KEY (account, contact_id)
);

CREATE INDEX books_contacts_by_owner ON books_contacts (account, owner_id);

-- How far the contacts of an account are read.
CREATE TABLE books_walks (
    account      text COLLATE "C" PRIMARY KEY,
    -- Every change up to this time of the provider's clock is in the log.
    watermark    timestamptz,
    -- The last walk over everything that reached its end.
    last_full_at timestamptz,
    -- A walk under way: whose it is, from when (absent: everything), the page to ask for, and the watermark after it.
    job_id       uuid,
    since        timestamptz,
    next_page    bigint,
    newest       timestamptz,
    -- The walk has seen its last page; only those that it did not see are left to be asked for.
    is_confirming boolean NOT NULL
);

-- What contradicts what, and what was decided. Decided: the users that were known then.
CREATE TABLE erp_conflicts (
    conflict_id  uuid PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    organization text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('open', 'decided', 'resolved')),
    version      bigint NOT NULL,
    about        jsonb NOT NULL,
    decision     jsonb,
    changed_at   timestamptz NOT NULL
);

CREATE INDEX erp_conflicts_by_account ON erp_conflicts (account, state);
