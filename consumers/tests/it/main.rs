//! The consumers over real SQLite and simulated providers.
#![allow(clippy::unwrap_used, missing_docs)]

mod copying;
mod crashes;
mod damage;
mod deciding;
mod ledger;
mod pausing;
mod stage;
mod surviving;
