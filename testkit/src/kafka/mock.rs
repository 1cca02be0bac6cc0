//! The mock cluster of librdkafka: the real protocol on loopback, in this process, with consumer groups, and with faults on demand.

use std::ops::Deref;
use std::time::Duration;

use rdkafka::mocking;
use rdkafka::producer::DefaultProducerContext;

/// Brokers in this process, gone with this value.
///
/// The admin API cannot make topics here: make them with [`create_topic`](Self::create_topic), or let a producer do it. Faults that
/// are not named here (`request_errors`, `partition_leader`, …) are reached through [`Deref`].
///
/// It stays on the thread that made it: keep it in the test's own function and hand [`address`](Self::address) to tasks.
pub struct MockCluster {
    cluster: mocking::MockCluster<'static, DefaultProducerContext>,
}

impl MockCluster {
    /// Starts so many brokers.
    ///
    /// # Panics
    /// When librdkafka refuses.
    pub fn start(brokers: i32) -> Self {
        let cluster = mocking::MockCluster::new(brokers).expect("librdkafka makes a mock cluster");
        Self { cluster }
    }

    /// Bootstrap servers, separated by commas.
    pub fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Makes a topic without copies of its partitions.
    ///
    /// # Panics
    /// When librdkafka refuses, for instance because the topic exists.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.cluster.create_topic(topic, partitions, 1).expect("a new topic can be made");
    }

    /// Cuts all connections and refuses new ones.
    ///
    /// # Panics
    /// When librdkafka refuses.
    pub fn all_down(&self) {
        self.cluster.broker_down(-1).expect("brokers go down");
    }

    /// Accepts connections again.
    ///
    /// # Panics
    /// When librdkafka refuses.
    pub fn all_up(&self) {
        self.cluster.broker_up(-1).expect("brokers come up");
    }

    /// Makes every answer take that long.
    ///
    /// # Panics
    /// When librdkafka refuses.
    pub fn slow_down(&self, round_trip: Duration) {
        self.cluster.broker_round_trip_time(-1, round_trip).expect("brokers slow down");
    }
}

impl Deref for MockCluster {
    type Target = mocking::MockCluster<'static, DefaultProducerContext>;

    fn deref(&self) -> &Self::Target {
        &self.cluster
    }
}

impl std::fmt::Debug for MockCluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MockCluster").field("address", &self.address()).finish()
    }
}
