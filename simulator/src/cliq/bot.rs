//! A webhook bot: Cliq posts what happens in its channels, signed over the raw body (zoho.md section 5.7).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Channel, Chat, Cliq, Content, Message, MessageKey};
use crate::clock::Millis;
use crate::control::Error;
use crate::knobs::MessageIdForm;
use crate::notify::Notification;
use crate::rsa_key::RsaKey;
use crate::seed::CliqBotSeed;
use crate::world::World;

/// The header with the signature, base64.
const SIGNATURE: &str = "x-cliq-signature";

/// A bot with the key that signs its events.
#[derive(Debug)]
pub(crate) struct Bot {
    pub(crate) url: String,
    /// Ids of its channels; all when absent.
    pub(crate) channels: Option<Vec<String>>,
    pub(crate) key: Arc<RsaKey>,
}

/// What a bot hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Added,
    Removed,
    MessageSent,
    MessageEdited,
    MessageDeleted,
    AutoFollowedThread,
    ThreadClosed,
    ThreadReopened,
}

impl Operation {
    fn text(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::MessageSent => "message_sent",
            Self::MessageEdited => "message_edited",
            Self::MessageDeleted => "message_deleted",
            Self::AutoFollowedThread => "auto_followed_thread",
            Self::ThreadClosed => "thread_closed",
            Self::ThreadReopened => "thread_reopened",
        }
    }
}

/// Something that happened in a chat.
#[derive(Debug)]
pub(crate) struct Happened<'a> {
    pub(crate) operation: Operation,
    pub(crate) chat_id: &'a str,
    /// The message it is about.
    pub(crate) message: Option<MessageKey>,
}

impl Bot {
    /// A bot with the given key, or with one that is made now, which takes up to seconds.
    pub(crate) fn new(seed: &CliqBotSeed, key: Option<Arc<RsaKey>>) -> Result<Self, Error> {
        if !seed.url.starts_with("http") {
            return Err(Error::Invalid(format!("{:?} is not an address a bot could be called at", seed.url)));
        }
        let made = || RsaKey::generate().map(Arc::new).map_err(|error| Error::Invalid(error.to_string()));
        let key = key.map_or_else(made, Ok)?;
        Ok(Self { url: seed.url.clone(), channels: seed.channels.clone(), key })
    }

    pub(crate) fn is_in(&self, channel_id: &str) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.iter().any(|id| id == channel_id))
    }
}

/// Puts an event into the outbox if the organisation's bot is in the channel; it follows the threads of its channels.
pub(crate) fn raise(world: &mut World, organization: usize, happened: &Happened<'_>, now: Millis) {
    let form = world.knobs.cliq.event_id_form;
    let cliq = &world.organizations[organization].cliq;
    let Some(notification) = notification(cliq, happened, form, now) else { return };
    world.journal.webhooks.raised += 1;
    world.outbox.push(notification);
}

fn notification(cliq: &Cliq, happened: &Happened<'_>, form: MessageIdForm, now: Millis) -> Option<Notification> {
    let bot = cliq.bot.as_ref()?;
    let chat = cliq.chats.get(happened.chat_id)?;
    let channel = cliq.channel_of(chat).filter(|channel| bot.is_in(&channel.channel_id))?;
    let message = happened.message.and_then(|key| chat.message(key));
    let body = body(cliq, chat, channel, message, happened.operation, form, now).to_string();
    let signature = STANDARD.encode(bot.key.sign(body.as_bytes()));
    let headers = vec![("content-type", "application/json".to_owned()), (SIGNATURE, signature)];
    Some(Notification { url: bot.url.clone(), headers, body })
}

fn body(
    cliq: &Cliq,
    chat: &Chat,
    channel: &Channel,
    message: Option<&Message>,
    operation: Operation,
    form: MessageIdForm,
    now: Millis,
) -> Value {
    let time = match operation {
        Operation::MessageSent => message.map_or(now, |message| message.key.time_ms),
        _ => now,
    };
    let mut data = json!({"time": time});
    if let Some(message) = message {
        data["message"] = shown(message, operation, form);
    }
    let sender = message.map_or(channel.creator_id.as_str(), |message| &message.sender.id);
    let title = chat.thread.as_ref().map_or(&channel.name, |thread| &thread.title);
    json!({
        "operation": operation.text(),
        "data": data,
        "user": user(cliq, sender, message),
        "chat": {
            "id": chat.chat_id,
            "type": "channel",
            "chat_type": if chat.thread.is_some() { "thread" } else { "channel" },
            "title": title,
            "channel_unique_name": channel.unique_name,
            "channel_id": channel.channel_id,
            "owner": channel.creator_id,
        },
        "environment": {"data_center": "US"},
        "access": {"organization_id": cliq.organization_id, "chat_id": chat.chat_id},
    })
}

fn shown(message: &Message, operation: Operation, form: MessageIdForm) -> Value {
    let mut shown = json!({"id": message.key.text(form), "type": message.content.kind()});
    if operation == Operation::MessageDeleted {
        return shown;
    }
    match &message.content {
        Content::Text { text } => {
            shown["text"] = text.as_str().into();
            shown["content"] = json!({"text": text});
        }
        Content::File { id, name, media_type, comment, .. } => {
            let url = format!("https://cliq.example.com/files/{id}");
            shown["file"] = json!({"name": name, "type": media_type, "url": url});
            shown["content"] = json!({"comment": comment});
        }
    }
    shown["mentions"] = message.shown_mentions();
    shown
}

fn user(cliq: &Cliq, id: &str, message: Option<&Message>) -> Value {
    match (cliq.user(id), message) {
        (Some(user), _) => json!({
            "id": user.id,
            "zoho_user_id": user.id,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "email": user.email,
            "organization_id": cliq.organization_id,
        }),
        (None, Some(message)) => json!({"id": id, "first_name": message.sender.name, "last_name": ""}),
        (None, None) => json!({"id": id}),
    }
}
