//! Reading a record back. Whoever may write to the topic may write anything, so nothing is taken for granted.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use event_log::{EventId, EventType, GlobalPosition, RecordedEvent, StreamName, StreamVersion};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Arrived, Chain, Content};
use crate::partition::{Portion, StreamHash};

/// Why a record is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// A header that every record has is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header does not have the form it must have.
    #[error("header {name} is not {expected}")]
    Malformed {
        /// The header.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The value is not JSON.
    #[error("the value is not JSON in UTF-8")]
    Value,
    /// The key does not name the stream of the event.
    #[error("the key is not the subject")]
    Key,
    /// The stream does not belong to the partition the record is in.
    #[error("the stream belongs to partition {expected} of {partitions}, the record is in partition {found}")]
    WrongPartition {
        /// Where it belongs.
        expected: u32,
        /// Of how many, as the record says.
        partitions: u32,
        /// Where it is.
        found: i32,
    },
    /// Its chain says that it follows itself or a later event.
    #[error("header ce_previous is not before ce_position")]
    Chain,
}

/// The parts of a record as it was read.
pub(crate) struct Raw<'r> {
    pub(crate) key: Option<&'r [u8]>,
    pub(crate) value: Option<&'r [u8]>,
    pub(crate) headers: Vec<(&'r str, &'r [u8])>,
    pub(crate) partition: i32,
}

impl Arrived {
    /// Reads a record; of an event that `wanted` refuses, only what the chain needs.
    pub(crate) fn read(raw: &Raw<'_>, wanted: impl FnOnce(&EventType) -> bool) -> Result<Self, InvalidRecord> {
        if raw.text("ce_specversion")? != "1.0" {
            return Err(InvalidRecord::Malformed { name: "ce_specversion", expected: "1.0" });
        }
        let position = GlobalPosition(raw.parse("ce_position", "a position")?);
        let previous = GlobalPosition(raw.parse("ce_previous", "a position")?);
        if previous.0 < 0 || previous >= position {
            return Err(InvalidRecord::Chain);
        }
        let subject = raw.text("ce_subject")?;
        let stream_name = StreamName::parse(subject)
            .map_err(|_| InvalidRecord::Malformed { name: "ce_subject", expected: "a stream name" })?;
        if raw.key != Some(subject.as_bytes()) {
            return Err(InvalidRecord::Key);
        }
        let stream = StreamHash::of(&stream_name);
        let portion = portion_of(stream, raw)?;
        let log = EventId(raw.parse("ce_log", "a UUID")?);
        let event_type = event_type(raw.text("ce_type")?)?;
        let id = EventId(raw.parse("ce_id", "a UUID")?);
        let content = if !wanted(&event_type) {
            Content::Unwanted(event_type)
        } else if raw.optional("ce_dataref")?.is_some() {
            Content::Reference(id)
        } else {
            Content::Event(Box::new(event(raw, id, position, stream_name, event_type)?))
        };
        Ok(Arrived { position, chain: Chain { portion, previous, log }, stream, content })
    }
}

fn portion_of(stream: StreamHash, raw: &Raw<'_>) -> Result<Portion, InvalidRecord> {
    let partitions: u32 = raw.parse("ce_partitions", "a number of partitions")?;
    if partitions == 0 {
        return Err(InvalidRecord::Malformed { name: "ce_partitions", expected: "a number of partitions" });
    }
    let portion = stream.portion(partitions);
    if i64::from(portion.partition()) != i64::from(raw.partition) {
        return Err(InvalidRecord::WrongPartition { expected: portion.partition(), partitions, found: raw.partition });
    }
    Ok(portion)
}

fn event(
    raw: &Raw<'_>,
    id: EventId,
    global_position: GlobalPosition,
    stream_name: StreamName,
    event_type: EventType,
) -> Result<RecordedEvent, InvalidRecord> {
    let data = std::str::from_utf8(raw.value.unwrap_or_default()).map_err(|_| InvalidRecord::Value)?;
    if !is_json(data) {
        return Err(InvalidRecord::Value);
    }
    let metadata = raw.text("ce_metadata")?;
    if !is_json(metadata) {
        return Err(InvalidRecord::Malformed { name: "ce_metadata", expected: "JSON" });
    }
    Ok(RecordedEvent {
        global_position,
        id,
        stream_name,
        stream_version: StreamVersion(raw.parse("ce_streamversion", "a version")?),
        event_type,
        schema_version: raw.parse("ce_schemaversion", "a version")?,
        account: raw.optional("ce_account")?.map(str::to_owned),
        organization: raw.optional("ce_organization")?.map(str::to_owned),
        source: raw.text("ce_learnedby")?.to_owned(),
        correlation_id: raw.parse::<Uuid>("ce_correlationid", "a UUID")?,
        causation_id: raw.parse_optional::<Uuid>("ce_causationid", "a UUID")?.map(EventId),
        occurred_at: raw.parse_optional("ce_occurredat", TIME)?,
        received_at: raw.parse_optional("ce_receivedat", TIME)?,
        recorded_at: raw.parse::<DateTime<Utc>>("ce_recordedat", TIME)?,
        data: data.to_owned(),
        metadata: metadata.to_owned(),
        payload: None,
    })
}

const TIME: &str = "an RFC 3339 time";

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn event_type(name: &str) -> Result<EventType, InvalidRecord> {
    let invalid = InvalidRecord::Malformed { name: "ce_type", expected: "<noun>.<past verb>" };
    if name.bytes().filter(|byte| *byte == b'.').count() != 1 {
        return Err(invalid);
    }
    let text: StrDeserializer<'_, ValueError> = name.into_deserializer();
    EventType::deserialize(text).map_err(|_| invalid)
}

impl Raw<'_> {
    fn optional(&self, name: &'static str) -> Result<Option<&str>, InvalidRecord> {
        let Some((_, value)) = self.headers.iter().find(|(found, _)| *found == name) else { return Ok(None) };
        std::str::from_utf8(value).map(Some).map_err(|_| InvalidRecord::Malformed { name, expected: "text in UTF-8" })
    }

    fn text(&self, name: &'static str) -> Result<&str, InvalidRecord> {
        self.optional(name)?.ok_or(InvalidRecord::Missing(name))
    }

    fn parse<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<T, InvalidRecord> {
        self.parse_optional(name, expected)?.ok_or(InvalidRecord::Missing(name))
    }

    fn parse_optional<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, InvalidRecord> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| InvalidRecord::Malformed { name, expected })
    }
}
