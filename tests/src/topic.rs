//! A Kafka topic read and written from outside: whole, record by record, with a client that knows nothing of the product.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use crate::wait::until_true;

/// Longest wait for an answer of the broker.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic at a broker.
#[derive(Debug, Clone)]
pub struct Topic {
    brokers: String,
    name: String,
    options: BTreeMap<String, String>,
}

/// A record as it lies in the topic.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its headers; none comes twice.
    pub headers: BTreeMap<String, String>,
}

impl Published {
    /// A header that must be there.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    /// The event's position in the log.
    ///
    /// # Panics
    /// When it is no number.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.header("ce_position").parse().expect("a position is a number")
    }
}

impl Topic {
    /// The topic of that name; it need not be there yet.
    #[must_use]
    pub fn new(brokers: &str, name: &str) -> Self {
        Topic { brokers: brokers.to_owned(), name: name.to_owned(), options: BTreeMap::new() }
    }

    /// The same with properties of librdkafka, such as who we are.
    #[must_use]
    pub fn with_options(mut self, options: &BTreeMap<String, String>) -> Self {
        self.options.extend(options.clone());
        self
    }

    /// All records, in the order of each partition; what arrives meanwhile may be missing.
    ///
    /// # Panics
    /// When the broker does not answer, or a record is no record of text.
    #[must_use]
    pub fn records(&self) -> Vec<Published> {
        let consumer = self.consumer("nobody");
        let mut open: BTreeMap<i32, i64> = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions(&consumer) {
            let (low, high) = consumer.fetch_watermarks(&self.name, partition, PATIENCE).expect("the broker answers");
            if high > low {
                open.insert(partition, high);
                assignment.add_partition_offset(&self.name, partition, Offset::Offset(low)).expect("an offset");
            }
        }
        consumer.assign(&assignment).expect("partitions can be assigned");
        let mut records = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !open.is_empty() {
            assert!(Instant::now() < deadline, "not all of {} can be read: {open:?} are open", self.name);
            let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
            let Ok(message) = message else { continue };
            if open.get(&message.partition()).is_some_and(|high| message.offset() + 1 >= *high) {
                open.remove(&message.partition());
            }
            records.push(published(&message));
        }
        records
    }

    /// Sends a record once more, as it was, to the partition it came from.
    ///
    /// # Panics
    /// When the broker does not take all of them.
    pub fn publish<'r>(&self, records: impl IntoIterator<Item = &'r Published>) {
        let producer: ThreadedProducer<DefaultProducerContext> =
            self.client().create().expect("a producer can be made");
        for record in records {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            let message = BaseRecord::to(&self.name)
                .partition(record.partition)
                .key(&record.key)
                .payload(&record.value)
                .headers(headers);
            producer.send(message).map_err(|(error, _)| error).expect("the queue takes it");
        }
        producer.flush(PATIENCE).expect("the broker takes all");
    }

    /// Sets the offsets of a group without members back to the beginning.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn rewind(&self, group: &str) {
        let consumer = self.consumer(group);
        let mut offsets = TopicPartitionList::new();
        for partition in 0..self.partitions(&consumer) {
            offsets.add_partition_offset(&self.name, partition, Offset::Offset(0)).expect("an offset");
        }
        consumer.commit(&offsets, CommitMode::Sync).expect("offsets of a group without members can be set");
    }

    /// Records that a group has not committed yet.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn lag(&self, group: &str) -> i64 {
        let consumer = self.consumer(group);
        let mut partitions = TopicPartitionList::new();
        for partition in 0..self.partitions(&consumer) {
            partitions.add_partition(&self.name, partition);
        }
        let committed = consumer.committed_offsets(partitions, PATIENCE).expect("the broker answers");
        let lag = committed.elements().into_iter().map(|one| {
            let (low, high) =
                consumer.fetch_watermarks(&self.name, one.partition(), PATIENCE).expect("the broker answers");
            let Offset::Offset(offset) = one.offset() else { return high - low };
            high - offset
        });
        lag.sum()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).extend(self.options.clone());
        config
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        self.client()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("max.partition.fetch.bytes", "200000")
            .create()
            .expect("a consumer can be made")
    }

    /// Waits until the topic is there.
    fn partitions(&self, consumer: &BaseConsumer) -> i32 {
        let mut found = 0;
        until_true("the topic is there", PATIENCE.as_secs(), || {
            let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).expect("the broker answers");
            found = metadata.topics().iter().map(|topic| topic.partitions().len()).sum();
            found > 0
        });
        i32::try_from(found).expect("partitions are few")
    }
}

/// Where Kafka's Java client puts a key: murmur2 of its bytes without the sign, modulo the number of partitions
/// (org.apache.kafka.common.utils.Utils.murmur2, BuiltInPartitioner.partitionForKey; read 2026-11).
#[must_use]
pub fn partition_of(key: &str, partitions: u32) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let bytes = key.as_bytes();
    let mut hash = 0x9747_b28c_u32 ^ u32::try_from(bytes.len()).expect("keys are short");
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) % partitions
}

fn published(message: &impl Message) -> Published {
    let text = |bytes: Option<&[u8]>| {
        let text = std::str::from_utf8(bytes.unwrap_or_default());
        text.unwrap_or_else(|error| panic!("{error} in a record")).to_owned()
    };
    let mut headers = BTreeMap::new();
    for header in message.headers().iter().flat_map(|headers| headers.iter()) {
        let twice = headers.insert(header.key.to_owned(), text(header.value));
        assert!(twice.is_none(), "header {} comes twice", header.key);
    }
    Published { partition: message.partition(), key: text(message.key()), value: text(message.payload()), headers }
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    /// From Kafka's own UtilsTest.testMurmur2: 21 → -973932308, foobar → -790332482, a-little-bit-long-string → -985981536.
    #[test]
    fn keys_go_where_the_java_client_puts_them() {
        for (key, hash) in
            [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            let positive = hash.cast_unsigned() & 0x7fff_ffff;
            assert_eq!(partition_of(key, u32::MAX), positive);
            assert_eq!(partition_of(key, 12), positive % 12);
        }
    }
}
