//! The real binary against the simulator.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod consent;
mod crash;
mod demo;
mod migrant;
mod shutdown;
mod trees;
mod webhooks;
