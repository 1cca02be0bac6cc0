//! The crate against real files, real signals and a real log.
#![allow(clippy::unwrap_used, missing_docs)]

mod books;
mod config;
mod ingest;
mod migration_names;
mod notify;
mod place;
mod problems;
mod secrets;
mod signals;
mod telemetry;
