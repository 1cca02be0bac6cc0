//! What happens to our access to a provider account.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// The provider says that a person must authorise us again; work for the account waits.
pub const NEEDS_CONSENT: EventType = EventType::new("account.needs_consent");
/// Access works again; work for the account goes on.
pub const RECOVERED: EventType = EventType::new("account.recovered");

/// The stream of one account.
#[must_use]
pub fn stream(account: &str) -> StreamName {
    StreamName::new("account", account)
}

/// Data of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The account.
    pub account: String,
    /// What the provider said, without secrets.
    pub reason: String,
}
