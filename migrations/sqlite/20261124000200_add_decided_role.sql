-- The role in the ERP that a person decided, which counts before the table of roles; absent where the table says it.
ALTER TABLE books_users ADD COLUMN decided_role TEXT;
