//! The relay and consumers against a broker: librdkafka's mock cluster (real protocol on loopback), or the one that
//! `GATELEDGER_TEST_KAFKA_EVERYWHERE` names (`host:port`). What only the mock can be made to do is in `outages`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod consumers;
mod outages;
mod partitions;
mod poison;
mod recorder;
mod relays;
mod stage;
mod switches;
mod topic;
