//! The servers that tests stand on do what they promise.
#![allow(clippy::unwrap_used, missing_docs)]

#[cfg(feature = "kafka")]
mod mock_cluster;
mod postgres;
mod real_broker;
mod round_trip;
