//! The request of `notify.post`: a notification, exactly as it is sent. Its contract is `docs/notify/openapi-v1.yaml`.

use chrono::{DateTime, SecondsFormat, Utc};
use event_log::{EventId, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::settings::Settings;
use crate::Error;
use crate::ledger::{Kind, Planned};

/// Request of `notify.post`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostNotification {
    /// The endpoint.
    pub notify: String,
    /// Recognises the notification for ever: the same for the same event and endpoint.
    pub id: Uuid,
    /// The event's type.
    pub event_type: String,
    /// The body, byte by byte: kept as a text, because a database may put the fields of JSON in another order.
    pub body: String,
}

/// What is told of an event. Its metadata and the bytes of a delivery are not.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    event_id: EventId,
    organization: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    stream: &'a str,
    stream_version: i64,
    position: i64,
    schema_version: i32,
    recorded_at: String,
    correlation_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<EventId>,
    data: &'a RawValue,
}

/// The effect that tells an endpoint an event.
///
/// # Errors
/// [`Error::Undecodable`] when the event's data is no JSON: damage.
pub(super) fn planned(endpoint: &Settings, event: &RecordedEvent) -> Result<Planned, Error> {
    let key = format!("{}:{}:{}", Kind::PostNotification, endpoint.name, event.id);
    let body = body(endpoint, event).map_err(|source| Error::Undecodable { effect_key: key.clone(), source })?;
    let bytes = body.len() as u64;
    let request = PostNotification {
        notify: endpoint.name.clone(),
        id: id(&endpoint.name, event.id),
        event_type: event.event_type.to_string(),
        body,
    };
    Ok(Planned {
        key,
        kind: Kind::PostNotification,
        stream: catalogue::notify::stream(&endpoint.name),
        run: 1,
        account: endpoint.ledger_account(),
        source_account: None,
        organization: endpoint.organization.clone(),
        once_key: None,
        sequence: None,
        bytes: Some(bytes),
        request: Planned::encode(&request),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id),
        not_before: None,
    })
}

/// The id under which an endpoint is told an event.
#[must_use]
pub fn id(endpoint: &str, event: EventId) -> Uuid {
    EventId::derived(&["notify", endpoint, &event.to_string()]).0
}

fn body(endpoint: &Settings, event: &RecordedEvent) -> Result<String, serde_json::Error> {
    let data: &RawValue = serde_json::from_str(&event.data)?;
    serde_json::to_string(&Body {
        event_type: event.event_type.as_str(),
        timestamp: moment(event.occurred_at.unwrap_or(event.recorded_at)),
        event_id: event.id,
        organization: &endpoint.organization,
        account: event.account.as_deref(),
        stream: event.stream_name.as_str(),
        stream_version: event.stream_version.0,
        position: event.global_position.0,
        schema_version: event.schema_version,
        recorded_at: moment(event.recorded_at),
        correlation_id: event.correlation_id,
        causation_id: event.causation_id,
        data,
    })
}

fn moment(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
