//! Knobs of CRM.

use serde::{Deserialize, Serialize};

/// Knobs of CRM (zoho.md section 2).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrmKnobs {
    /// Time every CRM call takes at least, in milliseconds; 0. Concurrency limits only bite when calls take time.
    pub latency_ms: u64,
    /// Calls in flight per organisation; absent for no limit (section 2.9 gives 5 to 25 by edition).
    pub concurrency: Option<u32>,
    /// Heavy calls (search, COQL, updates of more than 10) in flight per organisation; 10.
    pub heavy_concurrency: u32,
    /// Credits in a rolling 24 hours; 100,000.
    pub daily_credits: u64,
    /// How long a changed record stays unknown to the search index, in milliseconds; 0.
    pub search_lag_ms: i64,
    /// `equals` on text behaves like "contains" when a search has several conditions (section 2.3); true.
    pub search_equals_contains: bool,
    /// A COQL query without `where` is a syntax error; false, because the facts do not say.
    pub coql_requires_where: bool,
    /// Status when some records of an update failed: 207, seen as 200 too.
    pub mixed_status: u16,
    /// Status when every record of an update failed: 400, seen as 200 too.
    pub all_failed_status: u16,
    /// An update through the API raises a notification like anybody's; true (section 6, echo loop).
    pub echo_notifications: bool,
    /// `GET /{module}/{id}` with an unknown id answers 400 `INVALID_DATA` instead of 204; false.
    pub unknown_record_is_error: bool,
    /// Errors of GET calls come inside `data[]` instead of bare (section 13 has seen both); false.
    pub wrap_get_errors: bool,
    /// Longest life of a watch channel in seconds; 604,800 (one week), one day on older versions.
    pub watch_longest_seconds: u32,
    /// Life of a watch channel that asks for none or for too much, in seconds; 3600.
    pub watch_default_seconds: u32,
    /// Longest watch token in characters; 50 (256 by another page).
    pub watch_token_chars: usize,
}

impl Default for CrmKnobs {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            concurrency: None,
            heavy_concurrency: 10,
            daily_credits: 100_000,
            search_lag_ms: 0,
            search_equals_contains: true,
            coql_requires_where: false,
            mixed_status: 207,
            all_failed_status: 400,
            echo_notifications: true,
            unknown_record_is_error: false,
            wrap_get_errors: false,
            watch_longest_seconds: 604_800,
            watch_default_seconds: 3600,
            watch_token_chars: 50,
        }
    }
}
