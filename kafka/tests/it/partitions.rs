//! The partition of a stream is the one that Kafka's own clients choose for the key.

use std::time::Duration;

use event_log::StreamName;
use kafka::StreamHash;
use rdkafka::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::stage::Stage;
use crate::topic;

#[tokio::test]
async fn streams_hash_to_the_partition_that_kafkas_clients_choose() {
    let stage = Stage::new(12).await;
    if stage.mock.is_none() {
        stage.append(1, 1).await;
        let relay = stage.relay();
        stage.published().await;
        relay.stop().await;
    }
    let mut config = topic::client(&stage.settings);
    config.set("partitioner", "murmur2_random");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let keys: Vec<String> = (0..300)
        .map(|number| StreamName::new("crm_record", "x".repeat(number % 40) + &number.to_string()).to_string())
        .collect();
    for key in &keys {
        let record = BaseRecord::to(&stage.settings.topic).key(key.as_str()).payload("");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    let mut found = 0;
    for (partition, messages) in topic::records(&stage.settings) {
        for message in messages {
            let expected = StreamHash::of_key(message.key().unwrap()).portion(12).partition();
            assert_eq!(i64::from(partition), i64::from(expected), "{:?}", message.key());
            found += 1;
        }
    }
    assert_eq!(found, keys.len() + stage.everything().await.len());
}
