//! The idempotent producer of one session.

use std::sync::Arc;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use tokio::sync::mpsc;

use crate::connection::{Connection, log};
use crate::partition::Portion;
use crate::record::Record;
use crate::{Error, Settings, beside};

/// Librdkafka's own default, and a little less than what brokers take by default.
const LARGEST_MESSAGE_BYTES: usize = 1_000_000;

/// Sends records and hears of their delivery. Dropped, it forgets what it did not send yet.
pub(super) struct Publisher {
    producer: Option<ThreadedProducer<Deliveries>>,
    topic: String,
    delivered: mpsc::UnboundedReceiver<Delivered>,
}

/// What became of a record.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) number: usize,
    pub(super) result: Result<(), RDKafkaErrorCode>,
}

/// What became of a try to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The producer has it.
    Taken,
    /// It can never be sent.
    TooLarge,
    /// Again after some deliveries.
    Full,
}

struct Deliveries {
    connection: Arc<Connection>,
    /// Bounded by the records in flight, of which the session allows so many.
    delivered: mpsc::UnboundedSender<Delivered>,
}

/// The largest message that the settings let a producer send, in bytes.
pub(super) fn largest_message_bytes(settings: &Settings) -> usize {
    settings
        .options
        .get("message.max.bytes")
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(LARGEST_MESSAGE_BYTES)
}

impl Publisher {
    /// `largest_bytes` bounds what is sent in one request for a partition, as far as records are not larger themselves.
    pub(super) fn open(settings: &Settings, connection: Arc<Connection>, largest_bytes: usize) -> Result<Self, Error> {
        let (sender, delivered) = mpsc::unbounded_channel();
        let producer =
            config(settings, largest_bytes).create_with_context(Deliveries { connection, delivered: sender })?;
        Ok(Publisher { producer: Some(producer), topic: settings.topic.clone(), delivered })
    }

    /// Hands a record to the producer; its delivery is reported under `number`.
    pub(super) fn send(&self, portion: Portion, record: &Record, number: usize) -> Result<Sending, Error> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value.as_str()) })
            });
        let partition = i32::try_from(portion.partition()).expect("kafka numbers partitions with 31 bits");
        let message = BaseRecord::with_opaque_to(&self.topic, number)
            .partition(partition)
            .key(record.key.as_str())
            .payload(record.value.as_str())
            .headers(headers);
        match self.producer.as_ref().expect("it is there until the drop").send(message) {
            Ok(()) => Ok(Sending::Taken),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Sending::Full),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => Ok(Sending::TooLarge),
            Err((error, _)) => Err(Error::Kafka(error)),
        }
    }

    /// The next delivery.
    pub(super) async fn delivered(&mut self) -> Delivered {
        self.delivered.recv().await.expect("the producer lives, and with it the sender")
    }

    /// The next delivery, if it is known already.
    pub(super) fn delivered_now(&mut self) -> Option<Delivered> {
        self.delivered.try_recv().ok()
    }
}

impl Drop for Publisher {
    /// Ending a producer waits for its threads, so it is done beside the run time.
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            beside::end(producer);
        }
    }
}

/// No message ever times out, and none overtakes another: after any failure nothing more is sent.
fn config(settings: &Settings, largest_bytes: usize) -> ClientConfig {
    let mut config = settings.client();
    let batch_bytes = largest_bytes.clamp(1, LARGEST_MESSAGE_BYTES);
    config.set("batch.size", batch_bytes.to_string());
    config.set("message.max.bytes", largest_message_bytes(settings).to_string());
    config.set("acks", "all");
    config.set("enable.idempotence", "true");
    config.set("enable.gapless.guarantee", "true");
    config.set("message.timeout.ms", "0");
    config
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, said: &str) {
        self.connection.failed(&error, said);
    }

    fn stats(&self, _: Statistics) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let result = match result {
            Ok(_) => {
                self.connection.reached();
                Ok(())
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        // Nobody listens to a producer that is being dropped.
        let _ = self.delivered.send(Delivered { number, result });
    }
}
