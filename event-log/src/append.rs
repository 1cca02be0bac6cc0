//! Putting events into streams: expected versions, dedupe by event id, several appends in one pass.
//!
//! The caller holds the write transaction. Everything is decided before the first row is written, so one refused
//! append leaves the others of the same batch untouched.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};
use uuid::Uuid;

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

struct Known {
    position: i64,
    same_payload: Option<bool>,
}

/// Appends all of `appends` in order; each succeeds or is refused on its own.
pub(crate) async fn append_all(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    appends: &[Append],
) -> Result<Vec<Result<Appended, Error>>, Error> {
    let mut versions = stream_versions(connection, appends).await?;
    let mut known = known_events(connection, appends).await?;
    let mut next = last_position(connection).await?;
    let mut placed = Vec::with_capacity(appends.len());
    let mut sightings = Vec::new();
    let mut results = Vec::with_capacity(appends.len());

    for append in appends {
        let before = versions.get(&append.stream).copied().unwrap_or(0);
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
                sightings.push((event, first.same_payload));
                outcomes.push(EventOutcome::Duplicate { position: GlobalPosition(first.position) });
                continue;
            }
            next += 1;
            version += 1;
            if !event.id.is_fresh() {
                known.insert(event.id, Known { position: next, same_payload: None });
            }
            placed.push(Placed { position: next, version, stream: &append.stream, event });
            outcomes.push(EventOutcome::Recorded { position: GlobalPosition(next), version: StreamVersion(version) });
        }
        if version > before {
            versions.insert(append.stream.clone(), version);
        }
        results.push(Ok(Appended { outcomes, version: StreamVersion(version) }));
    }

    insert_events(connection, now, &placed).await?;
    for (event, same_payload) in sightings {
        insert_sighting(connection, now, event, same_payload).await?;
    }
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

async fn last_position(connection: &mut SqliteConnection) -> Result<i64, Error> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(global_position), 0) FROM events").fetch_one(connection).await?)
}

async fn stream_versions(
    connection: &mut SqliteConnection,
    appends: &[Append],
) -> Result<HashMap<StreamName, i64>, Error> {
    let names: Vec<&str> =
        appends.iter().filter(|append| !append.new_stream).map(|append| append.stream.as_str()).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT value AS stream_name, (SELECT max(stream_version) FROM events WHERE stream_name = value) AS version \
         FROM json_each($1)",
    )
    .bind(json(&names))
    .fetch_all(connection)
    .await?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in rows {
        let version: Option<i64> = row.try_get("version")?;
        versions.insert(StreamName::trusted(row.try_get("stream_name")?), version.unwrap_or(0));
    }
    Ok(versions)
}

async fn known_events(
    connection: &mut SqliteConnection,
    appends: &[Append],
) -> Result<HashMap<EventId, Known>, Error> {
    let events = || appends.iter().flat_map(|append| &append.events).filter(|event| !event.id.is_fresh());
    let ids: Vec<String> = events().map(|event| event.id.0.simple().to_string()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT event_id, global_position, payload FROM events \
         WHERE event_id IN (SELECT unhex(value) FROM json_each($1))",
    )
    .bind(json(&ids))
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = EventId(row.try_get("event_id")?);
        let payload: Option<&[u8]> = row.try_get("payload")?;
        let again = events().find(|event| event.id == id).and_then(|event| event.payload.as_ref());
        let same_payload = payload.zip(again).map(|(first, again)| first == again.as_ref());
        known.insert(id, Known { position: row.try_get("global_position")?, same_payload });
    }
    Ok(known)
}

const COLUMNS: usize = 17;
/// Largest multi-row insert; smaller powers of two fill the rest, so eight statements stay prepared.
const LARGEST_INSERT: usize = 128;
static INSERTS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..=LARGEST_INSERT.ilog2()).map(|power| insert_statement(1 << power)).collect());

async fn insert_events(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    mut placed: &[Placed<'_>],
) -> Result<(), Error> {
    while !placed.is_empty() {
        let rows = LARGEST_INSERT.min(1 << placed.len().ilog2());
        let (these, rest) = placed.split_at(rows);
        let statement: &'static str = &INSERTS[rows.ilog2() as usize];
        let mut query = sqlx::query(statement);
        for one in these {
            query = bind(query, now, one);
        }
        query.execute(&mut *connection).await?;
        placed = rest;
    }
    Ok(())
}

fn insert_statement(rows: usize) -> String {
    let row = format!("({}?)", "?, ".repeat(COLUMNS - 1));
    format!(
        "INSERT INTO events (global_position, event_id, stream_name, stream_version, event_type, schema_version, \
         account, organization, source, correlation_id, causation_id, occurred_at, received_at, recorded_at, \
         data, metadata, payload) VALUES {}",
        vec![row; rows].join(", ")
    )
}

fn bind<'q>(query: Query<'q, Sqlite, SqliteArguments>, now: DateTime<Utc>, one: &Placed<'q>) -> Query<'q, Sqlite, SqliteArguments> {
    let event = one.event;
    query
        .bind(one.position)
        .bind(event.id.0)
        .bind(one.stream.as_str())
        .bind(one.version)
        .bind(event.event_type.as_str())
        .bind(event.schema_version)
        .bind(event.account.as_deref())
        .bind(event.organization.as_deref())
        .bind(event.source)
        .bind(event.correlation_id)
        .bind(event.causation_id.map(|id| id.0))
        .bind(event.occurred_at)
        .bind(event.received_at)
        .bind(now)
        .bind(event.data.as_str())
        .bind(event.metadata.as_str())
        .bind(event.payload.as_deref())
}

async fn insert_sighting(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    event: &NewEvent,
    same_payload: Option<bool>,
) -> Result<(), Error> {
    sqlx::query(
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

fn json<T: serde::Serialize>(values: &[T]) -> String {
    serde_json::to_string(values).expect("a list of strings serialises to JSON")
}
