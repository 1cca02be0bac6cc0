//! Decisions: which chat channel belongs to which room of which client, and what becomes of that mapping.
//!
//! All events of one channel are in one stream, so that "at most one room" is a question of the expected version.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The channel belongs to a room from now on.
pub const MAPPED: EventType = EventType::new("channel.mapped");
/// The channel belongs to no room any more.
pub const UNMAPPED: EventType = EventType::new("channel.unmapped");
/// Syncs of the channel are suspended.
pub const PAUSED: EventType = EventType::new("channel.paused");
/// Syncs of the channel go on.
pub const RESUMED: EventType = EventType::new("channel.resumed");
/// The mapping was given other settings.
pub const CONFIGURED: EventType = EventType::new("channel.configured");
/// The provider's name of the channel changed.
pub const RENAMED: EventType = EventType::new("channel.renamed");

/// The stream of one channel.
#[must_use]
pub fn stream(account: &str, channel_id: &str) -> StreamName {
    StreamName::new("channel", format_args!("{account}-{channel_id}"))
}

/// What may be set for a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Cron pattern of its syncs; absent for the account's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schedule: Option<String>,
    /// IANA name of the zone that the schedule and the lines' times are written in.
    pub timezone: String,
    /// Messages before this time are not fetched; absent: all that the provider shows. RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<chrono::DateTime<chrono::Utc>>,
    /// Whether threads of the channel are fetched as well.
    pub threads: bool,
}

/// Data of [`MAPPED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapped {
    /// The mapping's own id; a channel that is mapped anew gets another one.
    pub mapping_id: Uuid,
    /// The channel.
    pub channel_id: String,
    /// The chat that its messages are read by.
    pub chat_id: String,
    /// Its name at that time.
    pub channel_name: String,
    /// Whose room.
    pub client_id: String,
    /// Which room.
    pub room_id: String,
    /// How it is synced.
    pub settings: Settings,
}

/// Data of [`UNMAPPED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// The mapping that ended.
    pub mapping_id: Uuid,
    /// Why, in the words of who ended it.
    pub reason: String,
}

/// Data of [`PAUSED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The mapping.
    pub mapping_id: Uuid,
    /// Why, in the words of who paused it.
    pub reason: String,
}

/// Data of [`RESUMED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The mapping.
    pub mapping_id: Uuid,
}

/// Data of [`CONFIGURED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// The mapping.
    pub mapping_id: Uuid,
    /// From now on.
    pub settings: Settings,
}

/// Data of [`RENAMED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// The mapping.
    pub mapping_id: Uuid,
    /// The name from now on.
    pub channel_name: String,
}
