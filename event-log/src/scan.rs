//! Reading long stretches of the log fast, for readers that fold millions of events.
//!
//! A row that crosses the driver costs several microseconds, one event inside a larger value a fraction of one. So the
//! database joins a whole stretch into one text, without ids, metadata and payloads, and events borrow from it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::sql::{Builder, Dialect, Pool};
use crate::{Error, EventType, GlobalPosition, Log, read};

/// Parts an event's header from its data, and one event from the next. JSON allows it nowhere unescaped (RFC 8259 §7).
const SEPARATOR: char = '\u{1e}';

/// The wanted events of some positions, as the database joined them.
#[derive(Debug, Clone)]
pub struct Stretch {
    text: String,
    after: GlobalPosition,
    last: GlobalPosition,
}

/// One event of a [`Stretch`]; see [`crate::RecordedEvent`] for the fields.
#[derive(Debug, Clone)]
pub struct ScannedEvent<'a> {
    /// Place among all events.
    pub global_position: GlobalPosition,
    /// Wire name of what happened.
    pub event_type: Cow<'a, str>,
    /// The thing it happened to.
    pub stream_name: Cow<'a, str>,
    /// The provider account it belongs to, if any.
    pub account: Option<Cow<'a, str>>,
    /// The organisation that owns it, if any.
    pub organization: Option<Cow<'a, str>>,
    /// How we learned it.
    pub source: Cow<'a, str>,
    /// The first request of the whole story.
    pub correlation_id: Uuid,
    /// What happened, as JSON text.
    pub data: &'a str,
    occurred_at: Cow<'a, str>,
    recorded_at: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Header<'a>(
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    Uuid,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

impl Log {
    /// Events of `types` (empty: all) in the `window` positions after `after`, as far as the log goes.
    ///
    /// The whole stretch is held in memory: choose `window` with the size of events in mind.
    ///
    /// # Errors
    /// Database failures.
    ///
    /// # Cancellation
    /// Safe: nothing is lost if the future is dropped.
    pub async fn scan(&self, types: &[EventType], after: GlobalPosition, window: u32) -> Result<Stretch, Error> {
        let readers = self.database().readers();
        let head = read::last_position(readers).await?;
        let last = GlobalPosition(head.0.min(after.0.saturating_add(i64::from(window.max(1)))).max(after.0));
        if last == after {
            return Ok(Stretch { text: String::new(), after, last });
        }
        let row = joined(readers, types, after, last).build().fetch_one(readers).await?;
        let text: Option<String> = row.try_get(0)?;
        Ok(Stretch { text: text.unwrap_or_default(), after, last })
    }
}

/// One text of all wanted events. Both databases write times as RFC 3339 and ids as hexadecimal digits.
fn joined<'q>(readers: &Pool, types: &[EventType], after: GlobalPosition, last: GlobalPosition) -> Builder<'q> {
    // Ordering inside the aggregate would sort rows that come in the primary key's order anyway; the inner order costs
    // nothing, and `Stretch::events` checks that it held.
    let mut query = Builder::new(match readers.dialect() {
        Dialect::Sqlite => {
            "SELECT group_concat(json_array(global_position, event_type, stream_name, coalesce(account, ''), \
             coalesce(organization, ''), source, hex(correlation_id), coalesce(occurred_at, ''), recorded_at) \
             || char(30) || data, char(30))"
        }
        Dialect::Postgres => {
            "SELECT string_agg(json_build_array(global_position, event_type, stream_name, coalesce(account, ''), \
             coalesce(organization, ''), source, correlation_id, coalesce(to_json(occurred_at) #>> '{}', ''), \
             recorded_at)::text || chr(30) || data::text, chr(30))"
        }
    });
    query.push(" FROM (SELECT * FROM events WHERE global_position > ").push_bind(after.0);
    query.push(" AND global_position <= ").push_bind(last.0);
    if !types.is_empty() {
        query.push(" AND ").push(read::off_index(readers)).push("event_type IN (");
        let mut list = query.separated(", ");
        for event_type in types {
            list.push_bind(event_type.as_str().to_owned());
        }
        query.push(")");
    }
    query.push(" ORDER BY global_position) AS stretch");
    query
}

impl Stretch {
    /// The position it starts after.
    #[must_use]
    pub fn after(&self) -> GlobalPosition {
        self.after
    }

    /// Its last position: the checkpoint once its events are handled.
    #[must_use]
    pub fn last(&self) -> GlobalPosition {
        self.last
    }

    /// Whether the log had nothing after [`Stretch::after`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last == self.after
    }

    /// Bytes it takes in memory.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.text.len()
    }

    /// The wanted events in position order.
    ///
    /// Each item is an error where the stored row cannot be read back: a bug or damage.
    pub fn events(&self) -> impl Iterator<Item = Result<ScannedEvent<'_>, Error>> {
        let mut parts = self.text.split(SEPARATOR);
        let mut before = self.after;
        std::iter::from_fn(move || {
            let header = parts.next().filter(|header| !header.is_empty())?;
            let event = ScannedEvent::read(header, parts.next().unwrap_or_default(), before);
            if let Ok(event) = &event {
                before = event.global_position;
            }
            Some(event)
        })
    }
}

impl<'a> ScannedEvent<'a> {
    fn read(header: &'a str, data: &'a str, after: GlobalPosition) -> Result<Self, Error> {
        let undecodable = |reason: String| Error::Undecodable { position: after, reason };
        let Header(position, event_type, stream_name, account, organization, source, story, occurred_at, recorded_at) =
            serde_json::from_str(header).map_err(|source| undecodable(format!("the event after it: {source}")))?;
        if position <= after.0 {
            return Err(undecodable(format!("position {position} was read after it")));
        }
        Ok(ScannedEvent {
            global_position: GlobalPosition(position),
            event_type,
            stream_name,
            account: present(account),
            organization: present(organization),
            source,
            correlation_id: story,
            data,
            occurred_at,
            recorded_at,
        })
    }

    /// Whether the event is of this type.
    #[must_use]
    pub fn is(&self, event_type: &EventType) -> bool {
        self.event_type == event_type.as_str()
    }

    /// Provider's clock.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored time is none.
    pub fn occurred_at(&self) -> Result<Option<DateTime<Utc>>, Error> {
        if self.occurred_at.is_empty() {
            return Ok(None);
        }
        self.time(&self.occurred_at).map(Some)
    }

    /// The append.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored time is none.
    pub fn recorded_at(&self) -> Result<DateTime<Utc>, Error> {
        self.time(&self.recorded_at)
    }

    /// Reads the data into its type, which may borrow from it.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored data does not have that shape: a bug or damage.
    pub fn decode<'s, T: Deserialize<'s>>(&'s self) -> Result<T, Error> {
        serde_json::from_str(self.data).map_err(|source| self.undecodable(&source))
    }

    fn time(&self, text: &str) -> Result<DateTime<Utc>, Error> {
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(time.to_utc()),
            Err(source) => Err(self.undecodable(&source)),
        }
    }

    fn undecodable(&self, source: &dyn std::error::Error) -> Error {
        Error::Undecodable { position: self.global_position, reason: source.to_string() }
    }
}

fn present(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(text)
}
