//! The API over real sockets and real databases.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod accounts;
mod server;
