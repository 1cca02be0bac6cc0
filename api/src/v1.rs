//! `/api/v1`, one file for each group of endpoints.

pub mod accounts;
pub mod channels;
pub mod dead_letters;
pub mod erp;
pub mod events;
pub mod grants;
pub mod jobs;
pub mod mappings;
pub mod registrations;
pub mod schedules;
pub mod transfers;
