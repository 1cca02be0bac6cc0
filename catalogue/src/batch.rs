//! Decisions and outcomes of ingestion: lines of messages that go to another service together.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// These lines go together, and never change again.
pub const COMPOSED: EventType = EventType::new("batch.composed");
/// The receiver has them.
pub const DELIVERED: EventType = EventType::new("batch.delivered");
/// They were too many for the receiver: two batches of half the lines follow.
pub const SPLIT: EventType = EventType::new("batch.split");
/// The receiver refused them.
pub const REFUSED: EventType = EventType::new("batch.refused");

/// The stream of one mapping's batches.
#[must_use]
pub fn stream(mapping_id: Uuid) -> StreamName {
    StreamName::new("ingest", mapping_id)
}

/// Data of [`COMPOSED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composed {
    /// The batch; also the idempotency key that it is sent with.
    pub batch_id: Uuid,
    /// The mapping whose messages they are.
    pub mapping_id: Uuid,
    /// The batch that it is a half of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split_from: Option<Uuid>,
    /// The job after which it was composed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_id: Option<Uuid>,
    /// The receiver, as in the settings.
    pub ingest: String,
    /// Positions in the log of the messages, in the order of the lines.
    pub positions: Vec<i64>,
    /// Hex SHA-256 of the body.
    pub sha256: String,
    /// Length of the body.
    pub bytes: u64,
}

/// Data of [`DELIVERED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The batch.
    pub batch_id: Uuid,
    /// The mapping.
    pub mapping_id: Uuid,
    /// Lines in it.
    pub messages: u64,
    /// The receiver said that it had it before: an earlier answer was lost.
    pub duplicate: bool,
    /// Attempts it took.
    pub attempts: i64,
}

/// Data of [`SPLIT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The batch.
    pub batch_id: Uuid,
    /// The mapping.
    pub mapping_id: Uuid,
    /// The two that follow.
    pub into: [Uuid; 2],
}

/// Data of [`REFUSED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The batch.
    pub batch_id: Uuid,
    /// The mapping.
    pub mapping_id: Uuid,
    /// Lines in it.
    pub messages: u64,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}
