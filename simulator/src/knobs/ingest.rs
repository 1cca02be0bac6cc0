//! Knobs of the analysis service.

use serde::{Deserialize, Serialize};

/// What the receiver asks for in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestAuth {
    /// A Google-signed ID token for one of the receiver's audiences.
    GoogleIdToken,
    /// The fixed token of the knob `bearer_token`.
    Bearer,
    /// Nothing.
    None,
}

/// Knobs of the receiver (its contract is docs/ingest/openapi-v1.yaml; the platform in front is google.md section 6).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestKnobs {
    /// Who may post; Google ID tokens.
    pub auth: IngestAuth,
    /// The token of `bearer`. It opens nothing but a simulator.
    pub bearer_token: String,
    /// Audiences accepted beside the service's own address, which is the simulator's without a path.
    pub audiences: Vec<String>,
    /// E-mail addresses that may invoke the service; absent for every account Google knows. Others get 403.
    pub invokers: Option<Vec<String>>,
    /// Refusals of the platform (401, 403, 413, 429, 5xx) come as HTML instead of problem details; false.
    pub html_refusals: bool,
    /// Largest body in bytes; 1,048,576. A larger one is answered with 413.
    pub body_bytes: usize,
    /// Most messages in a batch; 1000. More are answered with 413.
    pub messages: usize,
    /// Time a batch takes until it is kept and answered, in milliseconds; 0. The same key is meanwhile
    /// answered with 409.
    pub latency_ms: u64,
    /// `Retry-After` of 409 in seconds; 1.
    pub busy_retry_seconds: u32,
    /// Status of an accepted batch, 200 or 202; 200.
    pub accepted_status: u16,
}

impl Default for IngestKnobs {
    fn default() -> Self {
        Self {
            auth: IngestAuth::GoogleIdToken,
            bearer_token: "simulated-ingest-token".to_owned(),
            audiences: Vec::new(),
            invokers: None,
            html_refusals: false,
            body_bytes: 1_048_576,
            messages: 1000,
            latency_ms: 0,
            busy_retry_seconds: 1,
            accepted_status: 200,
        }
    }
}
