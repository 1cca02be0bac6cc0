//! Knobs of Books.

use serde::{Deserialize, Serialize};

/// What happens when the minute is used up (zoho.md section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinuteOverflow {
    /// 429 with code 44 until the minute has rolled on.
    Refuse,
    /// 429 with code 43 and `Retry-After`: the whole organisation is blocked.
    Block,
}

/// What `last_modified_time` on the list of contacts does; it is not documented (zoho.md section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModifiedFilter {
    /// Only contacts changed then or later; the zone has to be written `+0000`.
    Honoured,
    /// Nothing: all contacts come.
    Ignored,
    /// 400 with code 2.
    Rejected,
}

/// How the 32 bytes of a webhook signature are written (zoho.md section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    /// Lower-case hexadecimal, as documented.
    Hex,
    /// Base64, as some report.
    Base64,
}

/// Knobs of Books (zoho.md section 4).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BooksKnobs {
    /// Time every Books call takes at least, in milliseconds; 0.
    pub latency_ms: u64,
    /// Calls per organisation in a rolling minute; 100 (54 and 1,100 were seen too).
    pub per_minute: u32,
    /// What happens after that; refuse.
    pub minute_overflow: MinuteOverflow,
    /// How long a block lasts, in seconds; 3600.
    pub block_seconds: u32,
    /// A call that comes this soon after a block began was already under way and is not counted against the
    /// client, in milliseconds; 500.
    pub in_flight_grace_ms: i64,
    /// Calls per organisation in a rolling day; 10,000 (1,000 to 10,000 by plan).
    pub per_day: u64,
    /// Calls in flight per organisation; 10 (5 on the free plan). Bites only when calls take time.
    pub concurrency: u32,
    /// `last_modified_time` on contacts; honoured.
    pub modified_filter: ModifiedFilter,
    /// Errors other than 401 and 429 come with status 200 and their code (section 4.1); false.
    pub errors_under_200: bool,
    /// Lists of users without `filter_by` show active users only; true. The facts do not say.
    pub hide_inactive_users: bool,
    /// `Status.All` of users shows deleted ones too; true. The facts do not say.
    pub all_includes_deleted_users: bool,
    /// Changes through the API raise webhooks like anybody's; true.
    pub echo_webhooks: bool,
    /// Webhook bodies put the entity under its kind, `{"contact": {…}}`; true. The facts do not say.
    pub wrap_webhook_entity: bool,
    /// How webhook signatures are written; hex.
    pub signature_encoding: SignatureEncoding,
}

impl Default for BooksKnobs {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            per_minute: 100,
            minute_overflow: MinuteOverflow::Refuse,
            block_seconds: 3600,
            in_flight_grace_ms: 500,
            per_day: 10_000,
            concurrency: 10,
            modified_filter: ModifiedFilter::Honoured,
            errors_under_200: false,
            hide_inactive_users: true,
            all_includes_deleted_users: true,
            echo_webhooks: true,
            wrap_webhook_entity: true,
            signature_encoding: SignatureEncoding::Hex,
        }
    }
}
