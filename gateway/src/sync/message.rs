//! From messages of the provider to facts in the log: one message is one fact, whoever shows it.

use catalogue::message::{self, Attachment, POSTED, Posted, Sender};
use event_log::NewEvent;
use providers::zoho::cliq::{Content, Message};
use serde_json::Value;

use super::chats::Chat;

/// Name of a sender whom the provider does not name.
const NOBODY: &str = "unknown";

/// The fact that a message is in a chat.
pub(crate) fn posted(account: &str, organization: &str, chat: &Chat, message: &Message) -> NewEvent {
    let (kind, text, attachment) = said(&message.content);
    let sender = message.sender.as_ref();
    let name = sender.and_then(|sender| sender.name.clone().or_else(|| sender.id.clone()));
    let data = Posted {
        chat_id: chat.chat_id.clone(),
        channel_id: chat.channel_id.clone(),
        parent_chat_id: chat.parent_chat_id.clone(),
        message_id: message.id.as_str().to_owned(),
        time_ms: message.time.timestamp_millis(),
        sender: Sender {
            id: sender.and_then(|sender| sender.id.clone()),
            name: name.unwrap_or_else(|| NOBODY.to_owned()),
        },
        kind,
        text,
        attachment,
    };
    NewEvent::new(POSTED, "poll", &data)
        .with_id(message::posted_id(account, &chat.chat_id, message.id.as_str()))
        .of(account, organization)
        .at(Some(message.time))
}

/// Kind, text and attachment.
fn said(content: &Content) -> (String, String, Option<Attachment>) {
    match content {
        Content::Text(text) => ("text".to_owned(), text.clone(), None),
        Content::File { file, comment } => {
            let attachment = Attachment {
                name: file.name.clone(),
                mime_type: file.media_type.clone(),
                bytes: file.size_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            };
            ("file".to_owned(), comment.clone().unwrap_or_default(), Some(attachment))
        }
        Content::Link { text, content } => {
            ("link".to_owned(), text.clone().or_else(|| first_text(content)).unwrap_or_default(), None)
        }
        Content::Other { kind, content } => (kind.clone(), first_text(content).unwrap_or_default(), None),
        _ => (String::new(), String::new(), None),
    }
}

/// What people can read of a content of another shape.
fn first_text(content: &Value) -> Option<String> {
    let found = ["text", "title", "comment", "url"].iter().find_map(|name| content.get(name)?.as_str());
    found.map(str::to_owned)
}
