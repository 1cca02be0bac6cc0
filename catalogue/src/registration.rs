//! Promises of providers to call us.

use chrono::{DateTime, Utc};
use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// The provider promised to call us.
pub const CREATED: EventType = EventType::new("registration.created");
/// The promise was prolonged.
pub const EXTENDED: EventType = EventType::new("registration.extended");
/// The provider no longer has it, though we wish for it.
pub const LOST: EventType = EventType::new("registration.lost");
/// We took it back, usually because a newer one is live.
pub const REMOVED: EventType = EventType::new("registration.removed");
/// The provider refused it.
pub const FAILED: EventType = EventType::new("registration.failed");

/// The stream of one account's registrations for one target.
#[must_use]
pub fn stream(account: &str, target: &str) -> StreamName {
    StreamName::new("registration", format_args!("{account}-{target}"))
}

/// Data of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Our name for it at the provider (Zoho: channel id).
    pub registration_id: String,
    /// The account.
    pub account: String,
    /// `zoho-crm-watch`.
    pub kind: String,
    /// What is watched (Zoho: module).
    pub target: String,
    /// When the promise ends, as the provider said.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it failed or was lost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}
