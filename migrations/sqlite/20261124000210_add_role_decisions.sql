-- Who decided the role, and when; absent where the table of roles says it.
ALTER TABLE rm_erp_users ADD COLUMN role_decided_by TEXT;
ALTER TABLE rm_erp_users ADD COLUMN role_decided_at TEXT;
