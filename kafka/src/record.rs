//! An event as a record of Kafka: CloudEvents 1.0, binary content mode.
//!
//! The key is the stream name, the value the event's data, and the headers are the CloudEvents attributes, each named
//! `ce_<attribute>` (CloudEvents 1.0.2, Kafka Protocol Binding §3.2; read 2026-11). Extension attributes carry what else
//! an event has, so that a consumer gets an event equal to the one in the log, without its payload bytes.
//!
//! Three of them are ours alone: `partitions` (the layout the record was published for), `previous` (no event of this
//! partition lies between `previous` and this one) and `log` (the id of the first event of the log, so that records of
//! another log in the same topic are recognised).

use chrono::{DateTime, SecondsFormat, Utc};
use event_log::{EventId, GlobalPosition, RecordedEvent};
use serde_json::Value;

use crate::partition::Portion;

mod arrived;
mod decode;

pub use arrived::{Arrived, Content};
pub use decode::InvalidRecord;
pub(crate) use decode::Raw;

/// A record before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The stream name.
    pub key: String,
    /// The event's data; nothing where the record only refers to the event.
    pub value: String,
    /// The attributes.
    pub headers: Vec<(&'static str, String)>,
}

/// What a record says besides its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The partition it is published to, of how many.
    pub portion: Portion,
    /// No event of that portion lies between this position and the record's.
    pub previous: GlobalPosition,
    /// The first event of the log.
    pub log: EventId,
}

/// What Kafka adds to the bytes of a record and of each header at most (record format v2, with room to spare).
const OVERHEAD_BYTES: usize = 64;
const HEADER_OVERHEAD_BYTES: usize = 8;

impl Record {
    /// The whole event.
    #[must_use]
    pub fn of(event: &RecordedEvent, chain: Chain) -> Self {
        let mut headers = attributes(event, chain);
        headers.push(("ce_metadata", event.metadata.clone()));
        headers.push(("content-type", "application/json".to_owned()));
        if let Some(context) = trace_context(&event.metadata) {
            headers.push(("ce_traceparent", context));
        }
        Record { key: event.stream_name.to_string(), value: event.data.clone(), headers }
    }

    /// The event without its data and metadata, for one that is too large: consumers read it from the log. The reference
    /// is that of the CloudEvents extension `dataref`.
    #[must_use]
    pub fn reference_to(event: &RecordedEvent, chain: Chain) -> Self {
        let mut headers = attributes(event, chain);
        headers.push(("ce_dataref", format!("urn:uuid:{}", event.id)));
        Record { key: event.stream_name.to_string(), value: String::new(), headers }
    }

    /// About how many bytes it takes on the wire, uncompressed; never less than it does.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD_BYTES).sum();
        OVERHEAD_BYTES + self.key.len() + self.value.len() + headers
    }
}

/// The attributes that every record carries.
fn attributes(event: &RecordedEvent, chain: Chain) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(22);
    headers.push(("ce_specversion", "1.0".to_owned()));
    headers.push(("ce_id", event.id.to_string()));
    headers.push(("ce_source", source_of(event.account.as_deref())));
    headers.push(("ce_type", event.event_type.to_string()));
    headers.push(("ce_time", time(event.occurred_at.unwrap_or(event.recorded_at))));
    headers.push(("ce_subject", event.stream_name.to_string()));
    headers.push(("ce_position", event.global_position.0.to_string()));
    headers.push(("ce_previous", chain.previous.0.to_string()));
    headers.push(("ce_partitions", chain.portion.partitions().to_string()));
    headers.push(("ce_log", chain.log.to_string()));
    headers.push(("ce_streamversion", event.stream_version.0.to_string()));
    headers.push(("ce_schemaversion", event.schema_version.to_string()));
    headers.push(("ce_learnedby", event.source.clone()));
    headers.push(("ce_correlationid", event.correlation_id.to_string()));
    headers.push(("ce_recordedat", time(event.recorded_at)));
    let optional = [
        ("ce_account", event.account.clone()),
        ("ce_organization", event.organization.clone()),
        ("ce_causationid", event.causation_id.map(|id| id.to_string())),
        ("ce_occurredat", event.occurred_at.map(time)),
        ("ce_receivedat", event.received_at.map(time)),
    ];
    headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    headers
}

/// Where the event happened, as a URI reference (RFC 3986): the account, or this program.
fn source_of(account: Option<&str>) -> String {
    let Some(account) = account else { return "/gateledger".to_owned() };
    let mut source = String::from("/accounts/");
    for byte in account.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => source.push(char::from(byte)),
            _ => source.push_str(&format!("%{byte:02X}")),
        }
    }
    source
}

/// RFC 3339 in UTC, with as many digits as the time has.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The W3C trace context that came with the request, where the event keeps it (CloudEvents extension "Distributed Tracing").
fn trace_context(metadata: &str) -> Option<String> {
    if !metadata.contains("\"traceparent\"") {
        return None;
    }
    match serde_json::from_str::<Value>(metadata).ok()?.get("traceparent")? {
        Value::String(context) => Some(context.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
