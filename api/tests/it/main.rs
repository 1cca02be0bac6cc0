//! The API over real sockets and real databases.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod accounts;
mod dead_letters;
mod documents;
mod events;
mod grants;
mod intake;
mod key_server;
mod mappings;
mod requests;
mod server;
mod tds;
mod tokens;
mod transfers;
