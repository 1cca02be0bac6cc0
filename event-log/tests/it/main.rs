//! The log against real databases: one conformance suite for every backend, what only SQLite can suffer, and moving from
//! one to the other.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod conformance;
mod fixture;
mod postgres;
mod sqlite;
mod store_copy;
