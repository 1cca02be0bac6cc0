//! Knobs of Google's token endpoints.

use serde::{Deserialize, Serialize};

/// Knobs of the token endpoint and the metadata server (google.md sections 1.2 to 1.4).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleKnobs {
    /// Life of an ID token in seconds; 3600.
    pub id_token_seconds: u32,
    /// How far a client's clock may be away when it signs an assertion, in seconds; 300.
    pub clock_skew_seconds: u32,
    /// Google's clock minus the machine's, in seconds; 0. Assertions are judged by this clock and not by the
    /// virtual one, because clients sign with the machine's.
    pub clock_offset_seconds: i64,
    /// Life of an assertion that is still taken, in seconds; 3600, to which the skew is added.
    pub assertion_seconds: u32,
}

impl Default for GoogleKnobs {
    fn default() -> Self {
        Self { id_token_seconds: 3600, clock_skew_seconds: 300, clock_offset_seconds: 0, assertion_seconds: 3600 }
    }
}
