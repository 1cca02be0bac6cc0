//! The gateway over real sockets and a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod http;
mod intake;
