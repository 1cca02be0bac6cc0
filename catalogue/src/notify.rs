//! What becomes of endpoints that are told what happens. Single notifications are rows of the effect ledger, not events.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// The endpoint said that it wants nothing more.
pub const STOPPED: EventType = EventType::new("notify_endpoint.stopped");
/// It is told again what happens.
pub const RESUMED: EventType = EventType::new("notify_endpoint.resumed");

/// Category of the streams. Their events are told to nobody, or telling would never end.
pub const CATEGORY: &str = "notify";

/// The stream of one endpoint.
#[must_use]
pub fn stream(endpoint: &str) -> StreamName {
    StreamName::new(CATEGORY, endpoint)
}

/// Data of [`STOPPED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The endpoint, as in the settings.
    pub endpoint: String,
    /// What it said.
    pub reason: String,
}

/// Data of [`RESUMED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The endpoint, as in the settings.
    pub endpoint: String,
    /// Events after this position were not planned meanwhile, and are now; absent: there were none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed_after: Option<i64>,
}
