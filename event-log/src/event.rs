//! Events before and after they are recorded.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, EventType, StreamName};

/// UUID chosen by the writer: v5 of what identifies the change, where something does; else v7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// Name space of all derived event ids; never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a1c_2d7e_5b0f_4c83_9d14_7e2f_a3b8_c541);

impl EventId {
    /// An id nobody else has, ordered by time.
    #[must_use]
    pub fn fresh() -> Self {
        EventId(Uuid::now_v7())
    }

    /// The id of something that has an identity of its own: the same parts give the same id, for ever.
    ///
    /// Parts are length-prefixed, so `["a", "bc"]` and `["ab", "c"]` differ.
    #[must_use]
    pub fn derived(parts: &[&str]) -> Self {
        let mut name = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part.as_bytes());
        }
        EventId(Uuid::new_v5(&NAMESPACE, &name))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of an event in its stream; the first is 1, 0 means there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamVersion(pub i64);

/// Place among all events; rises in commit order, may have gaps, the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GlobalPosition(pub i64);

/// An event before it is appended; its writer chooses id, type, data and metadata.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Recognises a repeated append.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// Version of the data's shape, first is 1.
    pub schema_version: i32,
    /// The provider account it belongs to, if any.
    pub account: Option<String>,
    /// The organisation that owns it, if any.
    pub organization: Option<String>,
    /// How we learned it: `webhook`, `poll`, `fetch`, `effect`, `decision`, `operator`.
    pub source: &'static str,
    /// The first request of the whole story.
    pub correlation_id: Uuid,
    /// The message that directly led here.
    pub causation_id: Option<EventId>,
    /// Provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Our HTTP edge.
    pub received_at: Option<DateTime<Utc>>,
    /// What happened, as JSON text.
    pub data: String,
    /// How we learned it, as JSON text.
    pub metadata: String,
    /// The body bytes exactly as received.
    pub payload: Option<Bytes>,
}

impl NewEvent {
    /// An event with a fresh id that starts a story of its own.
    ///
    /// # Panics
    /// When `data` does not serialise to JSON, which is a bug in its type.
    #[must_use]
    pub fn new(event_type: EventType, source: &'static str, data: &impl Serialize) -> Self {
        let id = EventId::fresh();
        NewEvent {
            id,
            event_type,
            schema_version: 1,
            account: None,
            organization: None,
            source,
            correlation_id: id.0,
            causation_id: None,
            occurred_at: None,
            received_at: None,
            data: serde_json::to_string(data).expect("event data serialises to JSON"),
            metadata: "{}".to_owned(),
            payload: None,
        }
    }

    /// With an id that recognises the same change when it is seen again.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// As a consequence of `cause`, in the same story, account and organisation (unless set already).
    #[must_use]
    pub fn caused_by(mut self, cause: &RecordedEvent) -> Self {
        self.correlation_id = cause.correlation_id;
        self.causation_id = Some(cause.id);
        self.account = self.account.or_else(|| cause.account.clone());
        self.organization = self.organization.or_else(|| cause.organization.clone());
        self
    }

    /// In the story `correlation_id`, led to by `causation_id`.
    #[must_use]
    pub fn in_story(mut self, correlation_id: Uuid, causation_id: Option<EventId>) -> Self {
        self.correlation_id = correlation_id;
        self.causation_id = causation_id;
        self
    }

    /// Belonging to an account and its organisation.
    #[must_use]
    pub fn of(mut self, account: impl Into<String>, organization: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self.organization = Some(organization.into());
        self
    }

    /// At the provider's time.
    #[must_use]
    pub fn at(mut self, occurred_at: Option<DateTime<Utc>>) -> Self {
        self.occurred_at = occurred_at;
        self
    }

    /// With metadata.
    ///
    /// # Panics
    /// When `metadata` does not serialise to JSON, which is a bug in its type.
    #[must_use]
    pub fn with_metadata(mut self, metadata: &impl Serialize) -> Self {
        self.metadata = serde_json::to_string(metadata).expect("event metadata serialises to JSON");
        self
    }
}

/// An event as the log keeps it.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedEvent {
    /// Place among all events.
    pub global_position: GlobalPosition,
    /// Recognises a repeated append.
    #[serde(rename = "event_id")]
    pub id: EventId,
    /// The thing it happened to.
    pub stream_name: StreamName,
    /// Number in its stream.
    pub stream_version: StreamVersion,
    /// What happened.
    pub event_type: EventType,
    /// Version of the data's shape.
    pub schema_version: i32,
    /// The provider account it belongs to, if any.
    pub account: Option<String>,
    /// The organisation that owns it, if any.
    pub organization: Option<String>,
    /// How we learned it.
    pub source: String,
    /// The first request of the whole story.
    pub correlation_id: Uuid,
    /// The message that directly led here.
    pub causation_id: Option<EventId>,
    /// Provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Our HTTP edge.
    pub received_at: Option<DateTime<Utc>>,
    /// The append.
    pub recorded_at: DateTime<Utc>,
    /// What happened, as JSON text.
    #[serde(serialize_with = "raw_json")]
    pub data: String,
    /// How we learned it, as JSON text.
    #[serde(serialize_with = "raw_json")]
    pub metadata: String,
    /// The body bytes exactly as received; absent also where the reader did not ask for payloads.
    #[serde(skip)]
    pub payload: Option<Bytes>,
}

impl RecordedEvent {
    /// Reads the data into its type.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored data does not have that shape: a bug or damage.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.data)
            .map_err(|source| Error::Undecodable { position: self.global_position, reason: source.to_string() })
    }
}

fn raw_json<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::value::RawValue::from_string(text.to_owned()) {
        Ok(raw) => raw.serialize(serializer),
        Err(_) => text.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_equal_for_equal_parts_only() {
        assert_eq!(EventId::derived(&["a", "bc"]), EventId::derived(&["a", "bc"]));
        assert_ne!(EventId::derived(&["a", "bc"]), EventId::derived(&["ab", "c"]));
    }
}
