//! Facts: what was said in a chat, changed and taken back.

use event_log::{EventId, EventType, StreamName};
use serde::{Deserialize, Serialize};

/// A message is in the chat.
pub const POSTED: EventType = EventType::new("message.posted");
/// Its author changed it.
pub const EDITED: EventType = EventType::new("message.edited");
/// It is not in the chat any more.
pub const DELETED: EventType = EventType::new("message.deleted");

/// The stream of one chat; a thread is a chat of its own.
#[must_use]
pub fn stream(account: &str, chat_id: &str) -> StreamName {
    StreamName::new("chat", format_args!("{account}-{chat_id}"))
}

/// The event id of a message however often and by whichever way it is seen.
#[must_use]
pub fn posted_id(account: &str, chat_id: &str, message_id: &str) -> EventId {
    EventId::derived(&["zoho-cliq", account, "message", chat_id, message_id])
}

/// The event id of a change: the provider gives changes no number, so the time it gives them tells them apart.
#[must_use]
pub fn changed_id(account: &str, chat_id: &str, message_id: &str, operation: &str, time_ms: i64) -> EventId {
    EventId::derived(&["zoho-cliq", account, "message", chat_id, message_id, operation, &time_ms.to_string()])
}

/// Who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The provider's id; absent where it gives none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Name as shown.
    pub name: String,
}

/// Something that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name.
    pub name: String,
    /// MIME type, where it is given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mime_type: Option<String>,
    /// Length, where it is given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
}

/// Data of [`POSTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The chat.
    pub chat_id: String,
    /// The channel it belongs to: that of the parent for a thread.
    pub channel_id: String,
    /// The chat that the thread hangs on; absent in the channel's own chat.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_chat_id: Option<String>,
    /// The message, in its normalised spelling.
    pub message_id: String,
    /// The provider's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Who wrote it.
    pub sender: Sender,
    /// The provider's word for what it is: `text`, `file`, `link`, ….
    pub kind: String,
    /// The text, or the comment on an attachment; may have several lines.
    pub text: String,
    /// What came with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attachment: Option<Attachment>,
}

/// Data of [`EDITED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The chat.
    pub chat_id: String,
    /// The channel.
    pub channel_id: String,
    /// The message.
    pub message_id: String,
    /// When it was changed, by the provider's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Who changed it.
    pub sender: Sender,
    /// The text from now on.
    pub text: String,
}

/// Data of [`DELETED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The chat.
    pub chat_id: String,
    /// The channel.
    pub channel_id: String,
    /// The message.
    pub message_id: String,
    /// When, by the provider's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Who took it back.
    pub sender: Sender,
}
