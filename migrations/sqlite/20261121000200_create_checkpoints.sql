-- How far each subscription has finished.
CREATE TABLE checkpoints (
    subscription_name TEXT PRIMARY KEY,
    global_position   INTEGER NOT NULL,
    updated_at        TEXT NOT NULL
) STRICT;
