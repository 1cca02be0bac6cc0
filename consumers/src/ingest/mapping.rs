//! The mapping whose messages are composed.

use catalogue::channel;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use event_log::sql::{self, Connection};
use uuid::Uuid;

use crate::Error;

/// A channel that belongs to a room.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) mapping_id: Uuid,
    pub(super) account: String,
    pub(super) organization: String,
    pub(super) channel_id: String,
    pub(super) channel_name: String,
    pub(super) chat_id: String,
    pub(super) client_id: String,
    pub(super) room_id: String,
    /// The channel belongs to this room no more.
    pub(super) has_ended: bool,
    /// Zone of the lines' times.
    pub(super) timezone: Tz,
    /// Threads are read as well.
    pub(super) threads: bool,
    /// Messages before this time are not the room's.
    pub(super) since: Option<DateTime<Utc>>,
}

/// The mapping a sync was for.
///
/// # Errors
/// [`Error::BadMapping`] when there is none, or its settings cannot be used; database failures.
pub(super) async fn of_subject(connection: &mut Connection, subject: &str) -> Result<Mapping, Error> {
    let bad = |reason: &str| Error::BadMapping { subject: subject.to_owned(), reason: reason.to_owned() };
    let mapping_id = subject.strip_prefix("channel:").and_then(|id| Uuid::parse_str(id).ok());
    let mapping_id = mapping_id.ok_or_else(|| bad("the subject names no mapping"))?;
    let row = sql::query(
        "SELECT account, organization, channel_id, channel_name, chat_id, client_id, room_id, state, settings, created_at, \
         EXISTS (SELECT 1 FROM channel_mappings AS earlier WHERE earlier.account = channel_mappings.account \
           AND earlier.channel_id = channel_mappings.channel_id AND earlier.state = 'ended' \
           AND earlier.mapping_id <> channel_mappings.mapping_id) AS was_mapped \
         FROM channel_mappings WHERE mapping_id = $1",
    )
    .bind(mapping_id)
    .fetch_optional(&mut *connection)
    .await?;
    let row = row.ok_or_else(|| bad("there is no such mapping"))?;
    let (state, settings): (String, String) = (row.try_get("state")?, row.try_get("settings")?);
    let settings: channel::Settings = serde_json::from_str(&settings).map_err(|error| bad(&error.to_string()))?;
    let timezone = service::config::timezone(&settings.timezone).map_err(|error| bad(&error.to_string()))?;
    let (was_mapped, created_at): (bool, DateTime<Utc>) = (row.try_get("was_mapped")?, row.try_get("created_at")?);
    Ok(Mapping {
        mapping_id,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        channel_id: row.try_get("channel_id")?,
        channel_name: row.try_get("channel_name")?,
        chat_id: row.try_get("chat_id")?,
        client_id: row.try_get("client_id")?,
        room_id: row.try_get("room_id")?,
        has_ended: state == "ended",
        timezone,
        threads: settings.threads,
        // What was written while the channel belonged to another room is that room's, unless somebody asks for it.
        since: settings.since.or(was_mapped.then_some(created_at)),
    })
}

/// The chats whose messages are the mapping's: the channel's own, and its threads.
///
/// # Errors
/// Database failures.
pub(super) async fn chats(connection: &mut Connection, mapping: &Mapping) -> Result<Vec<String>, Error> {
    let mut chats = vec![mapping.chat_id.clone()];
    if !mapping.threads {
        return Ok(chats);
    }
    let threads: Vec<String> =
        sql::query_scalar("SELECT chat_id FROM chat_cursors WHERE mapping_id = $1 AND chat_id <> $2 ORDER BY chat_id")
            .bind(mapping.mapping_id)
            .bind(&mapping.chat_id)
            .fetch_all(connection)
            .await?;
    chats.extend(threads);
    Ok(chats)
}
