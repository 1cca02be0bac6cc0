//! What happens to notifications between CRM and their receiver.

use serde::{Deserialize, Serialize};

/// Knobs of the notification sender. Times are real time, not the virtual clock's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// False loses every notification; true.
    pub enabled: bool,
    /// The next so many notifications are lost; 0.
    pub drop_next: u64,
    /// Share of notifications lost, 0.0 to 1.0; 0.
    pub drop_probability: f64,
    /// The next so many notifications are sent twice; 0.
    pub duplicate_next: u64,
    /// Share of notifications sent twice, 0.0 to 1.0; 0.
    pub duplicate_probability: f64,
    /// Every notification waits so long before its first attempt, in milliseconds; 0.
    pub delay_ms: u64,
    /// Collect so many notifications and send them last first; 0 and 1 keep the order.
    pub reorder_window: usize,
    /// A collected notification waits at most so long for the others, in milliseconds; 1000.
    pub reorder_hold_ms: u64,
    /// Unit of the retry schedule in milliseconds; 1000. Retries follow after 1, 5, 30, 120 and 600 units
    /// (zoho.md section 2.7 reports minutes, unsure).
    pub retry_unit_ms: u64,
    /// How long the receiver may take to answer, in milliseconds; 5000.
    pub timeout_ms: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            enabled: true,
            drop_next: 0,
            drop_probability: 0.0,
            duplicate_next: 0,
            duplicate_probability: 0.0,
            delay_ms: 0,
            reorder_window: 0,
            reorder_hold_ms: 1000,
            retry_unit_ms: 1000,
            timeout_ms: 5000,
        }
    }
}
