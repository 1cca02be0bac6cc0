//! Hints, polls and registrations against the simulated CRM, over real databases.

mod hints;
mod polls;
pub(crate) mod process;
mod processes;
mod registrations;
pub(crate) mod stage;
