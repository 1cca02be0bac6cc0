//! What a member of a group is told besides records: partitions that come and go, outages, lag.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, Statistics, TopicPartitionList};
use tokio::sync::mpsc;

use super::our_number;
use crate::connection::{Connection, log};

/// Partitions that came or went.
#[derive(Debug)]
pub(crate) enum Rebalanced {
    Assigned(Vec<u32>),
    Revoked(Vec<u32>),
}

pub(super) struct Watching {
    subscription: String,
    topic: String,
    connection: Arc<Connection>,
    /// Few messages: one for each rebalance.
    rebalances: mpsc::UnboundedSender<Rebalanced>,
    assigned: Mutex<BTreeSet<u32>>,
}

impl Watching {
    pub(super) fn new(
        subscription: &str,
        topic: &str,
        connection: Arc<Connection>,
        rebalances: mpsc::UnboundedSender<Rebalanced>,
    ) -> Self {
        let (subscription, topic) = (subscription.to_owned(), topic.to_owned());
        Watching { subscription, topic, connection, rebalances, assigned: Mutex::default() }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<u32>)) {
        let mut assigned = self.assigned.lock().expect("no panic while it is held");
        change(&mut assigned);
        metrics::gauge!("kafka_partitions_assigned", "subscription" => self.subscription.clone())
            .set(assigned.len() as f64);
    }

    fn show_lag(&self, partition: u32, lag: i64) {
        let labels = [("subscription", self.subscription.clone()), ("partition", partition.to_string())];
        metrics::gauge!("kafka_consumer_lag", &labels).set(lag.max(0) as f64);
    }
}

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, said: &str) {
        self.connection.failed(&error, said);
    }

    fn stats(&self, statistics: Statistics) {
        self.connection.look(&statistics);
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let assigned = self.assigned.lock().expect("no panic while it is held").clone();
        for partition in topic.partitions.values() {
            let number = our_number(partition.partition);
            if assigned.contains(&number) && partition.consumer_lag >= 0 {
                self.show_lag(number, partition.consumer_lag);
            }
        }
    }
}

impl ConsumerContext for Watching {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let rebalanced = match rebalance {
            Rebalance::Assign(list) => {
                let partitions = numbers(list);
                self.change(|assigned| assigned.extend(&partitions));
                Rebalanced::Assigned(partitions)
            }
            Rebalance::Revoke(list) => {
                let partitions = numbers(list);
                self.change(|assigned| assigned.retain(|partition| !partitions.contains(partition)));
                partitions.iter().for_each(|partition| self.show_lag(*partition, 0));
                Rebalanced::Revoked(partitions)
            }
            Rebalance::Error(error) => {
                tracing::warn!(error = %error, subscription.name = self.subscription, "a rebalance failed");
                return;
            }
        };
        tracing::debug!(subscription.name = self.subscription, "partitions: {rebalanced:?}");
        self.connection.reached();
        // Nobody listens to a consumer that is being dropped.
        let _ = self.rebalances.send(rebalanced);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Committed again with the next offsets; at worst records come again and are found handled.
            tracing::debug!(error = %error, subscription.name = self.subscription, "offsets were not committed");
        }
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<u32> {
    list.elements().iter().map(|element| our_number(element.partition())).collect()
}
