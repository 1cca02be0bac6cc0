//! Why the relay or a consumer ended, split by what the caller can do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::settings::InvalidSettings;

/// Why the relay or a consumer ended, or could not go on for a while.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot be used. A person must change them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<InvalidSettings>),
    /// The log could not be read or written.
    #[error("the log could not be used")]
    Log(#[from] event_log::Error),
    /// The brokers do not let us create the topic. A person must create it, or give the right to.
    #[error(
        "topic {topic} does not exist and cannot be created ({code}); create it with the partitions you want, or let \
         this user create it"
    )]
    TopicRefused {
        /// The topic.
        topic: String,
        /// What the broker answered.
        code: RDKafkaErrorCode,
    },
    /// Records of the topic were refused by the broker for good.
    #[error("the broker did not take a record of topic {topic} ({code})")]
    RecordRefused {
        /// The topic.
        topic: String,
        /// What the broker answered.
        code: RDKafkaErrorCode,
    },
    /// The brokers cannot be reached, or answered with an error that passes.
    #[error("kafka call failed")]
    Kafka(#[from] KafkaError),
}

impl Error {
    /// Whether trying again may succeed without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Settings(_) => false,
            Error::Log(error) => error.is_retryable(),
            Error::TopicRefused { .. } | Error::RecordRefused { .. } | Error::Kafka(_) => true,
        }
    }
}

/// An error with its causes, for one line of the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
