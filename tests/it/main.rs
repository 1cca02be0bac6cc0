//! The real binary against the simulator.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bad_input;
mod comparison;
mod consent;
mod crash;
mod demo;
mod gateway;
mod migrant;
mod names;
mod operator;
mod secrets;
mod shutdown;
mod trees;
mod webhooks;
