//! What the effect ledger tells about attempts.

use chrono::{DateTime, Utc};
use event_log::EventType;
use serde::{Deserialize, Serialize};

/// An attempt failed and another one is planned.
pub const RETRIED: EventType = EventType::new("effect.retried");
/// An outcome was unknown and was found out by reading the provider back.
pub const SETTLED: EventType = EventType::new("effect.settled");
/// A person sent parked work on its way again.
pub const REDRIVEN: EventType = EventType::new("effect.redriven");

/// Data of [`RETRIED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// The effect's key.
    pub effect_key: String,
    /// Its kind.
    pub kind: String,
    /// The attempt that failed.
    pub attempt: i64,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
    /// When the next attempt may start.
    pub not_before: DateTime<Utc>,
}

/// Data of [`SETTLED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The effect's key.
    pub effect_key: String,
    /// Its kind.
    pub kind: String,
    /// The attempt whose outcome was unknown.
    pub attempt: i64,
    /// Whether the provider turned out to have done it.
    pub done: bool,
}

/// Data of [`REDRIVEN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// The effect's key.
    pub effect_key: String,
    /// Its kind.
    pub kind: String,
    /// The dead letter that held it.
    pub dead_letter_id: i64,
}
