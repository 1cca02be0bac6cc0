//! Cliq in the state: everything that was ever written, to compare with what a receiver got.

use serde::{Deserialize, Serialize};

use crate::cliq::{Channel, Chat, Cliq, Message};
use crate::clock::{Millis, instant};
use crate::knobs::MessageIdForm;
use crate::seed::{CliqLevel, CliqStatus};

/// Cliq of one organisation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CliqState {
    /// Id of the organisation in Cliq.
    pub organization_id: String,
    /// People.
    pub users: Vec<CliqUserState>,
    /// Channels in the order of their creation.
    pub channels: Vec<CliqChannelState>,
    /// Public key (SPKI in PEM) of the webhook bot; absent without one.
    pub bot_public_pem: Option<String>,
}

impl CliqState {
    /// Every chat, threads included: its id and its messages by time.
    pub fn chats(&self) -> impl Iterator<Item = (&str, &[CliqMessageState])> {
        self.channels.iter().flat_map(|channel| {
            let threads = channel.threads.iter().map(|thread| (thread.chat_id.as_str(), thread.messages.as_slice()));
            std::iter::once((channel.chat_id.as_str(), channel.messages.as_slice())).chain(threads)
        })
    }

    /// A channel by its name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&CliqChannelState> {
        self.channels.iter().find(|channel| channel.name == name)
    }
}

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliqUserState {
    /// Id.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// Mail address.
    pub email: String,
    /// End of the lock this person's calls are refused until, RFC 3339 UTC; absent without one.
    pub locked_until: Option<String>,
}

/// A channel with its chat and its threads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliqChannelState {
    /// Id of the channel.
    pub channel_id: String,
    /// Id of its chat.
    pub chat_id: String,
    /// Name.
    pub name: String,
    /// Unique name.
    pub unique_name: String,
    /// Who it is for.
    pub level: CliqLevel,
    /// Its state.
    pub status: CliqStatus,
    /// Ids of its members.
    pub members: Vec<String>,
    /// Messages of the chat by time, deleted ones included.
    pub messages: Vec<CliqMessageState>,
    /// Threads.
    pub threads: Vec<CliqThreadState>,
}

/// A thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CliqThreadState {
    /// Id of its chat.
    pub chat_id: String,
    /// Id of the message it hangs on, spelled with an underscore.
    pub on_message: String,
    /// Title.
    pub title: String,
    /// Closed.
    pub closed: bool,
    /// When it was started, RFC 3339 UTC.
    pub created_at: String,
    /// Its messages by time, deleted ones included.
    pub messages: Vec<CliqMessageState>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CliqMessageState {
    /// Id, spelled with an underscore.
    pub id: String,
    /// When it was written, milliseconds since 1970.
    pub time_ms: i64,
    /// Id of who wrote.
    pub sender_id: String,
    /// Name of who wrote.
    pub sender_name: String,
    /// Written by a bot.
    pub by_bot: bool,
    /// The text, or the comment of a file, after the last edit.
    pub text: String,
    /// Name of the file it brings.
    pub file_name: Option<String>,
    /// Ids of the people mentioned.
    pub mentions: Vec<String>,
    /// Number of edits.
    pub revision: u32,
    /// Deleted.
    pub deleted: bool,
}

pub(super) fn cliq(cliq: &Cliq, now: Millis) -> CliqState {
    let user = |user: &crate::cliq::User| CliqUserState {
        id: user.id.clone(),
        name: user.name(),
        email: user.email.clone(),
        locked_until: cliq
            .usage
            .get(&user.id)
            .and_then(|usage| usage.locked_until(now))
            .map(|at| instant(at).to_rfc3339()),
    };
    CliqState {
        organization_id: cliq.organization_id.clone(),
        users: cliq.users.iter().map(user).collect(),
        channels: cliq.channels.iter().map(|each| channel(cliq, each)).collect(),
        bot_public_pem: cliq.bot.as_ref().map(|bot| bot.key.public_pem().to_owned()),
    }
}

fn channel(cliq: &Cliq, channel: &Channel) -> CliqChannelState {
    let chats = cliq.threads.iter().filter_map(|chat_id| cliq.chats.get(chat_id));
    let threads = chats.filter(|chat| chat.channel_id == channel.channel_id).filter_map(thread);
    CliqChannelState {
        channel_id: channel.channel_id.clone(),
        chat_id: channel.chat_id.clone(),
        name: channel.name.clone(),
        unique_name: channel.unique_name.clone(),
        level: channel.level,
        status: channel.status,
        members: channel.members.iter().cloned().collect(),
        messages: cliq.chats.get(&channel.chat_id).map(messages).unwrap_or_default(),
        threads: threads.collect(),
    }
}

fn thread(chat: &Chat) -> Option<CliqThreadState> {
    let thread = chat.thread.as_ref()?;
    Some(CliqThreadState {
        chat_id: chat.chat_id.clone(),
        on_message: thread.root.text(MessageIdForm::Underscore),
        title: thread.title.clone(),
        closed: thread.closed,
        created_at: instant(thread.created_ms).to_rfc3339(),
        messages: messages(chat),
    })
}

fn messages(chat: &Chat) -> Vec<CliqMessageState> {
    chat.messages().iter().map(message).collect()
}

fn message(message: &Message) -> CliqMessageState {
    CliqMessageState {
        id: message.key.text(MessageIdForm::Underscore),
        time_ms: message.key.time_ms,
        sender_id: message.sender.id.clone(),
        sender_name: message.sender.name.clone(),
        by_bot: message.sender.is_bot,
        text: message.content.words().to_owned(),
        file_name: message.content.file_name().map(str::to_owned),
        mentions: message.mentions.iter().map(|(id, _)| id.clone()).collect(),
        revision: message.revision,
        deleted: message.deleted,
    }
}
