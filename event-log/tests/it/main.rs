//! The log against real databases: one conformance suite for every backend, and what only SQLite can suffer.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod conformance;
mod fixture;
mod sqlite;
