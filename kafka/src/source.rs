//! The consumer group of one subscription: records as they arrive, and which partitions are ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use event_log::EventType;
use futures::{FutureExt, StreamExt};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::handler::Poison;
use crate::record::{Arrived, Raw};
use crate::{Error, Settings, beside};

mod watching;

pub(crate) use watching::Rebalanced;

use watching::Watching;

/// Records handed out at a time.
const RECORDS: usize = 500;
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(5);

/// Reads a topic as a member of a subscription's group. Dropped, it leaves the group by the way.
pub(crate) struct Source {
    consumer: Option<StreamConsumer<Watching>>,
    topic: String,
    types: Vec<EventType>,
    connection: Arc<Connection>,
    rebalances: mpsc::UnboundedReceiver<Rebalanced>,
    /// Read before a rebalance that is to be told first.
    ready: Option<Vec<Item>>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: u32,
    pub(crate) offset: i64,
}

/// A record, or why it cannot be read.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    /// What it takes in memory, about.
    pub(crate) bytes: usize,
    pub(crate) what: Result<Arrived, Poison>,
}

/// What the source has to tell.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Records, those of a partition in their order.
    Records(Vec<Item>),
    /// These partitions are ours from now on.
    Assigned(Vec<u32>),
    /// These are not any more.
    Revoked(Vec<u32>),
}

impl Source {
    /// Joins the group.
    pub(crate) fn open(settings: &Settings, subscription: &str, types: Vec<EventType>) -> Result<Self, Error> {
        let (sender, rebalances) = mpsc::unbounded_channel();
        let connection = Arc::new(Connection::of(subscription));
        let watching = Watching::new(subscription, &settings.topic, connection.clone(), sender);
        let consumer: StreamConsumer<Watching> = config(settings, subscription).create_with_context(watching)?;
        consumer.subscribe(&[&settings.topic])?;
        let consumer = Some(consumer);
        Ok(Source { consumer, topic: settings.topic.clone(), types, connection, rebalances, ready: None })
    }

    /// What comes next. Must be called again and again: it also keeps the membership alive.
    ///
    /// # Errors
    /// When the consumer cannot go on and must be replaced; outages are waited out.
    ///
    /// # Cancellation
    /// Safe: nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Arrival, Error> {
        loop {
            if let Ok(rebalanced) = self.rebalances.try_recv() {
                return Ok(rebalanced.into());
            }
            if let Some(items) = self.ready.take() {
                return Ok(Arrival::Records(items));
            }
            tokio::select! {
                Some(rebalanced) = self.rebalances.recv() => return Ok(rebalanced.into()),
                received = receive(self.consumer.as_ref(), &self.topic, &self.types) => {
                    let items = received?;
                    if !items.is_empty() {
                        self.connection.reached();
                        self.ready = Some(items);
                    }
                }
            }
        }
    }

    /// The records before these offsets are durably handled. They are committed shortly, and when a partition goes.
    pub(crate) fn finished(&self, offsets: &BTreeMap<u32, i64>) {
        let Some(consumer) = &self.consumer else { return };
        if offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            // An offset that Kafka gave us is one that it takes.
            let _ = list.add_partition_offset(&self.topic, kafka_number(*partition), Offset::Offset(*offset));
        }
        if let Err(error) = consumer.store_offsets(&list) {
            // A partition that was taken meanwhile: its next owner finds the records handled.
            tracing::debug!(error = %error, kafka.topic = self.topic, "offsets are not stored");
        }
    }

    /// Stops fetching; the membership goes on.
    pub(crate) fn pause(&self) {
        self.with_assignment("pause", |consumer, assigned| consumer.pause(assigned));
    }

    /// Fetches again.
    pub(crate) fn resume(&self) {
        self.with_assignment("resume", |consumer, assigned| consumer.resume(assigned));
    }

    /// Leaves the group after committing what is stored.
    pub(crate) async fn close(mut self) {
        if let Some(consumer) = self.consumer.take() {
            let _ = tokio::time::timeout(LEAVE, beside::run(move || drop(consumer))).await;
        }
    }

    fn with_assignment(
        &self,
        what: &str,
        act: impl FnOnce(&StreamConsumer<Watching>, &TopicPartitionList) -> Result<(), KafkaError>,
    ) {
        let Some(consumer) = &self.consumer else { return };
        if let Err(error) = consumer.assignment().and_then(|assigned| act(consumer, &assigned)) {
            tracing::warn!(error = %error, kafka.topic = self.topic, "partitions did not {what}");
        }
    }
}

impl Drop for Source {
    /// Leaving a group waits for the brokers, so it is done beside the run time.
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            beside::end(consumer);
        }
    }
}

/// Offsets are stored by us, after decisions are durable; librdkafka only carries them to the brokers.
fn config(settings: &Settings, subscription: &str) -> ClientConfig {
    let mut config = settings.client();
    for (name, value) in [
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "3000"),
        ("auto.commit.interval.ms", "1000"),
        ("queued.max.messages.kbytes", "16384"),
        ("queued.min.messages", "5000"),
        ("fetch.queue.backoff.ms", "20"),
        // Some brokers answer only when the wait is over.
        ("fetch.wait.max.ms", "20"),
    ] {
        if !settings.options.contains_key(name) {
            config.set(name, value);
        }
    }
    config.set("group.id", settings.group_id(subscription));
    config.set("enable.auto.commit", "true");
    config.set("enable.auto.offset.store", "false");
    config.set("auto.offset.reset", "earliest");
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("statistics.interval.ms", "5000");
    config
}

/// Waits for a record, and takes those that are there by then.
async fn receive(
    consumer: Option<&StreamConsumer<Watching>>,
    topic: &str,
    types: &[EventType],
) -> Result<Vec<Item>, Error> {
    let Some(consumer) = consumer else { return std::future::pending().await };
    let mut items = Vec::new();
    let mut messages = consumer.stream();
    let mut next = messages.next().await;
    while let Some(message) = next {
        match message {
            Ok(message) => items.push(read(&message, topic, types)),
            Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(Error::Kafka(error)),
            // Outages are told by the connection; other errors pass or come again.
            Err(error) => tracing::debug!(error = %error, kafka.topic = topic, "no record"),
        }
        if items.len() >= RECORDS {
            break;
        }
        next = messages.next().now_or_never().flatten();
    }
    Ok(items)
}

fn read(message: &BorrowedMessage<'_>, topic: &str, types: &[EventType]) -> Item {
    let place = Place { partition: our_number(message.partition()), offset: message.offset() };
    let headers = match message.headers() {
        Some(headers) => headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect(),
        None => Vec::new(),
    };
    let header_bytes: usize = headers.iter().map(|(name, value): &(&str, &[u8])| name.len() + value.len()).sum();
    let bytes = header_bytes + message.key_len() + message.payload_len();
    let raw = Raw { key: message.key(), value: message.payload(), headers, partition: message.partition() };
    let what = Arrived::read(&raw, |found| types.is_empty() || types.contains(found)).map_err(|reason| Poison {
        topic: topic.to_owned(),
        partition: place.partition,
        offset: place.offset,
        reason: reason.to_string(),
        key: message.key().and_then(|key| std::str::from_utf8(key).ok()).map(str::to_owned),
        prefix: message.payload().unwrap_or_default().iter().copied().take(Poison::PREFIX_BYTES).collect(),
    });
    Item { place, bytes, what }
}

/// Kafka numbers partitions from 0, in 31 bits.
pub(crate) fn our_number(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or_default()
}

fn kafka_number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

impl From<Rebalanced> for Arrival {
    fn from(rebalanced: Rebalanced) -> Self {
        match rebalanced {
            Rebalanced::Assigned(partitions) => Arrival::Assigned(partitions),
            Rebalanced::Revoked(partitions) => Arrival::Revoked(partitions),
        }
    }
}
