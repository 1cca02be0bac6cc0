//! A notification that tells of nothing, to see whether an endpoint can be reached and knows the secret.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use providers::notify::Posted;
use serde_json::json;
use uuid::Uuid;

use super::senders::Senders;
use crate::Error;

/// Its type. No event has it.
const TYPE: &str = "gateledger.ping";

/// What became of a ping.
#[derive(Debug, Clone)]
pub struct Pinged {
    /// Its id, as the receiver sees it.
    pub id: Uuid,
    /// What the receiver made of it.
    pub posted: Posted,
}

/// Sends one. It is in no log and no ledger, and is not repeated.
///
/// # Errors
/// [`Error::NoSuchEndpoint`].
pub async fn ping(senders: &Senders, endpoint: &str, now: DateTime<Utc>) -> Result<Pinged, Error> {
    let sender = senders.get(endpoint)?;
    let id = Uuid::now_v7();
    let timestamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let body = json!({ "type": TYPE, "timestamp": timestamp, "data": { "endpoint": endpoint } });
    Ok(Pinged { id, posted: sender.post(&id.to_string(), Bytes::from(body.to_string())).await })
}
