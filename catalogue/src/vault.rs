//! What happens to the keys under which tokens are encrypted.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// Everything that lay under another key lies under this one now; who asked for it is in the metadata.
pub const ROTATED: EventType = EventType::new("vault.rotated");

/// The one stream of all keys.
#[must_use]
pub fn stream() -> StreamName {
    StreamName::new("vault", "keys")
}

/// Data of [`ROTATED`]. Ids tell keys apart and nothing about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The key that seals from now on.
    pub key_id: String,
    /// Rows that were sealed anew.
    pub rows: u64,
    /// Rows that could not be opened with any key.
    pub unreadable: u64,
}
