//! Many processes on one PostgreSQL, without Kafka: limits hold across them, and no reader skips an event.

mod limits;
mod soak;
