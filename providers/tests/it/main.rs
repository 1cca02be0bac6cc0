//! The clients against real HTTP: a scripted server on loopback that can also cut, stall and truncate, and the simulator,
//! which was written from the same facts by other hands.
#![allow(clippy::unwrap_used, missing_docs)]

mod account;
mod books;
mod budget;
mod cliq;
mod crm;
mod download;
mod google;
mod ingest;
mod listing;
mod oauth;
mod reads;
mod secrets;
mod server;
mod simulated;
mod simulated_faults;
mod simulated_world;
mod tokens;
mod upload;
mod workdrive;
