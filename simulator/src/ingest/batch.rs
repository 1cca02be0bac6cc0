//! The body of a batch and what is checked of it.

use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Characters of `[2024-01-15 14:30:25] `.
const STAMP: usize = 22;

/// A batch as it was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Version of the contract; 1.
    pub version: u32,
    /// Id of the batch.
    pub batch_id: Uuid,
    /// Organisation it belongs to.
    pub organization: String,
    /// Mapping of the channel to the room.
    pub mapping_id: Uuid,
    /// Client the room belongs to.
    pub client_id: String,
    /// Room.
    pub room_id: String,
    /// Where the messages were written.
    pub channel: BatchChannel,
    /// Messages, in the order in which they are to be read.
    pub messages: Vec<BatchMessage>,
    /// The lines of the messages joined by line feeds.
    pub text: String,
}

/// A channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchChannel {
    /// Id.
    pub id: String,
    /// Name when the batch was composed.
    pub name: String,
}

/// What a message of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchMessageKind {
    /// A new message.
    Message,
    /// A message that says something else now.
    Edit,
    /// A message that is gone.
    Deletion,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchMessage {
    /// Id in the channel.
    pub id: String,
    /// 0 for the message as it was first written, then rising.
    pub revision: u64,
    /// What happened.
    pub kind: BatchMessageKind,
    /// When, RFC 3339 UTC.
    pub time: String,
    /// `[2024-01-15 14:30:25] John Doe: Hello team`.
    pub line: String,
}

impl Batch {
    /// Reads a body, or says what breaks the contract.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let batch: Self = serde_json::from_slice(body).map_err(|_| "the body is not a batch of this contract")?;
        match batch.fault() {
            None => Ok(batch),
            Some(wrong) => Err(wrong),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        let names = [&self.organization, &self.client_id, &self.room_id, &self.channel.id];
        let lines: Vec<&str> = self.messages.iter().map(|message| message.line.as_str()).collect();
        if self.version != 1 {
            return Some("version must be 1");
        }
        if names.iter().any(|name| name.is_empty()) {
            return Some("organization, client_id, room_id and channel.id must not be empty");
        }
        if self.messages.is_empty() {
            return Some("messages must not be empty");
        }
        if lines.join("\n") != self.text {
            return Some("text must be the lines joined by line feeds");
        }
        self.messages.iter().find_map(BatchMessage::fault)
    }
}

impl BatchMessage {
    fn fault(&self) -> Option<&'static str> {
        if self.id.is_empty() || self.id.contains(|letter: char| letter.is_whitespace() || letter == '%') {
            return Some("the id of a message must be in its one form, without spaces and encodings");
        }
        if !self.time.ends_with('Z') || DateTime::parse_from_rfc3339(&self.time).is_err() {
            return Some("the time of a message must be RFC 3339 in UTC");
        }
        if !starts_with_time(&self.line) {
            return Some("a line must begin with [YYYY-MM-DD hh:mm:ss] and a space");
        }
        None
    }
}

fn starts_with_time(line: &str) -> bool {
    let stamp = line.get(..STAMP).and_then(|stamp| stamp.strip_prefix('[')?.strip_suffix("] "));
    stamp.is_some_and(|stamp| NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%S").is_ok()) && line.len() > STAMP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_begins_with_its_time() {
        assert!(starts_with_time("[2024-01-15 14:30:25] John Doe: Hello team"));
        for line in ["[2024-01-15T14:30:25] J: x", "2024-01-15 14:30:25 J: x", "[2024-13-15 14:30:25] J: x", "[2024"] {
            assert!(!starts_with_time(line), "{line}");
        }
    }
}
