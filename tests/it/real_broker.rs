//! Many processes, PostgreSQL, and a real Kafka broker.

mod cliq;
mod crash;
mod outage;
mod relays;
mod replay;
mod secured;
mod stage;
mod standstill;
