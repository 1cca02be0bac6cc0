//! The gateway over real sockets and real databases.
#![allow(clippy::unwrap_used, missing_docs)]

mod http;
mod intake;
mod metrics;
mod store;
mod sync;
