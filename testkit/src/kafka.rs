//! Kafka: the shared broker, brokers that a test may kill, and (feature `kafka`) the mock cluster of librdkafka.

mod broker;
#[cfg(feature = "kafka")]
mod mock;

pub use broker::{OwnBroker, broker};
#[cfg(feature = "kafka")]
pub use mock::MockCluster;
