//! What people do in Cliq: open and change channels, write, edit and delete messages, start and close threads.

use std::collections::BTreeSet;

use super::{Channel, Chat, Cliq, Content, Message, MessageKey, Sender, Thread};
use crate::clock::{Millis, parse_iso};
use crate::control::Error;
use crate::seed::{CliqChannelSeed, CliqLevel, CliqMessageSeed, CliqStatus, CliqThreadSeed};

impl Cliq {
    /// Opens a channel with its messages and threads, and returns its id.
    pub(crate) fn add_channel(&mut self, seed: &CliqChannelSeed, now: Millis) -> Result<String, Error> {
        let members = self.members(seed)?;
        let creator_id = members.first().cloned().unwrap_or_default();
        let number = self.random.between(1_000_000_000, 9_999_999_999);
        let letter = if seed.level == CliqLevel::Private { 'P' } else { 'O' };
        let channel_id = seed.id.clone().unwrap_or_else(|| format!("{letter}{number}"));
        let chat_id = seed.chat_id.clone().unwrap_or_else(|| format!("CT_{number}_{creator_id}"));
        if self.channel(&channel_id).is_some() || self.chats.contains_key(&chat_id) {
            return Err(Error::Invalid(format!("channel {channel_id:?} or chat {chat_id:?} exists already")));
        }
        let first_ms = seed.messages.first().and_then(|message| message.at.as_deref()).and_then(parse_iso);
        let created_ms = time(seed.created_at.as_deref(), first_ms.map_or(now, |first| first - 1000))?;
        let revision = self.next_revision();
        self.channels.push(Channel {
            channel_id: channel_id.clone(),
            chat_id: chat_id.clone(),
            unique_name: seed.unique_name.clone().unwrap_or_else(|| unique_name(&seed.name)),
            name: seed.name.clone(),
            level: seed.level,
            status: CliqStatus::Created,
            members,
            pinned: seed.pinned,
            creator_id,
            created_ms,
            modified_ms: created_ms,
            revision,
            messages_revision: revision,
        });
        self.chats.insert(chat_id.clone(), Chat::new(chat_id.clone(), channel_id.clone(), None));
        let mut keys = Vec::with_capacity(seed.messages.len());
        for message in &seed.messages {
            keys.push(self.post(&chat_id, message, now)?);
        }
        for thread in &seed.threads {
            let root = keys.get(thread.on_message).copied();
            let root = root.ok_or_else(|| unknown("message", &thread.on_message.to_string()))?;
            self.start_thread(&chat_id, root, thread, now)?;
        }
        self.channel_mut(&channel_id)?.status = seed.status;
        Ok(channel_id)
    }

    fn members(&self, seed: &CliqChannelSeed) -> Result<BTreeSet<String>, Error> {
        let Some(members) = &seed.members else {
            return Ok(self.users.iter().filter(|user| user.active).map(|user| user.id.clone()).collect());
        };
        match members.iter().find(|id| self.user(id).is_none()) {
            Some(id) => Err(unknown("user", id)),
            None => Ok(members.iter().cloned().collect()),
        }
    }

    pub(crate) fn channel_mut(&mut self, id: &str) -> Result<&mut Channel, Error> {
        self.channels.iter_mut().find(|channel| channel.channel_id == id).ok_or_else(|| unknown("channel", id))
    }

    /// Notes that a channel was changed.
    pub(crate) fn touch_channel(&mut self, id: &str, now: Millis) -> Result<(), Error> {
        let revision = self.next_revision();
        let channel = self.channel_mut(id)?;
        channel.revision = revision;
        channel.modified_ms = now;
        Ok(())
    }

    /// Writes a message and returns its key.
    pub(crate) fn post(&mut self, chat_id: &str, seed: &CliqMessageSeed, now: Millis) -> Result<MessageKey, Error> {
        let time_ms = time(seed.at.as_deref(), now)?;
        let sender = self.sender(seed)?;
        let mentions = self.mentions(&seed.mentions)?;
        let chat = self.chats.get(chat_id).ok_or_else(|| unknown("chat", chat_id))?;
        if self.channel_of(chat).is_some_and(|channel| channel.status == CliqStatus::Archived) {
            return Err(Error::Invalid(format!("the channel of chat {chat_id:?} is archived")));
        }
        let content = match &seed.file {
            None => Content::Text { text: seed.text.clone() },
            Some(file) => Content::File {
                id: format!("f{:016x}", self.random.next()),
                name: file.name.clone(),
                media_type: file.media_type.clone(),
                size_bytes: file.size_bytes,
                comment: seed.text.clone(),
            },
        };
        self.next_sequence += self.random.between(1, 40);
        let key = MessageKey { time_ms, sequence: self.next_sequence };
        let message = Message { key, sender, content, mentions, revision: 0, deleted: false, written_ms: now };
        self.chat_mut(chat_id)?.insert(message);
        self.touch_messages(chat_id);
        Ok(key)
    }

    fn sender(&self, seed: &CliqMessageSeed) -> Result<Sender, Error> {
        if let Some(bot) = &seed.bot {
            let id = format!("b-{}", unique_name(bot));
            return Ok(Sender { id, name: bot.clone(), is_bot: true });
        }
        let user = match &seed.sender {
            Some(id) => self.user(id).ok_or_else(|| unknown("user", id))?,
            None => self.users.first().ok_or_else(|| Error::Invalid("there is nobody who could write".to_owned()))?,
        };
        Ok(Sender { id: user.id.clone(), name: user.name(), is_bot: false })
    }

    fn mentions(&self, ids: &[String]) -> Result<Vec<(String, String)>, Error> {
        ids.iter()
            .map(|id| self.user(id).map(|user| (id.clone(), user.name())).ok_or_else(|| unknown("user", id)))
            .collect()
    }

    pub(crate) fn chat_mut(&mut self, chat_id: &str) -> Result<&mut Chat, Error> {
        self.chats.get_mut(chat_id).ok_or_else(|| unknown("chat", chat_id))
    }

    /// A message that is not deleted, by any spelling of its id.
    fn message_mut(&mut self, chat_id: &str, message_id: &str) -> Result<&mut Message, Error> {
        let key = MessageKey::parse_any(message_id);
        let found = key.and_then(|key| self.chats.get_mut(chat_id)?.message_mut(key));
        found.filter(|message| !message.deleted).ok_or_else(|| unknown("message", message_id))
    }

    /// Changes the text of a message, or the comment of a file.
    pub(crate) fn edit(&mut self, chat_id: &str, message_id: &str, text: &str) -> Result<MessageKey, Error> {
        let message = self.message_mut(chat_id, message_id)?;
        text.clone_into(message.content.words_mut());
        message.revision += 1;
        let key = message.key;
        self.touch_messages(chat_id);
        Ok(key)
    }

    /// Deletes a message; it stays in the state and leaves the lists.
    pub(crate) fn delete(&mut self, chat_id: &str, message_id: &str) -> Result<MessageKey, Error> {
        let message = self.message_mut(chat_id, message_id)?;
        message.deleted = true;
        let key = message.key;
        self.touch_messages(chat_id);
        Ok(key)
    }

    /// Starts a thread on a message and returns the id of its chat.
    pub(crate) fn start_thread(
        &mut self,
        parent_chat_id: &str,
        root: MessageKey,
        seed: &CliqThreadSeed,
        now: Millis,
    ) -> Result<String, Error> {
        let parent = self.chats.get(parent_chat_id).ok_or_else(|| unknown("chat", parent_chat_id))?;
        if parent.thread.is_some() || parent.message(root).is_none() {
            return Err(Error::Invalid("a thread hangs on a message of a channel".to_owned()));
        }
        let channel_id = parent.channel_id.clone();
        let number = self.random.between(1_000_000_000_000_000_000, 9_000_000_000_000_000_000);
        let chat_id = format!("{parent_chat_id}-T-{number}");
        let first_ms = seed.messages.first().and_then(|message| message.at.as_deref()).and_then(parse_iso);
        let revision = self.next_revision();
        let thread = Thread {
            parent_chat_id: parent_chat_id.to_owned(),
            root,
            title: seed.title.clone(),
            closed: false,
            created_ms: first_ms.unwrap_or(now),
            revision,
            messages_revision: revision,
        };
        self.chats.insert(chat_id.clone(), Chat::new(chat_id.clone(), channel_id, Some(thread)));
        self.threads.push(chat_id.clone());
        for message in &seed.messages {
            self.post(&chat_id, message, now)?;
        }
        Ok(chat_id)
    }

    /// Closes or reopens a thread.
    pub(crate) fn close_thread(&mut self, chat_id: &str, closed: bool) -> Result<(), Error> {
        let revision = self.next_revision();
        let thread = self.chat_mut(chat_id)?.thread.as_mut().ok_or_else(|| unknown("thread", chat_id))?;
        thread.closed = closed;
        thread.revision = revision;
        Ok(())
    }

    fn touch_messages(&mut self, chat_id: &str) {
        let revision = self.next_revision();
        let Some(chat) = self.chats.get_mut(chat_id) else { return };
        match &mut chat.thread {
            Some(thread) => thread.messages_revision = revision,
            None => {
                let channel_id = chat.channel_id.clone();
                if let Ok(channel) = self.channel_mut(&channel_id) {
                    channel.messages_revision = revision;
                }
            }
        }
    }
}

pub(crate) fn unknown(what: &'static str, name: &str) -> Error {
    Error::Unknown { what, name: name.to_owned() }
}

fn time(text: Option<&str>, default: Millis) -> Result<Millis, Error> {
    match text {
        None => Ok(default),
        Some(text) => parse_iso(text).ok_or_else(|| Error::Invalid(format!("{text:?} is not an RFC 3339 time"))),
    }
}

/// Letters and digits of a name in lower case.
fn unique_name(name: &str) -> String {
    name.chars().filter(|each| each.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
