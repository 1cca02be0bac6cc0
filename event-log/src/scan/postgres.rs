//! A stretch of a PostgreSQL log: what `COPY … TO STDOUT` sends in its binary format.
//!
//! It costs the server a quarter of what joining the events into one value does, and events borrow from the bytes.
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format" (read 2026-11).

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use uuid::Uuid;

use super::{ScannedEvent, Time, Unreadable};
use crate::{Error, EventType, GlobalPosition};

/// Signature, flags, length of the header's extension.
const HEADER_BYTES: usize = 11 + 4 + 4;
/// Before `jsonb` as text.
const JSONB_VERSION: u8 = 1;
/// Microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// The wanted events of the positions `(after, last]`.
pub(super) async fn stretch(
    readers: &PgPool,
    types: &[EventType],
    after: GlobalPosition,
    last: GlobalPosition,
) -> Result<Vec<u8>, Error> {
    let statement = statement(types, after, last);
    let mut copying = Copying(Some(readers.acquire().await?));
    let mut copied = Vec::new();
    if let Some(connection) = &mut copying.0 {
        let mut messages = connection.copy_out_raw(&statement).await?;
        while let Some(message) = messages.try_next().await? {
            copied.extend_from_slice(&message);
        }
    }
    copying.0.take();
    copied.drain(..HEADER_BYTES.min(copied.len()));
    Ok(copied)
}

/// A connection that is sending. The driver cannot use one again that did not send all: such a one goes.
struct Copying(Option<PoolConnection<Postgres>>);

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Copies take no parameters.
fn statement(types: &[EventType], after: GlobalPosition, last: GlobalPosition) -> String {
    let mut statement = format!(
        "COPY (SELECT global_position, event_type, stream_name, account, organization, source, correlation_id, \
         occurred_at, recorded_at, data FROM events WHERE global_position > {} AND global_position <= {}",
        after.0, last.0
    );
    for (at, event_type) in types.iter().enumerate() {
        let before = if at == 0 { " AND event_type IN (" } else { ", " };
        let _ = write!(statement, "{before}'{}'", event_type.as_str().replace('\'', "''"));
    }
    if !types.is_empty() {
        statement.push(')');
    }
    statement.push_str(" ORDER BY global_position) TO STDOUT (FORMAT binary)");
    statement
}

/// Takes the next event off `rest`; nothing where the trailer is reached.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Result<ScannedEvent<'a>, Unreadable>> {
    if rest.is_empty() || rest.starts_with(&[0xff, 0xff]) {
        return None;
    }
    let event = Fields { rest }.event();
    if event.is_err() {
        // Where the next one begins cannot be known.
        *rest = &[];
    }
    Some(event)
}

/// The fields of a tuple, in the order of the statement.
struct Fields<'r, 'a> {
    rest: &'r mut &'a [u8],
}

impl<'a> Fields<'_, 'a> {
    fn event(&mut self) -> Result<ScannedEvent<'a>, Unreadable> {
        let count = self.take(2)?;
        if count != [0, 10] {
            return Err(Unreadable(format!("a tuple of {count:?} fields")));
        }
        Ok(ScannedEvent {
            global_position: GlobalPosition(self.integer()?.unwrap_or_default()),
            event_type: self.text()?.unwrap_or_default(),
            stream_name: self.text()?.unwrap_or_default(),
            account: self.text()?,
            organization: self.text()?,
            source: self.text()?.unwrap_or_default(),
            correlation_id: self.uuid()?,
            occurred_at: self.time()?,
            recorded_at: self.time()?.ok_or_else(|| Unreadable("no time of recording".to_owned()))?,
            data: self.json()?,
        })
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) =
            self.rest.split_at_checked(bytes).ok_or_else(|| Unreadable("the copy ends in a tuple".to_owned()))?;
        *self.rest = rest;
        Ok(taken)
    }

    /// The next field; absent where it is null, which has the length -1.
    fn field(&mut self) -> Result<Option<&'a [u8]>, Unreadable> {
        let length = self.take(4)?.try_into().map(i32::from_be_bytes).unwrap_or_default();
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn integer(&mut self) -> Result<Option<i64>, Unreadable> {
        let Some(field) = self.field()? else { return Ok(None) };
        let bytes = field.try_into().map_err(|_| Unreadable(format!("{field:?} is no bigint")))?;
        Ok(Some(i64::from_be_bytes(bytes)))
    }

    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Unreadable> {
        Ok(self.field()?.map(text).transpose()?.map(Cow::Borrowed))
    }

    fn uuid(&mut self) -> Result<Uuid, Unreadable> {
        let field = self.field()?.unwrap_or_default();
        Uuid::from_slice(field).map_err(|error| Unreadable(error.to_string()))
    }

    fn time(&mut self) -> Result<Option<Time<'a>>, Unreadable> {
        let Some(microseconds) = self.integer()? else { return Ok(None) };
        let time = microseconds.checked_add(EPOCH_MICROSECONDS).and_then(DateTime::<Utc>::from_timestamp_micros);
        time.map(|time| Some(Time::Native(time))).ok_or_else(|| Unreadable(format!("{microseconds} is no time")))
    }

    fn json(&mut self) -> Result<&'a str, Unreadable> {
        match self.field()?.and_then(|field| field.split_first()) {
            Some((&JSONB_VERSION, json)) => text(json),
            _ => Err(Unreadable("data in a version of jsonb that is not known".to_owned())),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|error| Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_ends_early_is_an_error_and_then_the_end() {
        let mut rest: &[u8] = &[0, 10, 0, 0, 0, 8, 0, 0];
        assert!(next(&mut rest).is_some_and(|event| event.is_err()));
        assert!(next(&mut rest).is_none());
    }

    #[test]
    fn the_trailer_is_the_end() {
        let mut rest: &[u8] = &[0xff, 0xff];
        assert!(next(&mut rest).is_none());
    }

    #[test]
    fn types_are_quoted() {
        let types = [EventType::new("a.b"), EventType::new("c'd.e")];
        let statement = statement(&types, GlobalPosition(1), GlobalPosition(2));
        assert!(statement.contains(" AND event_type IN ('a.b', 'c''d.e') ORDER BY"), "{statement}");
    }
}
