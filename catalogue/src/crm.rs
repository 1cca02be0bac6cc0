//! Facts about CRM records, and what we changed there.

use chrono::{DateTime, Utc};
use event_log::{EventId, EventType, StreamName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A record has this state since its modification time.
pub const CHANGED: EventType = EventType::new("crm_record.changed");
/// A record is gone.
pub const DELETED: EventType = EventType::new("crm_record.deleted");
/// We changed fields of a record.
pub const UPDATED: EventType = EventType::new("crm_record.updated");
/// We could not change fields of a record.
pub const UPDATE_FAILED: EventType = EventType::new("crm_record.update_failed");

/// The stream of one record.
#[must_use]
pub fn stream(account: &str, module: &str, record_id: &str) -> StreamName {
    StreamName::new("crm_record", format_args!("{account}-{module}-{record_id}"))
}

/// The id of one change of one record: a webhook, its retries and any number of polls give the same.
#[must_use]
pub fn change_id(account: &str, module: &str, record_id: &str, modified_time: &str) -> EventId {
    EventId::derived(&["crm_record.changed", account, module, record_id, modified_time])
}

/// Data of [`CHANGED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Module API name.
    pub module: String,
    /// Record id.
    pub record_id: String,
    /// When the CRM changed it.
    pub modified_time: Option<DateTime<Utc>>,
    /// The fields we asked for.
    pub fields: Map<String, Value>,
}

/// Data of [`DELETED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Module API name.
    pub module: String,
    /// Record id.
    pub record_id: String,
}

/// Data of [`UPDATED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// Module API name.
    pub module: String,
    /// Record id.
    pub record_id: String,
    /// The fields we set.
    pub fields: Map<String, Value>,
    /// The modification time the CRM answered.
    pub modified_time: Option<DateTime<Utc>>,
    /// The transfer that led here.
    pub transfer: String,
    /// Its run.
    pub run: i64,
    /// The answer had been lost and was settled by reading the record back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub settled: bool,
}

/// Data of [`UPDATE_FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFailed {
    /// Module API name.
    pub module: String,
    /// Record id.
    pub record_id: String,
    /// The transfer that led here.
    pub transfer: String,
    /// Its run.
    pub run: i64,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}
