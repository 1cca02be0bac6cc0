//! Reading the log: by position, by stream, by id, by filter.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::sql::{self, Builder, Dialect, Pool, Row};
use crate::{Error, EventId, EventType, GlobalPosition, Log, RecordedEvent, StreamName, StreamVersion};

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Oldest first, after the cursor.
    #[default]
    Forward,
    /// Newest first, before the cursor.
    Backward,
}

/// Which events a reader wants; everything that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One of these types; a trailing `*` matches the rest of a name (`transfer.*`).
    pub event_types: Vec<String>,
    /// Of this account.
    pub account: Option<String>,
    /// Of this organisation.
    pub organization: Option<String>,
    /// In this stream.
    pub stream: Option<String>,
    /// In this story.
    pub correlation_id: Option<Uuid>,
    /// Learned this way.
    pub source: Option<String>,
    /// Recorded at or after.
    pub since: Option<DateTime<Utc>>,
    /// Recorded before.
    pub until: Option<DateTime<Utc>>,
    /// With the payload bytes.
    pub with_payload: bool,
}

const COLUMNS: &str = "global_position, event_id, stream_name, stream_version, event_type, schema_version, account, \
     organization, source, correlation_id, causation_id, occurred_at, received_at, recorded_at, data, metadata";

impl Log {
    /// Events in position order strictly after `after` (forward) or before it (backward; 0 means from the end).
    ///
    /// # Errors
    /// Database failures.
    pub async fn list(
        &self,
        filter: &Filter,
        after: GlobalPosition,
        direction: Direction,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, Error> {
        list(self.database().readers(), filter, after, direction, limit).await
    }

    /// The events of one stream after a version, in order, with payloads.
    ///
    /// # Errors
    /// Database failures.
    pub async fn read_stream(
        &self,
        stream: &StreamName,
        after: StreamVersion,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, Error> {
        let mut query = select(true);
        query.push(" WHERE stream_name = ").push_bind(stream.as_str());
        query.push(" AND stream_version > ").push_bind(after.0);
        query.push(" ORDER BY stream_version LIMIT ").push_bind(limit);
        fetch(query, self.database().readers()).await
    }

    /// One event with its payload.
    ///
    /// # Errors
    /// Database failures.
    pub async fn event(&self, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        let mut query = select(true);
        query.push(" WHERE event_id = ").push_bind(id.0);
        Ok(fetch(query, self.database().readers()).await?.pop())
    }

    /// The event at a position, with its payload.
    ///
    /// # Errors
    /// Database failures.
    pub async fn event_at(&self, position: GlobalPosition) -> Result<Option<RecordedEvent>, Error> {
        let mut query = select(true);
        query.push(" WHERE global_position = ").push_bind(position.0);
        Ok(fetch(query, self.database().readers()).await?.pop())
    }

    /// The highest position below which nothing can still commit. Readers stop there.
    ///
    /// With one writer at a time, that is the last committed position.
    ///
    /// # Errors
    /// Database failures.
    pub async fn high_water_mark(&self) -> Result<GlobalPosition, Error> {
        last_position(self.database().readers()).await
    }
}

async fn list(
    readers: &Pool,
    filter: &Filter,
    after: GlobalPosition,
    direction: Direction,
    limit: u32,
) -> Result<Vec<RecordedEvent>, Error> {
    let mut query = select(filter.with_payload);
    match direction {
        Direction::Forward => query.push(" WHERE global_position > ").push_bind(after.0),
        Direction::Backward => {
            let before = if after.0 == 0 { i64::MAX } else { after.0 };
            query.push(" WHERE global_position < ").push_bind(before)
        }
    };
    narrow(&mut query, filter);
    query.push(match direction {
        Direction::Forward => " ORDER BY global_position LIMIT ",
        Direction::Backward => " ORDER BY global_position DESC LIMIT ",
    });
    query.push_bind(limit);
    fetch(query, readers).await
}

fn narrow(query: &mut Builder<'_>, filter: &Filter) {
    if !filter.event_types.is_empty() {
        query.push(" AND (");
        for (at, name) in filter.event_types.iter().enumerate() {
            if at > 0 {
                query.push(" OR ");
            }
            match name.strip_suffix('*') {
                Some(prefix) => query
                    .push("(event_type >= ")
                    .push_bind(prefix.to_owned())
                    .push(" AND event_type < ")
                    .push_bind(format!("{prefix}\u{10ffff}"))
                    .push(")"),
                None => query.push("event_type = ").push_bind(name.clone()),
            };
        }
        query.push(")");
    }
    let texts = [
        ("account", &filter.account),
        ("organization", &filter.organization),
        ("stream_name", &filter.stream),
        ("source", &filter.source),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
        }
    }
    if let Some(story) = filter.correlation_id {
        query.push(" AND correlation_id = ").push_bind(story);
    }
    if let Some(since) = filter.since {
        query.push(" AND recorded_at >= ").push_bind(to_microseconds(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND recorded_at < ").push_bind(to_microseconds(until));
    }
}

/// The next microsecond: stored times have no finer parts, and PostgreSQL would cut them off.
fn to_microseconds(time: DateTime<Utc>) -> DateTime<Utc> {
    let finer = time.timestamp_subsec_nanos() % 1000;
    if finer == 0 { time } else { time + TimeDelta::nanoseconds(i64::from(1000 - finer)) }
}

/// Events of some types, or of one account, in the positions `(after, up_to]`, in order; `types` empty means all.
pub(crate) async fn window(
    readers: &Pool,
    types: &[EventType],
    account: Option<&str>,
    after: GlobalPosition,
    up_to: GlobalPosition,
    with_payload: bool,
) -> Result<Vec<RecordedEvent>, Error> {
    let mut query = select(with_payload);
    query.push(" WHERE global_position > ").push_bind(after.0);
    query.push(" AND global_position <= ").push_bind(up_to.0);
    if !types.is_empty() {
        query.push(" AND ").push(off_index(readers)).push("event_type IN (");
        let mut list = query.separated(", ");
        for event_type in types {
            list.push_bind(event_type.as_str().to_owned());
        }
        query.push(")");
    }
    if let Some(account) = account {
        query.push(" AND ").push(off_index(readers)).push("account = ").push_bind(account.to_owned());
    }
    query.push(" ORDER BY global_position");
    fetch(query, readers).await
}

/// A unary plus keeps SQLite on the position order, where a window is one short range. PostgreSQL knows that by itself.
pub(crate) fn off_index(readers: &Pool) -> &'static str {
    match readers.dialect() {
        Dialect::Sqlite => "+",
        Dialect::Postgres => "",
    }
}

pub(crate) async fn last_position(readers: &Pool) -> Result<GlobalPosition, Error> {
    let last = sql::query_scalar("SELECT coalesce(max(global_position), 0) FROM events").fetch_one(readers).await?;
    Ok(GlobalPosition(last))
}

fn select<'q>(with_payload: bool) -> Builder<'q> {
    let payload = if with_payload { ", payload" } else { ", NULL AS payload" };
    let mut query = Builder::new("SELECT ");
    query.push(COLUMNS).push(payload).push(" FROM events");
    query
}

async fn fetch(query: Builder<'_>, readers: &Pool) -> Result<Vec<RecordedEvent>, Error> {
    query.build().fetch_all(readers).await?.iter().map(recorded).collect()
}

fn recorded(row: &Row) -> Result<RecordedEvent, Error> {
    let causation_id: Option<Uuid> = row.try_get(10)?;
    let payload: Option<Vec<u8>> = row.try_get(16)?;
    Ok(RecordedEvent {
        global_position: GlobalPosition(row.try_get(0)?),
        id: EventId(row.try_get(1)?),
        stream_name: StreamName::trusted(row.try_get(2)?),
        stream_version: StreamVersion(row.try_get(3)?),
        event_type: EventType::trusted(row.try_get(4)?),
        schema_version: row.try_get(5)?,
        account: row.try_get(6)?,
        organization: row.try_get(7)?,
        source: row.try_get(8)?,
        correlation_id: row.try_get(9)?,
        causation_id: causation_id.map(EventId),
        occurred_at: row.try_get(11)?,
        received_at: row.try_get(12)?,
        recorded_at: row.try_get(13)?,
        data: row.try_get(14)?,
        metadata: row.try_get(15)?,
        payload: payload.map(Bytes::from),
    })
}
