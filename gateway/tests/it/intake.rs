//! Hints, polls and registrations against the simulated CRM, over real databases.

mod hints;
mod polls;
mod process;
mod processes;
mod registrations;
mod stage;
