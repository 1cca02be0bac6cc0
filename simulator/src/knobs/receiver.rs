//! Knobs of the receivers of notifications.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Knobs of everybody who is told what happens: one receiver for each name in `/receiver/NAME`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverKnobs {
    /// Secrets that receivers know, as `whsec_…`; one of them must have signed. They open nothing but a simulator.
    pub secrets: Vec<String>,
    /// How old or early a timestamp may be, in seconds; 300.
    pub tolerance_seconds: i64,
    /// What single receivers do otherwise, by name.
    pub named: BTreeMap<String, ReceiverBehaviour>,
}

/// What one receiver does otherwise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverBehaviour {
    /// Secrets that it knows instead.
    pub secrets: Option<Vec<String>>,
    /// Status of every answer; absent: 204 for what is verified. Other than 2xx: nothing is kept.
    pub status: Option<u16>,
    /// `Retry-After` of such an answer, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// `Location` of such an answer.
    pub location: Option<String>,
    /// Time that an answer takes, in milliseconds of real time; 0.
    pub latency_ms: u64,
}

impl Default for ReceiverKnobs {
    fn default() -> Self {
        Self {
            secrets: vec!["whsec_c2ltdWxhdGVkIHNlY3JldCBvZiBub2JvZHk=".to_owned()],
            tolerance_seconds: 300,
            named: BTreeMap::new(),
        }
    }
}
