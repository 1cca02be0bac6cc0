//! How to reach Kafka, and which topic carries the log.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

/// The settings of the relay and of every consumer.
#[derive(Clone)]
pub struct Settings {
    /// Addresses to begin with, `host:port`, separated by commas. The brokers name the others.
    pub brokers: String,
    /// The topic that carries the log. One topic carries one log.
    pub topic: String,
    /// Partitions of the topic, where the relay creates it: the most processes that can share one consumer's work. More
    /// cost the brokers memory; a topic that exists keeps what it has, and takes more without harm.
    pub partitions: u32,
    /// On how many brokers each partition is kept, where the relay creates the topic; absent: as the brokers do by default.
    pub replication_factor: Option<u16>,
    /// First part of the consumer group ids: `<group_prefix>.<subscription>`.
    pub group_prefix: String,
    /// Properties of librdkafka by their own names, such as `security.protocol` or `sasl.password`.
    pub options: BTreeMap<String, String>,
}

/// Names of properties only: a value may be a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("partitions", &self.partitions)
            .field("replication_factor", &self.replication_factor)
            .field("group_prefix", &self.group_prefix)
            .field("options", &self.options.keys())
            .finish()
    }
}

/// What must be changed in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// No address.
    #[error("kafka.brokers is empty; name at least one broker as host:port")]
    NoBrokers,
    /// A topic name that Kafka does not take.
    #[error("kafka.topic {0:?} is no topic name; use up to 249 letters, digits, dots, dashes and underscores")]
    Topic(String),
    /// No partition.
    #[error("kafka.partitions is 0; use at least 1, 12 by default")]
    Partitions,
    /// A property that the promises of this program rest on.
    #[error("kafka.options.{name} cannot be set: {reason}; remove it")]
    Reserved {
        /// The property.
        name: String,
        /// Who decides it.
        reason: &'static str,
    },
    /// A property that librdkafka does not have, or not with this value.
    #[error("kafka.options.{name}: {reason}; see the list of properties in librdkafka's CONFIGURATION.md")]
    Property {
        /// The property.
        name: String,
        /// What librdkafka says.
        reason: String,
    },
    /// Properties that do not fit together.
    #[error("kafka.options do not fit together: {0}")]
    Together(String),
}

/// Properties that the settings or the guarantees decide, and who does.
const RESERVED: [(&[&str], &str); 5] = [
    (&["bootstrap.servers", "metadata.broker.list"], "kafka.brokers decides it"),
    (&["group.id"], "kafka.group_prefix and the consumer's name decide it"),
    (
        &[
            "acks",
            "request.required.acks",
            "enable.idempotence",
            "enable.gapless.guarantee",
            "message.timeout.ms",
            "delivery.timeout.ms",
            "transactional.id",
        ],
        "that no event is skipped rests on it",
    ),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "enable.partition.eof",
            "group.protocol",
            "partition.assignment.strategy",
        ],
        "that each event is handled once rests on it",
    ),
    (&["allow.auto.create.topics", "statistics.interval.ms"], "this program needs its own value"),
];

impl Settings {
    /// The settings with everything but the brokers as it is by default.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Settings {
            brokers: brokers.into(),
            topic: "gateledger.events".to_owned(),
            partitions: 12,
            replication_factor: None,
            group_prefix: "gateledger".to_owned(),
            options: BTreeMap::new(),
        }
    }

    /// The id of a subscription's consumer group.
    #[must_use]
    pub fn group_id(&self, subscription: &str) -> String {
        format!("{}.{subscription}", self.group_prefix)
    }

    /// Checks everything that can be checked without a broker; gives all that is wrong.
    ///
    /// # Errors
    /// Each problem with the setting's name and what to do.
    pub fn check(&self) -> Result<(), Vec<InvalidSettings>> {
        let mut problems = Vec::new();
        if self.brokers.split(',').all(|broker| broker.trim().is_empty()) {
            problems.push(InvalidSettings::NoBrokers);
        }
        if !is_topic_name(&self.topic) {
            problems.push(InvalidSettings::Topic(self.topic.clone()));
        }
        if self.partitions == 0 {
            problems.push(InvalidSettings::Partitions);
        }
        problems.extend(self.options.iter().filter_map(|(name, value)| check_option(name, value).err()));
        if problems.is_empty() {
            problems.extend(self.check_together().err());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Makes a client, which connects to nobody before it is used.
    fn check_together(&self) -> Result<(), InvalidSettings> {
        let client: Result<BaseConsumer, KafkaError> = self.client().create();
        client.map(|_| ()).map_err(|error| {
            let said = match error {
                KafkaError::ClientCreation(reason) | KafkaError::ClientConfig(_, reason, _, _) => reason,
                other => other.to_string(),
            };
            InvalidSettings::Together(self.without_secrets(said))
        })
    }

    /// What every client begins with: the addresses and the options.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "gateledger");
        config.set("socket.nagle.disable", "true");
        config.set("topic.metadata.refresh.interval.ms", "10000");
        // How late a broker that is back is noticed.
        config.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in &self.options {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Librdkafka repeats values in its messages.
    fn without_secrets(&self, mut message: String) -> String {
        for value in self.options.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value) {
            if !value.is_empty() {
                message = message.replace(value.as_str(), "…");
            }
        }
        message
    }
}

fn check_option(name: &str, value: &str) -> Result<(), InvalidSettings> {
    for (names, reason) in RESERVED {
        if names.contains(&name) {
            return Err(InvalidSettings::Reserved { name: name.to_owned(), reason });
        }
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(_, reason, _, _)) => {
            let reason = if is_secret(name) { reason.replace(value, "…") } else { reason };
            Err(InvalidSettings::Property { name: name.to_owned(), reason })
        }
        Err(other) => Err(InvalidSettings::Property { name: name.to_owned(), reason: other.to_string() }),
        Ok(_) => Ok(()),
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "pem", "token", "sasl.oauthbearer.config"].iter().any(|word| name.contains(word))
}

/// Kafka's rule, `org.apache.kafka.common.internals.Topic.validate`.
fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(legal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(options: &[(&str, &str)]) -> Settings {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings { options, ..Settings::new("127.0.0.1:9092") }
    }

    fn problems(settings: &Settings) -> Vec<String> {
        settings.check().unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_and_secured_settings_pass() {
        assert_eq!(with(&[]).check(), Ok(()));
        let secured = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "gateledger"),
            ("sasl.password", "hunter2"),
        ];
        assert_eq!(with(&secured).check(), Ok(()), "TLS and SASL are built in");
    }

    #[test]
    fn every_problem_is_named_with_its_remedy() {
        let mut settings = with(&[("acks", "0"), ("linger.mss", "5"), ("security.protocol", "tls")]);
        settings.brokers = " , ".to_owned();
        settings.topic = "a topic".to_owned();
        settings.partitions = 0;
        let found = problems(&settings).join("\n");
        for part in [
            "kafka.brokers",
            "kafka.topic \"a topic\"",
            "kafka.partitions",
            "kafka.options.acks cannot be set",
            "kafka.options.linger.mss",
            "kafka.options.security.protocol",
        ] {
            assert!(found.contains(part), "{part} is not in\n{found}");
        }
    }

    #[test]
    fn options_that_need_each_other_are_noticed() {
        let alone = with(&[("security.protocol", "sasl_plaintext"), ("sasl.mechanisms", "SCRAM-SHA-512")]);
        assert!(problems(&alone)[0].contains("do not fit together"), "{:?}", problems(&alone));
    }

    #[test]
    fn secrets_are_never_shown() {
        let settings =
            with(&[("security.protocol", "ssl"), ("ssl.key.password", "hunter2"), ("ssl.key.pem", "hunter2")]);
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!problems(&settings).join("\n").contains("hunter2"));
    }
}
