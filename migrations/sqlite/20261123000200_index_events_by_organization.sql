-- The newest events of one organisation, for its own people.
CREATE INDEX events_by_organization ON events (organization, global_position);
