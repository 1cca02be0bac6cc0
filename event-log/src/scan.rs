//! Reading long stretches of the log fast, for readers that fold millions of events.
//!
//! Written twice, because it is what the rate of a rebuild hangs on: each database has its own fastest way. Both leave
//! out ids, metadata and payloads, and events borrow from what was read.

mod postgres;
mod sqlite;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::sql::Pool;
use crate::{Error, EventType, GlobalPosition, Log, read};

/// The wanted events of some positions, as the database sent them.
#[derive(Debug, Clone)]
pub struct Stretch {
    content: Content,
    after: GlobalPosition,
    last: GlobalPosition,
}

#[derive(Debug, Clone)]
enum Content {
    Sqlite(String),
    Postgres(Vec<u8>),
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
    occurred_at: Option<Time<'a>>,
    recorded_at: Time<'a>,
}

/// A time as it was read; text is parsed only where somebody asks for it.
#[derive(Debug, Clone)]
enum Time<'a> {
    Text(Cow<'a, str>),
    Native(DateTime<Utc>),
}

/// Why an event cannot be read back.
struct Unreadable(String);

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
        let content = match readers {
            _ if last == after => Content::Sqlite(String::new()),
            Pool::Sqlite(_) => Content::Sqlite(sqlite::stretch(readers, types, after, last).await?),
            Pool::Postgres(pool) => Content::Postgres(postgres::stretch(pool, types, after, last).await?),
        };
        Ok(Stretch { content, after, last })
    }
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
        match &self.content {
            Content::Sqlite(text) => text.len(),
            Content::Postgres(bytes) => bytes.len(),
        }
    }

    /// The wanted events in position order.
    ///
    /// Each item is an error where the stored row cannot be read back: a bug or damage.
    pub fn events(&self) -> impl Iterator<Item = Result<ScannedEvent<'_>, Error>> {
        let (mut text, mut bytes): (&str, &[u8]) = match &self.content {
            Content::Sqlite(text) => (text, &[]),
            Content::Postgres(bytes) => ("", bytes),
        };
        let mut before = self.after;
        std::iter::from_fn(move || {
            let event = sqlite::next(&mut text).or_else(|| postgres::next(&mut bytes))?;
            Some(event.map_err(|Unreadable(reason)| reason).and_then(|event| in_order(&mut before, event)).map_err(
                |reason| Error::Undecodable { position: before, reason: format!("the event after it: {reason}") },
            ))
        })
    }
}

/// The event, if it comes after the one before.
fn in_order<'a>(before: &mut GlobalPosition, event: ScannedEvent<'a>) -> Result<ScannedEvent<'a>, String> {
    let position = event.global_position;
    if position <= *before {
        return Err(format!("position {} was read after it", position.0));
    }
    *before = position;
    Ok(event)
}

impl ScannedEvent<'_> {
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
        self.occurred_at.as_ref().map(|time| self.time(time)).transpose()
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

    fn time(&self, time: &Time<'_>) -> Result<DateTime<Utc>, Error> {
        match time {
            Time::Native(time) => Ok(*time),
            Time::Text(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Ok(time.to_utc()),
                Err(source) => Err(self.undecodable(&source)),
            },
        }
    }

    fn undecodable(&self, source: &dyn std::error::Error) -> Error {
        Error::Undecodable { position: self.global_position, reason: source.to_string() }
    }
}
