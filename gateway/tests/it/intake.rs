//! Hints, polls and registrations against the simulated CRM, over a real database.

mod hints;
mod polls;
mod registrations;
mod stage;
