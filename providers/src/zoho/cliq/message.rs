//! One message and what it says.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::cliq::page::text;
use crate::zoho::cliq::{Cliq, MessageId, SCOPE, read};
use crate::zoho::lenient;

const MESSAGE: Operation = read("cliq.message", SCOPE, "cliq message");

/// A message as it was when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The message's id, unique in its chat.
    pub id: MessageId,
    /// When it was posted, by the provider's clock, to the millisecond.
    pub time: DateTime<Utc>,
    /// Who posted it; `None` for what the system posted without naming anybody.
    pub sender: Option<Sender>,
    /// What it says.
    pub content: Content,
    /// Every field of the answer, mentions and whatever else it carries included.
    pub fields: Map<String, Value>,
}

/// Who posted a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The user's or bot's id.
    pub id: Option<String>,
    /// The name as people see it.
    pub name: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Text, with the provider's own markup for mentions and formats, over several lines where there are.
    Text(String),
    /// A file, with what was written under it.
    File {
        /// The file.
        file: File,
        /// The text that came with it.
        comment: Option<String>,
    },
    /// A link. How its content looks is not documented: the text where there is one, and all of it.
    Link {
        /// The text.
        text: Option<String>,
        /// The content as it came.
        content: Value,
    },
    /// A kind that is not known here, or a known one in another shape; kept whole.
    Other {
        /// The provider's word for it; empty where there is none.
        kind: String,
        /// The content as it came.
        content: Value,
    },
}

/// A file in a chat. Its bytes are behind another call, with a scope of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file's id.
    pub id: Option<String>,
    /// The name as people see it; empty where there is none.
    pub name: String,
    /// The media type.
    pub media_type: Option<String>,
    /// The size in bytes.
    pub size_bytes: Option<i64>,
}

impl Message {
    pub(super) fn from_fields(operation: &'static str, fields: Map<String, Value>) -> Result<Self, Error> {
        let id = text(&fields, "id").or_else(|| text(&fields, "message_id"));
        let id: Option<MessageId> = id.and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Error::unreadable(operation, "a message without a usable id"))?;
        let told = id.milliseconds().and_then(DateTime::from_timestamp_millis);
        let time = time_of(fields.get("time")).or(told);
        let time = time.ok_or_else(|| Error::unreadable(operation, "a message without a time"))?;
        let kind = text(&fields, "type").unwrap_or_default();
        let content = Content::read(&kind, fields.get("content").unwrap_or(&Value::Null));
        Ok(Self { id, time, sender: sender(fields.get("sender")), content, fields })
    }
}

impl Content {
    fn read(kind: &str, content: &Value) -> Self {
        let words = content["text"].as_str().or_else(|| content.as_str());
        match (kind, words) {
            ("text", Some(text)) => Self::Text(text.to_owned()),
            ("link", text) => Self::Link { text: text.map(ToOwned::to_owned), content: content.clone() },
            ("file", _) if is_file(content) => Self::file(content),
            _ => Self::Other { kind: kind.to_owned(), content: content.clone() },
        }
    }

    /// Version 2 has an object `file`; version 3 has `file_name`, `file_type` and `file_size` beside each other.
    fn file(content: &Value) -> Self {
        let (file, name, media_type, size) = match &content["file"] {
            Value::Object(file) => (content["file"].clone(), "name", "type", file.get("dimensions")),
            _ => (content.clone(), "file_name", "file_type", None),
        };
        let size = size.map_or(&file["file_size"], |dimensions| &dimensions["size"]);
        let text = |value: &Value| lenient::as_text(value).filter(|text| !text.is_empty());
        let file = File {
            id: text(&file["id"]),
            name: text(&file[name]).unwrap_or_default(),
            media_type: text(&file[media_type]),
            size_bytes: lenient::as_integer(size),
        };
        Self::File { file, comment: text(&content["comment"]) }
    }
}

fn is_file(content: &Value) -> bool {
    content["file"].is_object() || content["file_name"].is_string()
}

/// An object with `id` and `name`, or a bare id.
fn sender(value: Option<&Value>) -> Option<Sender> {
    match value? {
        Value::Object(fields) => Some(Sender { id: text(fields, "id"), name: text(fields, "name") }),
        other => lenient::as_text(other).map(|id| Sender { id: Some(id), name: None }),
    }
}

/// Milliseconds since 1970 as a number or text, or ISO 8601.
pub(super) fn time_of(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let milliseconds = value.and_then(lenient::as_integer).filter(|milliseconds| *milliseconds > 0);
    milliseconds.and_then(DateTime::from_timestamp_millis).or_else(|| lenient::moment(value))
}

impl Cliq<'_> {
    /// One message, or `None` when it does not exist or the person cannot see it.
    ///
    /// Whether the answer is wrapped in `data` is not documented; both are read.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::Denied`] naming the scope; and those of
    /// every call.
    pub async fn message(&self, chat_id: &str, id: &MessageId) -> Result<Option<Message>, Error> {
        let segments = ["chats", super::chat(chat_id)?, "messages", &id.in_path()];
        let answer = match self.messages_call(&MESSAGE, id.as_str(), &segments, &[]).await {
            Ok(answer) if answer.body.is_empty() => return Ok(None),
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut body: Map<String, Value> = answer.json(MESSAGE.name)?;
        let fields = match body.remove("data") {
            Some(Value::Object(fields)) => fields,
            Some(Value::Array(mut rows)) => match rows.pop() {
                Some(Value::Object(fields)) if rows.is_empty() => fields,
                _ => return Ok(None),
            },
            _ => body,
        };
        let message = Message::from_fields(MESSAGE.name, fields)?;
        if message.id != *id {
            return Err(Error::unreadable(MESSAGE.name, "the answer holds another message"));
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(row: Value) -> Message {
        Message::from_fields("cliq.messages", row.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_files_and_links_are_read_and_the_rest_is_kept() {
        let text = message(json!({"id": "1768471500000_1", "time": 1_768_471_500_000_i64, "type": "text",
            "sender": {"name": "Ann", "id": "64396901"}, "content": {"text": "one\ntwo"}}));
        assert_eq!(text.content, Content::Text("one\ntwo".to_owned()));
        assert_eq!(text.sender.unwrap().name.as_deref(), Some("Ann"));
        let file = message(json!({"id": "1768471600000_2", "time": "1768471600000", "type": "file", "content":
            {"file": {"id": "f1", "name": "a.png", "type": "image/png", "dimensions": {"size": "12345"}},
             "comment": "see", "thumbnail": {}}}));
        let expected = File {
            id: Some("f1".to_owned()),
            name: "a.png".to_owned(),
            media_type: Some("image/png".to_owned()),
            size_bytes: Some(12345),
        };
        assert_eq!(file.content, Content::File { file: expected, comment: Some("see".to_owned()) });
        let link = message(json!({"id": "1_3", "type": "link", "content": {"text": "https://a.example", "x": 1}}));
        assert!(matches!(link.content, Content::Link { text: Some(text), .. } if text == "https://a.example"));
        let card = json!({"title": "x"});
        let other = message(json!({"id": "1_4", "type": "card", "content": card}));
        assert_eq!(other.content, Content::Other { kind: "card".to_owned(), content: card });
    }

    #[test]
    fn the_file_of_a_search_is_the_same_file() {
        let found = message(json!({"message_id": "1710920100000", "time": "2025-03-20T10:35:00.000Z", "type": "file",
            "sender": "711633", "content": {"file_name": "p.pdf", "file_type": "application/pdf", "file_size": 204_800}}));
        assert!(matches!(found.content, Content::File { file, comment: None } if file.size_bytes == Some(204_800)));
        assert_eq!(found.time.to_rfc3339(), "2025-03-20T10:35:00+00:00");
        assert_eq!(found.sender.unwrap().id.as_deref(), Some("711633"));
    }

    #[test]
    fn a_text_in_another_shape_is_not_lost() {
        let odd = message(json!({"id": "1_1", "type": "text", "content": {"blocks": []}}));
        assert!(matches!(odd.content, Content::Other { .. }));
        let bare = message(json!({"id": "1_1", "type": "text", "content": "hello"}));
        assert_eq!(bare.content, Content::Text("hello".to_owned()));
    }

    #[test]
    fn a_missing_time_is_taken_from_the_id() {
        let message = message(json!({"id": "1768471500000%201", "type": "text", "content": {"text": "x"}}));
        assert_eq!(message.time.timestamp_millis(), 1_768_471_500_000);
        let fields = json!({"id": "abc"}).as_object().unwrap().clone();
        assert!(Message::from_fields("cliq.messages", fields).is_err());
    }
}
