//! Projections over a real SQLite log.
#![allow(clippy::unwrap_used, missing_docs)]

mod live;
mod query;
mod rebuild;
mod scan;
mod story;
mod world;
