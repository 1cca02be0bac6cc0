-- The newest dead letters, of one organisation and of all, and those that still wait for somebody.
CREATE INDEX dead_letters_by_organization ON dead_letters (organization, dead_letter_id);
CREATE INDEX dead_letters_waiting ON dead_letters (organization, dead_letter_id) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_waiting_anywhere ON dead_letters (dead_letter_id) WHERE resolved_at IS NULL;
