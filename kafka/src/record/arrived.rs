//! What a consumer finds in a partition.

use event_log::{EventId, EventType, GlobalPosition, RecordedEvent};

use super::Chain;
use crate::partition::StreamHash;

/// A record that was read.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The event's place in the log.
    pub position: GlobalPosition,
    /// What it says of its partition.
    pub chain: Chain,
    /// The stream it belongs to.
    pub stream: StreamHash,
    /// The event, as far as it is wanted.
    pub content: Content,
}

/// As much of the event as the record carries and the reader wants.
#[derive(Debug, Clone)]
pub enum Content {
    /// The event, without its payload bytes.
    Event(Box<RecordedEvent>),
    /// The event was too large for a record: read it from the log.
    Reference(EventId),
    /// An event of a type that the reader does not want.
    Unwanted(EventType),
}
