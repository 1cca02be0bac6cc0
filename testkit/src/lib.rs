//! Throw-away PostgreSQL databases and Kafka brokers for tests.
//!
//! Two ways to a server:
//!
//! - **Shared**: `tests/services start` brings up one PostgreSQL cluster and one Kafka broker for a whole test run and names them in
//!   the environment. A test takes a fresh database ([`postgres::database`]) or topics with names of its own
//!   ([`kafka::broker`]).
//! - **Own**: a test that kills or restarts a server starts one that is its alone ([`postgres::Cluster`],
//!   [`kafka::OwnBroker`]).
//!
//! Nothing here ever uses a server that was there before. Everything panics instead of returning errors: a test that lacks
//! its server has failed, and the message says what helps.

pub mod kafka;
pub mod postgres;
pub mod store;
pub mod wait;

mod services;
