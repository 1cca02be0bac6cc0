-- How far each subscription has finished.
CREATE TABLE checkpoints (
    subscription_name text COLLATE "C" PRIMARY KEY,
    global_position   bigint NOT NULL,
    updated_at        timestamptz NOT NULL
);
