//! `/api/v1/events`: the log, newest first.

mod moment;

use chrono::{DateTime, Utc};
use event_log::sql::{Bind, Row};
use event_log::{EventId, RecordedEvent, sightings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::endpoint::{Call, Endpoint, Nothing, Reply};
use crate::page::{self, NumberCursor, Page};
use crate::scan::{Condition, LOOKED_AT, Scan, off_index};
use crate::{Problem, Role};

/// The entries of the group.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/events", Role::Viewer, "listEvents", "Events of the log, newest first", list),
        Endpoint::get(
            "/api/v1/events/{event_id}",
            Role::Viewer,
            "getEvent",
            "One event with its sightings; admins also see the bytes it was made from",
            show,
        ),
    ]
}

/// Which events; everything that is given must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// In this stream.
    #[schemars(length(min = 1, max = 512), example = &"transfer-contacts-3652397000000649013")]
    stream: Option<String>,
    /// Of this type.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 200), example = &"transfer.completed")]
    event_type: Option<String>,
    /// Of this provider account.
    #[schemars(length(min = 1, max = 200))]
    account: Option<String>,
    /// In this story.
    correlation_id: Option<Uuid>,
    /// Recorded at or after this time.
    since: Option<DateTime<Utc>>,
    /// Recorded before this time.
    until: Option<DateTime<Utc>>,
    /// At most this many.
    #[serde(default = "page::default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<NumberCursor>,
}

/// Which event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Its id.
    event_id: Uuid,
}

/// An event of the log.
#[derive(Debug, Serialize, JsonSchema)]
struct Event {
    /// Place among all events.
    global_position: i64,
    /// Its id, chosen by who wrote it.
    event_id: Uuid,
    /// The thing it happened to.
    stream_name: String,
    /// Number in its stream, first is 1.
    stream_version: i64,
    /// What happened.
    event_type: String,
    /// Version of the shape of `data`, first is 1.
    schema_version: i32,
    /// The provider account it belongs to, if any.
    account: Option<String>,
    /// The organisation that owns it, if any.
    organization: Option<String>,
    /// How it was learned: `webhook`, `poll`, `fetch`, `effect`, `decision`, `operator`.
    source: String,
    /// The first request of the whole story.
    correlation_id: Uuid,
    /// The message that directly led here.
    causation_id: Option<Uuid>,
    /// By the provider's clock.
    occurred_at: Option<DateTime<Utc>>,
    /// When the request came in.
    received_at: Option<DateTime<Utc>>,
    /// When it was appended.
    recorded_at: DateTime<Utc>,
    /// What happened, in the shape of its type.
    #[schemars(with = "Value")]
    data: Box<RawValue>,
    /// How it was learned; `actor` says who asked for it.
    #[schemars(with = "Value")]
    metadata: Box<RawValue>,
}

/// An event with all that is known about it.
#[derive(Debug, Serialize, JsonSchema)]
struct WholeEvent {
    /// The event.
    event: Event,
    /// Further times the same change was seen, oldest first.
    sightings: Vec<Sighting>,
    /// Length of the body it was made from, in bytes; null where there was none.
    payload_bytes: Option<u64>,
    /// The body as text, for admins; null where there is none or it is no text.
    payload_text: Option<String>,
    /// The body in hexadecimal digits, for admins, where it is no text.
    payload_hex: Option<String>,
}

/// A further time the same change was seen.
#[derive(Debug, Serialize, JsonSchema)]
struct Sighting {
    /// When.
    seen_at: DateTime<Utc>,
    /// How.
    source: String,
    /// The delivery or poll that showed it.
    causation_id: Option<Uuid>,
    /// Whether the bytes were the same; null where there are none to compare.
    same_payload: Option<bool>,
}

const COLUMNS: &str = "global_position, event_id, stream_name, stream_version, event_type, schema_version, account, \
     organization, source, correlation_id, causation_id, occurred_at, received_at, recorded_at, data, metadata";

async fn list(call: Call<Nothing, Listed>) -> Result<Reply<Page<Event>>, Problem> {
    let readers = call.api.readers();
    let Listed { stream, event_type, account, correlation_id, since, until, limit, cursor } = call.query;
    // The first of these that is given leads: the others hold for ever more events.
    let wanted = [
        ("stream_name", stream.map(Bind::value)),
        ("correlation_id", correlation_id.map(Bind::value)),
        ("event_type", event_type.map(Bind::value)),
        ("account", account.map(Bind::value)),
        ("organization", call.caller.organization.map(Bind::value)),
    ];
    let mut given = wanted.into_iter().filter_map(|(column, value)| Some((column, value?)));
    let lead = given.next();
    // The order of a stream is its own, and the log's.
    let is_stream = lead.as_ref().is_some_and(|(column, _)| *column == "stream_name");
    let aside = off_index(readers);
    let mut rest: Vec<Condition> =
        given.map(|(column, value)| Condition::new(format!("{aside}{column} = "), value)).collect();
    let (mut below, mut from_number) = (cursor.map_or(i64::MAX, |cursor| cursor.0), 0);
    if let Some(until) = until {
        if !is_stream {
            below = below.min(moment::after(readers, until).await?);
        }
        rest.push(Condition::new(format!("{aside}recorded_at < "), moment::stored(until).value()));
    }
    if let Some(since) = since {
        if !is_stream {
            from_number = moment::before(readers, since).await?;
        }
        rest.push(Condition::new(format!("{aside}recorded_at >= "), moment::stored(since).value()));
    }
    let key = if is_stream { "stream_version" } else { "global_position" };
    let scan = Scan {
        columns: COLUMNS,
        table: "events",
        joined: None,
        key,
        lead,
        indexed: None,
        rest,
        looked_at: LOOKED_AT,
        below,
        from_number,
    };
    let found = scan.page(readers, limit, event).await?;
    Ok(Page { items: found.items, next_cursor: found.next.map(NumberCursor::written) }.into())
}

fn event(row: &Row) -> Result<Event, sqlx::Error> {
    let json = |name: &'static str| {
        let text: String = row.try_get(name)?;
        RawValue::from_string(text).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    Ok(Event {
        global_position: row.try_get("global_position")?,
        event_id: row.try_get("event_id")?,
        stream_name: row.try_get("stream_name")?,
        stream_version: row.try_get("stream_version")?,
        event_type: row.try_get("event_type")?,
        schema_version: row.try_get("schema_version")?,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        source: row.try_get("source")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        occurred_at: row.try_get("occurred_at")?,
        received_at: row.try_get("received_at")?,
        recorded_at: row.try_get("recorded_at")?,
        data: json("data")?,
        metadata: json("metadata")?,
    })
}

async fn show(call: Call<Named>) -> Result<Reply<WholeEvent>, Problem> {
    let id = EventId(call.path.event_id);
    let found = call.api.log().event(id).await?;
    let Some(found) = found else { return Err(Problem::not_found("event of that id")) };
    call.caller.must_reach(found.organization.as_deref().unwrap_or_default(), "event of that id")?;
    let seen = sightings(call.api.readers(), id).await?;
    // Bodies hold what providers prove themselves with.
    let payload = found.payload.clone().filter(|_| call.caller.role >= Role::Admin);
    let text = payload.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
    Ok(WholeEvent {
        sightings: seen.into_iter().map(Sighting::from).collect(),
        payload_bytes: found.payload.as_ref().map(|bytes| bytes.len() as u64),
        payload_hex: payload.as_deref().filter(|_| text.is_none()).map(hex::encode),
        payload_text: text,
        event: Event::try_from(found).map_err(Problem::internal)?,
    }
    .into())
}

impl From<event_log::Sighting> for Sighting {
    fn from(seen: event_log::Sighting) -> Self {
        Sighting {
            seen_at: seen.seen_at,
            source: seen.source,
            causation_id: seen.causation_id.map(|id| id.0),
            same_payload: seen.same_payload,
        }
    }
}

impl TryFrom<RecordedEvent> for Event {
    type Error = serde_json::Error;

    fn try_from(event: RecordedEvent) -> Result<Self, serde_json::Error> {
        Ok(Event {
            global_position: event.global_position.0,
            event_id: event.id.0,
            stream_name: event.stream_name.into(),
            stream_version: event.stream_version.0,
            event_type: event.event_type.as_str().to_owned(),
            schema_version: event.schema_version,
            account: event.account,
            organization: event.organization,
            source: event.source,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id.map(|id| id.0),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            recorded_at: event.recorded_at,
            data: RawValue::from_string(event.data)?,
            metadata: RawValue::from_string(event.metadata)?,
        })
    }
}
