//! Whether the brokers can be reached: one warning for each outage, one message when it is over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientContext, Statistics};

/// What a client knows of its brokers. Librdkafka reports every single attempt; people want to know of the outage.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Who is connected, for messages: `relay`, or a subscription.
    client: String,
    is_down: AtomicBool,
    /// The last thing that went wrong with one broker: says more than that all are down.
    reason: Mutex<String>,
}

impl Connection {
    pub(crate) fn of(client: impl Into<String>) -> Self {
        Connection { client: client.into(), is_down: AtomicBool::new(false), reason: Mutex::default() }
    }

    /// Takes note of an error that librdkafka reports beside its answers.
    pub(crate) fn failed(&self, error: &KafkaError, said: &str) {
        let KafkaError::Global(code) = error else { return };
        match code {
            RDKafkaErrorCode::AllBrokersDown => self.lost(),
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::SSL => {
                self.note(said);
                self.lost();
            }
            _ => {
                tracing::debug!(client = self.client, code = %code, "kafka: {said}");
                self.note(said);
            }
        }
    }

    /// The last thing that went wrong, if anything did.
    pub(crate) fn reason(&self) -> Option<String> {
        let reason = self.reason.lock().expect("no panic while it is held");
        (!reason.is_empty()).then(|| reason.clone())
    }

    /// A broker answered.
    pub(crate) fn reached(&self) {
        if self.is_down.load(Ordering::Relaxed) && self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!(client = self.client, "kafka is reached again");
        }
    }

    /// Brokers answer as long as one connection is up.
    pub(crate) fn look(&self, statistics: &Statistics) {
        if statistics.brokers.values().any(|broker| broker.state == "UP" && broker.nodeid >= 0) {
            self.reached();
        }
    }

    fn note(&self, said: &str) {
        said.clone_into(&mut self.reason.lock().expect("no panic while it is held"));
    }

    fn lost(&self) {
        if self.is_down.swap(true, Ordering::Relaxed) {
            return;
        }
        let reason = self.reason().unwrap_or_default();
        tracing::warn!(client = self.client, reason, "kafka cannot be reached; trying on");
    }
}

/// Librdkafka's own lines repeat what its errors say: they are for those who look for them.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "librdkafka: {message}");
        }
        _ => tracing::debug!(facility, "librdkafka: {message}"),
    }
}

/// A client that is only asked things: about topics, partitions, offsets.
pub(crate) struct Asking(pub(crate) std::sync::Arc<Connection>);

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, said: &str) {
        self.0.failed(&error, said);
    }
}

impl ConsumerContext for Asking {}
