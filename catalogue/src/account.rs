//! What happens to our access to a provider account.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// The provider says that a person must authorise us again; work for the account waits.
pub const NEEDS_CONSENT: EventType = EventType::new("account.needs_consent");
/// Access works again; work for the account goes on.
pub const RECOVERED: EventType = EventType::new("account.recovered");

/// A person gave us a grant for the account; who asked for it is in the metadata.
pub const CONNECTED: EventType = EventType::new("account.connected");
/// A person took our access to the account back; who it was is in the metadata.
pub const DISCONNECTED: EventType = EventType::new("account.disconnected");
/// A person had the access token replaced; who it was is in the metadata.
pub const REFRESHED: EventType = EventType::new("account.refreshed");

/// The stream of one account.
#[must_use]
pub fn stream(account: &str) -> StreamName {
    StreamName::new("account", account)
}

/// Data of [`NEEDS_CONSENT`] and [`RECOVERED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The account.
    pub account: String,
    /// What the provider said, without secrets.
    pub reason: String,
}

/// Data of [`CONNECTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The account.
    pub account: String,
    /// Where the grant lives.
    pub accounts_server: String,
    /// What was granted; absent where the provider did not tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scopes: Option<Vec<String>>,
    /// What is needed and was not granted.
    pub missing: Vec<String>,
    /// Whether it took the place of another grant.
    pub replaced: bool,
}

/// Data of [`DISCONNECTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// The account.
    pub account: String,
    /// Refresh tokens that the provider was asked to forget.
    pub revoked: u32,
}

/// Data of [`REFRESHED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The account.
    pub account: String,
    /// When the new access token ends.
    pub token_expires_at: chrono::DateTime<chrono::Utc>,
}
