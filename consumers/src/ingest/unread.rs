//! What was said in a mapping's chats since it was last composed.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::batch::{COMPOSED, Composed};
use catalogue::message::{self, Attachment, DELETED, Deleted, EDITED, Edited, POSTED, Posted, Sender};
use chrono::{DateTime, Utc};
use event_log::sql::{self, Connection, Row};
use event_log::{StreamName, StreamVersion};
use uuid::Uuid;

use super::batch::Kind;
use super::book::{self, Progress};
use super::mapping::{Mapping, chats};
use crate::Error;

/// Something that was said: one line.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Its place in the log.
    pub(super) position: i64,
    pub(super) kind: Kind,
    pub(super) message_id: String,
    /// When, by the provider's clock.
    pub(super) time: DateTime<Utc>,
    pub(super) sender: Sender,
    pub(super) text: String,
    /// The provider's word for what was posted.
    pub(super) content_type: String,
    pub(super) attachment: Option<Attachment>,
    /// It was said in a thread of the channel.
    pub(super) in_thread: bool,
}

/// What a mapping's chats have to say, and how far they were read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// In the order of the lines.
    pub(super) said: Vec<Said>,
    /// Names of people by their ids, as far as they spoke.
    pub(super) names: BTreeMap<String, String>,
    /// How far streams are read now.
    pub(super) read: Vec<(StreamName, Progress)>,
}

/// Reads what a mapping's chats hold beyond what is composed. Where older messages are wanted than were before, they are
/// looked for among all that is in the log.
///
/// # Errors
/// [`Error::Undecodable`], database failures.
pub(super) async fn read(connection: &mut Connection, mapping: &Mapping) -> Result<Unread, Error> {
    let mut unread = Unread::default();
    let since_ms = mapping.since.map_or(0, |since| since.timestamp_millis());
    let mut composed = None;
    for chat_id in chats(&mut *connection, mapping).await? {
        let stream = message::stream(&mapping.account, &chat_id);
        let before = book::progress(&mut *connection, mapping.mapping_id, &stream).await?;
        let is_lowered = before.since_ms.is_some_and(|composed_ms| since_ms < composed_ms);
        if is_lowered && composed.is_none() {
            composed = Some(positions(&mut *connection, mapping.mapping_id).await?);
        }
        let in_thread = chat_id != mapping.chat_id;
        let rows = sql::query(
            "SELECT global_position, stream_version, event_type, data FROM events \
             WHERE stream_name = $1 AND stream_version > $2 ORDER BY stream_version",
        )
        .bind(stream.as_str())
        .bind(if is_lowered { 0 } else { before.version.0 })
        .fetch_all(&mut *connection)
        .await?;
        let version = match rows.last() {
            Some(last) => StreamVersion(last.try_get("stream_version")?),
            None if before.since_ms == Some(since_ms) || before.version.0 == 0 => continue,
            None => before.version,
        };
        unread.read.push((stream.clone(), Progress { version, since_ms: Some(since_ms) }));
        for row in &rows {
            let Some(said) = said(row, &stream, in_thread)? else { continue };
            if let Some(id) = &said.sender.id {
                unread.names.insert(id.clone(), said.sender.name.clone());
            }
            let is_composed = is_lowered && composed.as_ref().is_some_and(|all| all.contains(&said.position));
            if !is_composed && mapping.since.is_none_or(|since| said.first_said_at() >= since) {
                unread.said.push(said);
            }
        }
    }
    unread.said.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok(unread)
}

/// Places in the log of all messages that are in batches of a mapping.
async fn positions(connection: &mut Connection, mapping_id: Uuid) -> Result<BTreeSet<i64>, Error> {
    let stream = catalogue::batch::stream(mapping_id);
    let told: Vec<String> = sql::query_scalar("SELECT data FROM events WHERE stream_name = $1 AND event_type = $2")
        .bind(stream.as_str())
        .bind(COMPOSED.as_str())
        .fetch_all(connection)
        .await?;
    let mut all = BTreeSet::new();
    for data in told {
        let undecodable = |source| Error::Undecodable { effect_key: stream.to_string(), source };
        let composed: Composed = serde_json::from_str(&data).map_err(undecodable)?;
        all.extend(composed.positions);
    }
    Ok(all)
}

impl Said {
    /// When the message was posted that this is about: its id begins with that time.
    fn first_said_at(&self) -> DateTime<Utc> {
        let digits = self.message_id.split('_').next().unwrap_or_default();
        let posted = digits.parse().ok().and_then(DateTime::from_timestamp_millis);
        posted.filter(|_| self.kind != Kind::Message).map_or(self.time, |posted| posted.min(self.time))
    }

    /// Where its line belongs.
    fn place(&self) -> (DateTime<Utc>, &str, i64) {
        (self.time, &self.message_id, self.position)
    }

    /// 0 for a message as it was posted. Changes have no number: their time stands for one, so that the newest counts even
    /// when it is learned before an older one.
    pub(super) fn revision(&self) -> u64 {
        match self.kind {
            Kind::Message => 0,
            Kind::Edit | Kind::Deletion => u64::try_from(self.time.timestamp_millis()).unwrap_or(1).max(1),
        }
    }
}

fn said(row: &Row, stream: &StreamName, in_thread: bool) -> Result<Option<Said>, Error> {
    let (event_type, data): (String, String) = (row.try_get("event_type")?, row.try_get("data")?);
    let position: i64 = row.try_get("global_position")?;
    let undecodable = |source| Error::Undecodable { effect_key: format!("{stream} at {position}"), source };
    let said = if event_type == POSTED.as_str() {
        let posted: Posted = serde_json::from_str(&data).map_err(undecodable)?;
        Said {
            position,
            kind: Kind::Message,
            message_id: posted.message_id,
            time: time(posted.time_ms),
            sender: posted.sender,
            text: posted.text,
            content_type: posted.kind,
            attachment: posted.attachment,
            in_thread,
        }
    } else if event_type == EDITED.as_str() {
        let edited: Edited = serde_json::from_str(&data).map_err(undecodable)?;
        let Edited { message_id, time_ms, sender, text, .. } = edited;
        change(position, Kind::Edit, message_id, time_ms, sender, text, in_thread)
    } else if event_type == DELETED.as_str() {
        let deleted: Deleted = serde_json::from_str(&data).map_err(undecodable)?;
        let Deleted { message_id, time_ms, sender, .. } = deleted;
        change(position, Kind::Deletion, message_id, time_ms, sender, String::new(), in_thread)
    } else {
        return Ok(None);
    };
    Ok(Some(said))
}

fn change(
    position: i64,
    kind: Kind,
    message_id: String,
    time_ms: i64,
    sender: Sender,
    text: String,
    in_thread: bool,
) -> Said {
    let content_type = "text".to_owned();
    let time = time(time_ms);
    Said { position, kind, message_id, time, sender, text, content_type, attachment: None, in_thread }
}

/// A time that no calendar has is the beginning of time: the line is worth more than its place.
fn time(time_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time_ms.clamp(0, LAST_MS)).unwrap_or_default()
}

/// The last millisecond of the year 9999: later years have no place in a line.
const LAST_MS: i64 = 253_402_300_799_999;
