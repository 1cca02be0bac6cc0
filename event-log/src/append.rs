//! Putting events into streams: expected versions, dedupe by event id, several appends in one pass.
//!
//! The caller holds the write transaction. Everything is decided before the first row is written, so one refused
//! append leaves the others of the same batch untouched.

mod insert_postgres;
mod insert_sqlite;

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::sql::{self, Connection, Dialect, Driver};
use crate::{Error, EventId, GlobalPosition, NewEvent, StreamName, StreamVersion};

/// What a writer believes the stream version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Whatever it is.
    Any,
    /// The stream does not exist.
    NoStream,
    /// The stream has at least one event.
    StreamExists,
    /// Exactly this version.
    Exact(StreamVersion),
}

/// Events for one stream, recorded all or none.
#[derive(Debug, Clone)]
pub struct Append {
    /// Where to.
    pub stream: StreamName,
    /// On which belief.
    pub expected: ExpectedVersion,
    /// What.
    pub events: Vec<NewEvent>,
    /// The stream's name holds an id made just now, so nobody can have written to it.
    new_stream: bool,
}

impl Append {
    /// Adds events whatever the stream holds.
    #[must_use]
    pub fn new(stream: StreamName, events: Vec<NewEvent>) -> Self {
        Append { stream, expected: ExpectedVersion::Any, events, new_stream: false }
    }

    /// Adds events if the stream is what the writer believes.
    #[must_use]
    pub fn expecting(mut self, expected: ExpectedVersion) -> Self {
        self.expected = expected;
        self
    }

    /// Starts a stream named after an id made just now, for one event. Needs no look at the stream.
    #[must_use]
    pub fn to_fresh_stream(category: &str, event: NewEvent) -> Self {
        Append {
            stream: StreamName::new(category, Uuid::now_v7()),
            expected: ExpectedVersion::NoStream,
            events: vec![event],
            new_stream: true,
        }
    }
}

/// What became of one event of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// It is in the log now.
    Recorded {
        /// Its place.
        position: GlobalPosition,
        /// Its number in the stream.
        version: StreamVersion,
    },
    /// It was in the log before; a sighting was kept.
    Duplicate {
        /// Where the first one stands.
        position: GlobalPosition,
    },
}

impl EventOutcome {
    /// Whether the event had been recorded before.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, EventOutcome::Duplicate { .. })
    }

    /// Where the event stands in the log.
    #[must_use]
    pub fn position(&self) -> GlobalPosition {
        match self {
            EventOutcome::Recorded { position, .. } | EventOutcome::Duplicate { position } => *position,
        }
    }
}

/// What became of an append.
#[derive(Debug, Clone)]
pub struct Appended {
    /// One outcome per event, in order.
    pub outcomes: Vec<EventOutcome>,
    /// The stream's version afterwards.
    pub version: StreamVersion,
}

struct Placed<'a> {
    position: i64,
    version: i64,
    stream: &'a StreamName,
    event: &'a NewEvent,
}

/// An event that is in the log, or will be when this pass is written.
struct Known<'a> {
    position: i64,
    payload: Option<Cow<'a, [u8]>>,
}

impl Known<'_> {
    fn same_payload(&self, again: &NewEvent) -> Option<bool> {
        self.payload.as_deref().zip(again.payload.as_deref()).map(|(first, again)| first == again)
    }
}

/// Appends all of `appends` in order; each succeeds or is refused on its own. `last` is the log's last position.
pub(crate) async fn append_all(
    connection: &mut Connection,
    now: DateTime<Utc>,
    last: &mut GlobalPosition,
    appends: &[Append],
) -> Result<Vec<Result<Appended, Error>>, Error> {
    let mut versions = stream_versions(connection, appends).await?;
    let mut known = known_events(connection, appends).await?;
    let mut next = last.0;
    let mut placed = Vec::with_capacity(appends.len());
    let mut sightings = Vec::new();
    let mut results = Vec::with_capacity(appends.len());

    for append in appends {
        let before = versions.get(append.stream.as_str()).copied().unwrap_or(0);
        let all_known = !append.events.is_empty() && append.events.iter().all(|event| known.contains_key(&event.id));
        if !all_known && !allows(append.expected, before) {
            results.push(Err(Error::WrongExpectedVersion {
                stream: append.stream.clone(),
                expected: append.expected,
                actual: StreamVersion(before),
            }));
            continue;
        }
        let mut version = before;
        let mut outcomes = Vec::with_capacity(append.events.len());
        for event in &append.events {
            if let Some(first) = known.get(&event.id) {
                sightings.push((event, first.same_payload(event)));
                outcomes.push(EventOutcome::Duplicate { position: GlobalPosition(first.position) });
                continue;
            }
            next += 1;
            version += 1;
            known.insert(event.id, Known { position: next, payload: event.payload.as_deref().map(Cow::Borrowed) });
            placed.push(Placed { position: next, version, stream: &append.stream, event });
            outcomes.push(EventOutcome::Recorded { position: GlobalPosition(next), version: StreamVersion(version) });
        }
        versions.insert(append.stream.as_str(), version);
        results.push(Ok(Appended { outcomes, version: StreamVersion(version) }));
    }

    insert_events(connection, now, &placed).await?;
    for (event, same_payload) in sightings {
        insert_sighting(connection, now, event, same_payload).await?;
    }
    last.0 = next;
    Ok(results)
}

fn allows(expected: ExpectedVersion, actual: i64) -> bool {
    match expected {
        ExpectedVersion::Any => true,
        ExpectedVersion::NoStream => actual == 0,
        ExpectedVersion::StreamExists => actual > 0,
        ExpectedVersion::Exact(version) => actual == version.0,
    }
}

async fn stream_versions<'a>(
    connection: &mut Connection,
    appends: &'a [Append],
) -> Result<HashMap<&'a str, i64>, Error> {
    let names: Vec<&str> =
        appends.iter().filter(|append| !append.new_stream).map(|append| append.stream.as_str()).collect();
    let mut versions = HashMap::with_capacity(appends.len());
    if names.is_empty() {
        return Ok(versions);
    }
    const ON_SQLITE: &str =
        "SELECT key, (SELECT max(stream_version) FROM events WHERE stream_name = value) AS version FROM json_each($1)";
    const ON_POSTGRES: &str = "SELECT key - 1 AS key, (SELECT max(stream_version) FROM events WHERE stream_name = value) AS version \
         FROM unnest($1) WITH ORDINALITY AS wanted (value, key)";
    let text = if connection.dialect() == Dialect::Sqlite { ON_SQLITE } else { ON_POSTGRES };
    for row in sql::query(text).bind(sql::list(names.iter().copied())).fetch_all(connection).await? {
        let at: i64 = row.try_get("key")?;
        let version: Option<i64> = row.try_get("version")?;
        versions.insert(names[usize::try_from(at).unwrap_or_default()], version.unwrap_or(0));
    }
    Ok(versions)
}

async fn known_events<'a>(
    connection: &mut Connection,
    appends: &[Append],
) -> Result<HashMap<EventId, Known<'a>>, Error> {
    let ids: Vec<Uuid> = appends.iter().flat_map(|append| &append.events).map(|event| event.id.0).collect();
    let mut known = HashMap::with_capacity(ids.len());
    if ids.is_empty() {
        return Ok(known);
    }
    let rows = sql::query(
        "SELECT event_id, global_position, payload FROM events \
         WHERE event_id IN (SELECT unhex(value) FROM json_each($1))",
    )
    .bind(sql::uuids(ids))
    .fetch_all(connection)
    .await?;
    for row in rows {
        let payload: Option<Vec<u8>> = row.try_get("payload")?;
        let first = Known { position: row.try_get("global_position")?, payload: payload.map(Cow::Owned) };
        known.insert(EventId(row.try_get("event_id")?), first);
    }
    Ok(known)
}

/// The columns of a recorded event, in the order in which they are bound.
const COLUMNS: &str = "global_position, event_id, stream_name, stream_version, event_type, schema_version, account, \
     organization, source, correlation_id, causation_id, occurred_at, received_at, recorded_at, data, metadata, payload";

/// Written twice, because it is what the gateway's throughput hangs on: each database has its own fastest way.
async fn insert_events(connection: &mut Connection, now: DateTime<Utc>, placed: &[Placed<'_>]) -> Result<(), Error> {
    if placed.is_empty() {
        return Ok(());
    }
    match connection.driver() {
        Driver::Sqlite(sqlite) => insert_sqlite::insert(sqlite, now, placed).await,
        Driver::Postgres(postgres) => insert_postgres::insert(postgres, now, placed).await,
    }
}

async fn insert_sighting(
    connection: &mut Connection,
    now: DateTime<Utc>,
    event: &NewEvent,
    same_payload: Option<bool>,
) -> Result<(), Error> {
    sql::query(
        "INSERT INTO sightings (event_id, seen_at, source, account, causation_id, same_payload) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(event.id.0)
    .bind(event.received_at.unwrap_or(now))
    .bind(event.source)
    .bind(event.account.as_deref())
    .bind(event.causation_id.map(|id| id.0))
    .bind(same_payload)
    .execute(connection)
    .await?;
    Ok(())
}
