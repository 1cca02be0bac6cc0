//! A chat: the messages of a channel, or of one thread of it.

use super::{Message, MessageKey};
use crate::clock::Millis;

/// Messages in the order of their keys.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) chat_id: String,
    /// Id of the channel it belongs to.
    pub(crate) channel_id: String,
    messages: Vec<Message>,
    /// What makes it a thread; none for the chat of a channel.
    pub(crate) thread: Option<Thread>,
}

/// Where a thread hangs (zoho.md section 5.2: `CT_…-T-…`, a chat of its own).
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) parent_chat_id: String,
    pub(crate) root: MessageKey,
    pub(crate) title: String,
    pub(crate) closed: bool,
    pub(crate) created_ms: Millis,
    /// Revision of the last change of the thread itself.
    pub(crate) revision: u64,
    /// Revision of the last change of its messages.
    pub(crate) messages_revision: u64,
}

impl Chat {
    pub(crate) fn new(chat_id: String, channel_id: String, thread: Option<Thread>) -> Self {
        Self { chat_id, channel_id, messages: Vec::new(), thread }
    }

    /// Every message, deleted ones included, oldest first.
    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages that are not deleted, oldest first.
    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter().filter(|message| !message.deleted)
    }

    pub(crate) fn insert(&mut self, message: Message) {
        let at = self.messages.partition_point(|other| other.key < message.key);
        self.messages.insert(at, message);
    }

    pub(crate) fn message(&self, key: MessageKey) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&key, |message| message.key).ok()?;
        self.messages.get(at)
    }

    pub(crate) fn message_mut(&mut self, key: MessageKey) -> Option<&mut Message> {
        let at = self.messages.binary_search_by_key(&key, |message| message.key).ok()?;
        self.messages.get_mut(at)
    }
}
