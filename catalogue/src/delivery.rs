//! Evidence: a webhook as it arrived. The exact body is the event's payload.

use std::collections::BTreeMap;

use event_log::EventType;
use serde::{Deserialize, Serialize};

/// A webhook was verified and kept.
pub const RECEIVED: EventType = EventType::new("delivery.received");

/// Stream category: one stream per delivery.
pub const CATEGORY: &str = "delivery";

/// Data of [`RECEIVED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// How it was verified: `zoho-crm`, `zoho-books`, `zoho-cliq`, `hmac`, `standard-webhooks`.
    pub verify: String,
    /// The sender's own name for the delivery, where it gives one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery_id: Option<String>,
    /// The registration it came through, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registration_id: Option<String>,
    /// Whether the body is JSON. `false` where JSON was promised is a finding to look at.
    pub json: bool,
    /// Whether the body breaks what the account promises (JSON promised and it is not): kept, flagged, answered 2xx.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub flagged: bool,
    /// Length of the body.
    pub size_bytes: u64,
}

/// Metadata of [`RECEIVED`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Headers as received, lower-case names; secrets and signatures left out.
    pub headers: BTreeMap<String, String>,
    /// The query string as received, if any; values of secrets left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
    /// The sender's place in a trace (W3C Trace Context), where it gave a valid one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
}
