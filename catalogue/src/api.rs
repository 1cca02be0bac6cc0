//! Calls of the API that change something and have no event of their own.

use std::collections::BTreeMap;

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// Somebody called the API to change something.
pub const CALLED: EventType = EventType::new("api.called");

/// The stream of one organisation's calls; of those who belong to none, `audit-*`.
#[must_use]
pub fn stream(organization: Option<&str>) -> StreamName {
    match organization {
        Some(organization) if !organization.is_empty() => StreamName::new("audit", organization),
        _ => StreamName::new("audit", "*"),
    }
}

/// Data of [`CALLED`]. Who called is in the metadata; bodies are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The method.
    pub method: String,
    /// The address as the API's document names it, with `{parameters}`.
    pub route: String,
    /// The values of its parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub parameters: BTreeMap<String, String>,
    /// The answer's status.
    pub status: u16,
    /// The problem's code, where the call was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
}
