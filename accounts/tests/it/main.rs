//! The accounts over real databases and a provider that speaks HTTP.
#![allow(clippy::unwrap_used, missing_docs)]

mod check;
mod connect;
mod consent;
mod consents;
mod keys;
mod lossy_way;
mod office;
mod provider;
mod secrets;
mod settings;
mod sharing;
mod store;
