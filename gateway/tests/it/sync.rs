//! Jobs that read channels of a simulated Cliq.

mod bots;
mod channels;
mod limits;
mod stage;
