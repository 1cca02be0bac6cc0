//! Looking into and tampering with the topic itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kafka::Settings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

pub(crate) fn client(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config
}

/// All records of the topic, by partition, in their order.
pub(crate) fn records(settings: &Settings) -> BTreeMap<i32, Vec<OwnedMessage>> {
    let mut config = client(settings);
    // A broker that answers only when the wait is over, or that collects all it may before it answers, is not waited for.
    for (name, value) in [("fetch.wait.max.ms", "10"), ("fetch.max.bytes", "2000"), ("message.max.bytes", "2000")] {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.set("group.id", "looking").create().unwrap();
    let metadata = consumer.fetch_metadata(Some(&settings.topic), Duration::from_secs(10)).unwrap();
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    let mut ends = BTreeMap::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(&settings.topic, partition.id(), Duration::from_secs(10)).unwrap();
        list.add_partition_offset(&settings.topic, partition.id(), Offset::Beginning).unwrap();
        left += high - low;
        ends.insert(partition.id(), high);
    }
    consumer.assign(&list).unwrap();
    let mut found: BTreeMap<i32, Vec<OwnedMessage>> = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} records of {ends:?} cannot be read");
        let polled = consumer.poll(Duration::from_millis(100));
        let Some(Ok(message)) =
            polled.filter(|polled| polled.as_ref().is_ok_and(|m| m.offset() < ends[&m.partition()]))
        else {
            continue;
        };
        left -= 1;
        found.entry(message.partition()).or_default().push(message.detach());
    }
    found
}

pub(crate) fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    Some(String::from_utf8(found.value?.to_vec()).unwrap())
}

pub(crate) fn position(message: &OwnedMessage) -> i64 {
    header(message, "ce_position").unwrap().parse().unwrap()
}

/// Positions in the order of each partition.
pub(crate) fn positions(settings: &Settings) -> BTreeMap<i32, Vec<i64>> {
    records(settings)
        .into_iter()
        .map(|(partition, messages)| (partition, messages.iter().map(position).collect()))
        .collect()
}

/// Writes to the topic as anybody can.
pub(crate) struct Writer {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

impl Writer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Writer { producer: client(settings).create().unwrap(), topic: settings.topic.clone() }
    }

    pub(crate) fn copy(&self, message: &OwnedMessage) {
        self.copy_with(message, &[]);
    }

    /// A record again, with other headers.
    pub(crate) fn copy_with(&self, message: &OwnedMessage, change: &[(&str, &str)]) {
        let mut headers = OwnedHeaders::new();
        for header in message.headers().unwrap().iter() {
            let changed = change.iter().find(|(name, _)| *name == header.key).map(|(_, value)| value.as_bytes());
            headers = headers.insert(Header { key: header.key, value: changed.or(header.value) });
        }
        let record = BaseRecord::to(&self.topic)
            .partition(message.partition())
            .key(message.key().unwrap())
            .payload(message.payload().unwrap_or_default())
            .headers(headers);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Something that is no event.
    pub(crate) fn garbage(&self, partition: i32, value: &str) {
        let record = BaseRecord::<str, str>::to(&self.topic).partition(partition).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }
}

/// A member of a group that takes partitions, reads their records and does nothing with them.
pub(crate) struct IdleMember {
    partitions: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Joins the group of a subscription.
pub(crate) fn idle_member(settings: &Settings, subscription: &str) -> IdleMember {
    let consumer: BaseConsumer = client(settings)
        .set("group.id", settings.group_id(subscription))
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        .create()
        .unwrap();
    consumer.subscribe(&[&settings.topic]).unwrap();
    let (partitions, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, ended) = (partitions.clone(), end.clone());
    let thread = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            let _ = consumer.poll(Duration::from_millis(50));
            count.store(consumer.assignment().unwrap().count(), Ordering::Relaxed);
        }
    });
    IdleMember { partitions, end, thread: Some(thread) }
}

impl IdleMember {
    /// How many it has at the moment.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }
}

impl Drop for IdleMember {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
