//! Jobs that read channels of a simulated Cliq.

mod channels;
mod limits;
mod stage;
