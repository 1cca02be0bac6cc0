//! The clients against real HTTP: a scripted server on loopback that can also cut, stall and truncate.
#![allow(clippy::unwrap_used, missing_docs)]

mod account;
mod budget;
mod crm;
mod download;
mod listing;
mod reads;
mod secrets;
mod server;
mod tokens;
mod upload;
mod workdrive;
