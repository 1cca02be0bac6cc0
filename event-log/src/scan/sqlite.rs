//! A stretch of a SQLite log: one text of all events.
//!
//! A row that crosses the driver costs several microseconds, one event inside a larger value a fraction of one. So the
//! database joins a whole stretch into one text, without ids, metadata and payloads, and events borrow from it.

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use super::{ScannedEvent, Time, Unreadable};
use crate::sql::{Builder, Pool};
use crate::{Error, EventType, GlobalPosition, read};

/// Parts an event's header from its data, and one event from the next. JSON allows it nowhere unescaped (RFC 8259 §7).
const SEPARATOR: char = '\u{1e}';

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

/// The wanted events of the positions `(after, last]`, joined.
pub(super) async fn stretch(
    readers: &Pool,
    types: &[EventType],
    after: GlobalPosition,
    last: GlobalPosition,
) -> Result<String, Error> {
    // Ordering inside the aggregate would sort rows that come in the primary key's order anyway; the inner order costs
    // nothing, and `Stretch::events` checks that it held.
    let mut query = Builder::new(
        "SELECT group_concat(json_array(global_position, event_type, stream_name, coalesce(account, ''), \
         coalesce(organization, ''), source, hex(correlation_id), coalesce(occurred_at, ''), recorded_at) \
         || char(30) || data, char(30)) FROM (SELECT * FROM events WHERE global_position > ",
    );
    query.push_bind(after.0).push(" AND global_position <= ").push_bind(last.0);
    if !types.is_empty() {
        query.push(" AND ").push(read::off_index(readers)).push("event_type IN (");
        let mut list = query.separated(", ");
        for event_type in types {
            list.push_bind(event_type.as_str().to_owned());
        }
        query.push(")");
    }
    query.push(" ORDER BY global_position)");
    let joined: Option<String> = query.build().fetch_one(readers).await?.try_get(0)?;
    Ok(joined.unwrap_or_default())
}

/// Takes the next event off `rest`; nothing where it is empty.
pub(super) fn next<'a>(rest: &mut &'a str) -> Option<Result<ScannedEvent<'a>, Unreadable>> {
    let header = part(rest).filter(|header| !header.is_empty())?;
    Some(read(header, part(rest).unwrap_or_default()))
}

fn part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (part, after) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
    *rest = after;
    Some(part)
}

fn read<'a>(header: &'a str, data: &'a str) -> Result<ScannedEvent<'a>, Unreadable> {
    let Header(position, event_type, stream_name, account, organization, source, story, occurred_at, recorded_at) =
        serde_json::from_str(header).map_err(|error| Unreadable(error.to_string()))?;
    Ok(ScannedEvent {
        global_position: GlobalPosition(position),
        event_type,
        stream_name,
        account: present(account),
        organization: present(organization),
        source,
        correlation_id: story,
        data,
        occurred_at: present(occurred_at).map(Time::Text),
        recorded_at: Time::Text(recorded_at),
    })
}

fn present(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(text)
}
