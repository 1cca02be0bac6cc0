//! The real binary against the simulator.

#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod demo;
