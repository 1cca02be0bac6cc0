//! `/api/v1`, one file for each group of endpoints.

pub mod accounts;
