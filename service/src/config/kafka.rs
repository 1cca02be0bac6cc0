//! `[kafka]`: the broker that carries the log to the consumers.

use std::collections::BTreeMap;

use super::secret::SecretRef;
use super::section::Section;

/// `[kafka]`. Without the section, consumers follow the log directly.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Key `brokers`: where to begin, `host:port`, several in a list or with commas between. Required.
    pub brokers: Vec<String>,
    /// Key `topic`. Default `gateledger.events`.
    pub topic: String,
    /// Key `partitions`: of the topic, where the relay creates it, 1 to 10,000. Default 12: so many processes can share
    /// one consumer's events.
    pub partitions: u32,
    /// Key `replication_factor`: where the relay creates the topic, 1 to 100. Default: what the broker says.
    pub replication_factor: Option<u16>,
    /// Key `group_prefix`: consumer groups are called `<group_prefix>.<subscription>`. Default `gateledger`.
    pub group_prefix: String,
    /// `[kafka.options]`: properties of librdkafka by their own names, such as `security.protocol`; a value may be
    /// `"env:NAME"` or `"file:path"`.
    pub options: BTreeMap<String, SecretRef>,
}

impl Kafka {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        if section.is_empty() {
            return None;
        }
        section.require(
            "brokers",
            "name at least one broker as \"host:port\", or remove the section to follow the log directly",
        );
        let brokers = section.texts("brokers").unwrap_or_default();
        let kafka = Self {
            brokers,
            topic: section.or("topic", "gateledger.events".to_owned()),
            partitions: number(&mut section, "partitions", 10_000).unwrap_or(12),
            replication_factor: number(&mut section, "replication_factor", 100)
                .and_then(|count| u16::try_from(count).ok()),
            group_prefix: section.or("group_prefix", "gateledger".to_owned()),
            options: section.section("options").all_secrets(),
        };
        section.finish();
        Some(kafka)
    }
}

fn number(section: &mut Section<'_>, key: &'static str, most: u64) -> Option<u32> {
    section.within(key, 1..=most).and_then(|number| u32::try_from(number).ok())
}
