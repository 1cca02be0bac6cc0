//! The append-only log: events, streams, sightings, checkpoints, subscriptions.
