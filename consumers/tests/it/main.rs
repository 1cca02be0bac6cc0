//! The consumers over real databases and simulated providers.
#![allow(clippy::unwrap_used, missing_docs)]

#[macro_use]
mod database;

mod contact_update;
mod copying;
mod crashes;
mod damage;
mod deciding;
mod ingest;
mod ledger;
mod notify;
mod pausing;
mod process;
mod refusing;
mod several;
mod stage;
mod surviving;
