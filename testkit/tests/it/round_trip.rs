//! Producing to a broker and consuming from it, as the product does: idempotent producer, consumer group, committed offsets.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};

const LIMIT: Duration = Duration::from_secs(60);

/// Produces numbered records and waits until the broker has acknowledged each.
pub(crate) async fn produce(broker: &str, topic: &str, numbers: std::ops::Range<u32>) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .create()
        .unwrap();
    for number in numbers {
        let (key, value) = (format!("stream-{}", number % 5), number.to_string());
        let record = FutureRecord::to(topic).key(&key).payload(&value);
        producer.send(record, LIMIT).await.map_err(|(error, _)| error).unwrap();
    }
}

/// Whether a record cannot be delivered within a second.
#[cfg(feature = "kafka")]
pub(crate) async fn refuses(broker: &str, topic: &str) -> bool {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", broker).set("message.timeout.ms", "1000").create().unwrap();
    producer.send(FutureRecord::to(topic).key("stream").payload("0"), LIMIT).await.is_err()
}

/// Takes so many records as a member of a group, commits them, and gives their numbers in order of arrival.
pub(crate) async fn consume(broker: &str, topic: &str, group: &str, count: usize) -> Vec<u32> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let record = tokio::time::timeout(LIMIT, consumer.recv()).await.expect("a record arrives").unwrap();
        let value = record.payload_view::<str>().unwrap().unwrap();
        numbers.push(value.parse().unwrap());
        consumer.commit_message(&record, CommitMode::Sync).unwrap();
    }
    numbers
}

/// The numbers, sorted.
pub(crate) fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}
