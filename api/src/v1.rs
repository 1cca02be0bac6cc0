//! `/api/v1`, one file for each group of endpoints.

pub mod accounts;
pub mod dead_letters;
pub mod events;
pub mod registrations;
pub mod schedules;
pub mod transfers;
