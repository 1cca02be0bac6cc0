-- Whether the last state of a contact was only announced by a webhook. What the provider shows when it is asked counts more
-- then, whatever the times. Of the rows that are there nobody knows any more, so the provider's next word counts for them.
ALTER TABLE books_contacts ADD COLUMN is_announced boolean NOT NULL DEFAULT true;
-- The latest time of an announced state that turned out otherwise: what was told up to then may be told again.
ALTER TABLE books_contacts ADD COLUMN overruled_until timestamptz;
