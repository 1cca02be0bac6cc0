//! Batches: the body that is sent, by the contract `docs/ingest/openapi-v1.yaml`, and where one ends and the next begins.

use chrono::{DateTime, Utc};
use event_log::EventId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Version of the contract.
const VERSION: u32 = 1;

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was posted.
    Message,
    /// It says something else now.
    Edit,
    /// It was taken back.
    Deletion,
}

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message, in its normalised spelling.
    pub id: String,
    /// 0 for the message as it was posted; the later change has the higher one.
    pub revision: u64,
    /// What happened to it.
    pub kind: Kind,
    /// When, by the provider's clock. RFC 3339, UTC.
    pub time: String,
    /// How it reads.
    pub line: String,
}

/// Where the messages of a batch belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Who owns the mapping.
    pub organization: String,
    /// The mapping.
    pub mapping_id: Uuid,
    /// Whose room.
    pub client_id: String,
    /// Which room.
    pub room_id: String,
    /// Where they were written.
    pub channel: Channel,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its name when the batch was composed.
    pub name: String,
}

/// The body of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Version of the contract.
    pub version: u32,
    /// The batch.
    pub batch_id: Uuid,
    /// Where the messages belong.
    #[serde(flatten)]
    pub room: Room,
    /// The messages, in the order of the lines.
    pub messages: Vec<Message>,
    /// The lines, joined by line feeds.
    pub text: String,
}

/// A line and the place of its message in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub message: Message,
    /// Its place in the log.
    pub position: i64,
}

/// A batch that was composed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Derived from the mapping and the messages, so that the same messages are never two batches.
    pub batch_id: Uuid,
    /// Places in the log of the messages, in the order of the lines.
    pub positions: Vec<i64>,
    /// What is sent, byte by byte.
    pub body: String,
}

/// How large batches get.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lines at most.
    pub lines: usize,
    /// Length of the body at most, in bytes.
    pub bytes: usize,
}

impl Batch {
    /// The batch of these messages, of which there is one at least.
    fn of(room: &Room, entries: Vec<Entry>) -> Self {
        let positions: Vec<i64> = entries.iter().map(|entry| entry.position).collect();
        let batch_id = batch_id(room.mapping_id, &positions);
        let text = entries.iter().map(|entry| entry.message.line.as_str()).collect::<Vec<_>>().join("\n");
        let messages = entries.into_iter().map(|entry| entry.message).collect();
        let body = Body { version: VERSION, batch_id, room: room.clone(), messages, text };
        Batch { batch_id, positions, body: encoded(&body) }
    }

    /// Lines in it.
    #[must_use]
    pub fn lines(&self) -> i64 {
        i64::try_from(self.positions.len()).unwrap_or(i64::MAX)
    }

    /// Hex SHA-256 of the body.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.body.as_bytes()))
    }
}

/// Cuts lines into batches within the limits, in their order. A line that is too long for itself is a batch of its own.
#[must_use]
pub fn cut(room: &Room, entries: Vec<Entry>, limits: Limits) -> Vec<Batch> {
    let empty =
        Body { version: VERSION, batch_id: Uuid::nil(), room: room.clone(), messages: Vec::new(), text: String::new() };
    let frame = encoded(&empty).len();
    let (mut batches, mut open, mut bytes) = (Vec::new(), Vec::new(), frame);
    for entry in entries {
        let more = weight(&entry.message);
        if !open.is_empty() && (open.len() >= limits.lines || bytes + more > limits.bytes) {
            batches.push(Batch::of(room, std::mem::take(&mut open)));
            bytes = frame;
        }
        bytes += more;
        open.push(entry);
    }
    if !open.is_empty() {
        batches.push(Batch::of(room, open));
    }
    batches
}

/// Two batches of half the lines each; `None` when there is one line only.
///
/// # Errors
/// When the body is no batch.
pub fn halves(positions: &[i64], body: &str) -> Result<Option<[Batch; 2]>, serde_json::Error> {
    let body: Body = serde_json::from_str(body)?;
    if body.messages.len() < 2 {
        return Ok(None);
    }
    let entries =
        body.messages.into_iter().zip(positions).map(|(message, position)| Entry { message, position: *position });
    let mut first: Vec<Entry> = entries.collect();
    let second = first.split_off(first.len() / 2);
    Ok(Some([Batch::of(&body.room, first), Batch::of(&body.room, second)]))
}

/// By how much a message lengthens a body: itself and its line, with what stands between them and the ones before.
fn weight(message: &Message) -> usize {
    const COMMA: usize = 1;
    const ESCAPED_LINE_FEED: usize = 2;
    const QUOTES: usize = 2;
    encoded(message).len() + COMMA + encoded(&message.line).len() - QUOTES + ESCAPED_LINE_FEED
}

fn encoded(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a batch serialises to JSON")
}

/// No two batches of a mapping begin and end with the same messages: a message is in one batch, and in the halves of it.
fn batch_id(mapping_id: Uuid, positions: &[i64]) -> Uuid {
    let end = |position: Option<&i64>| position.map(ToString::to_string).unwrap_or_default();
    EventId::derived(&["ingest-batch", &mapping_id.to_string(), &end(positions.first()), &end(positions.last())]).0
}

/// A moment as the contract writes it.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn room() -> Room {
        Room {
            organization: "acme".to_owned(),
            mapping_id: Uuid::from_u128(7),
            client_id: "client".to_owned(),
            room_id: "room".to_owned(),
            channel: Channel { id: "O1".to_owned(), name: "#ops".to_owned() },
        }
    }

    fn entry(position: i64, line: &str) -> Entry {
        let message = Message {
            id: format!("{position}_1"),
            revision: 0,
            kind: Kind::Message,
            time: "2024-01-15T14:30:25.000Z".to_owned(),
            line: line.to_owned(),
        };
        Entry { message, position }
    }

    fn body(batch: &Batch) -> Body {
        serde_json::from_str(&batch.body).unwrap()
    }

    #[test]
    fn body_is_that_of_the_contract() {
        let batch =
            cut(&room(), vec![entry(3, "[t] A: \"x\""), entry(5, "[t] B: y")], Limits { lines: 9, bytes: 9999 });
        let id = batch[0].batch_id;
        let expected = format!(
            "{{\"version\":1,\"batch_id\":\"{id}\",\"organization\":\"acme\",\
             \"mapping_id\":\"00000000-0000-0000-0000-000000000007\",\"client_id\":\"client\",\"room_id\":\"room\",\
             \"channel\":{{\"id\":\"O1\",\"name\":\"#ops\"}},\"messages\":[\
             {{\"id\":\"3_1\",\"revision\":0,\"kind\":\"message\",\"time\":\"2024-01-15T14:30:25.000Z\",\"line\":\"[t] A: \\\"x\\\"\"}},\
             {{\"id\":\"5_1\",\"revision\":0,\"kind\":\"message\",\"time\":\"2024-01-15T14:30:25.000Z\",\"line\":\"[t] B: y\"}}],\
             \"text\":\"[t] A: \\\"x\\\"\\n[t] B: y\"}}"
        );
        assert_eq!(batch[0].body, expected);
        assert_eq!(batch[0].positions, [3, 5]);
    }

    #[test]
    fn same_messages_are_the_same_batch_and_halves_are_others() {
        let entries = || (1..=4).map(|number| entry(number, "x")).collect::<Vec<_>>();
        let limits = Limits { lines: 200, bytes: 100_000 };
        let whole = cut(&room(), entries(), limits);
        assert_eq!(whole, cut(&room(), entries(), limits));
        let [left, right] = halves(&whole[0].positions, &whole[0].body).unwrap().unwrap();
        let ids = HashSet::from([whole[0].batch_id, left.batch_id, right.batch_id]);
        assert_eq!(ids.len(), 3);
        let one = cut(&room(), vec![entry(1, "x")], limits);
        assert!(halves(&one[0].positions, &one[0].body).unwrap().is_none());
    }

    /// Splits until no batch is larger than the receiver takes, or has one line.
    fn until_taken(batch: Batch, largest: usize, taken: &mut Vec<Batch>) {
        match halves(&batch.positions, &batch.body).unwrap() {
            Some(halves) if batch.body.len() > largest => {
                halves.into_iter().for_each(|half| until_taken(half, largest, taken))
            }
            _ => taken.push(batch),
        }
    }

    proptest! {
        #[test]
        fn every_message_is_in_exactly_one_final_batch_in_order_and_within_the_limits(
            lines in proptest::collection::vec("[ -~\n\u{fffd}\"\\\\äß漢]{0,60}", 0..60),
            most in 1_usize..20, bytes in 300_usize..3000, taken_bytes in 300_usize..3000,
        ) {
            let entries: Vec<Entry> = (1..).zip(&lines).map(|(at, line)| entry(at * 3, line)).collect();
            let batches = cut(&room(), entries.clone(), Limits { lines: most, bytes });
            for batch in &batches {
                prop_assert!(batch.positions.len() <= most);
                prop_assert!(batch.body.len() <= bytes || batch.positions.len() == 1);
            }
            let mut last = Vec::new();
            batches.into_iter().for_each(|batch| until_taken(batch, taken_bytes, &mut last));
            let ids: HashSet<Uuid> = last.iter().map(|batch| batch.batch_id).collect();
            prop_assert_eq!(ids.len(), last.len());
            let mut found = Vec::new();
            for batch in &last {
                let body = body(batch);
                prop_assert_eq!(body.batch_id, batch.batch_id);
                let joined = body.messages.iter().map(|message| message.line.as_str()).collect::<Vec<_>>().join("\n");
                prop_assert_eq!(&joined, &body.text);
                found.extend(body.messages.into_iter().zip(&batch.positions).map(|(message, at)| Entry { message, position: *at }));
            }
            prop_assert_eq!(found, entries);
        }
    }
}
