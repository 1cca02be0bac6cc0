//! Cliq: people, channels, chats with their messages, and what a client may ask of them (zoho.md section 5).

pub(crate) mod bot;
pub(crate) mod channels;
pub(crate) mod chat;
pub(crate) mod dialect;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod messages;
pub(crate) mod page;
mod populate;
pub(crate) mod post;
mod route;
pub(crate) mod search;
mod texts;
pub(crate) mod threads;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Millis;
use crate::context::Context;
use crate::oauth::token_of;
use crate::random::Random;
use crate::seed::{CliqLevel, CliqStatus, OrganizationSeed};

pub(crate) use bot::Bot;
pub(crate) use chat::{Chat, Thread};
pub(crate) use limits::Usage;
pub(crate) use message::{Content, Message, MessageKey, Sender};
pub(crate) use route::{Route, answer};

/// Cliq of one organisation.
#[derive(Debug)]
pub(crate) struct Cliq {
    pub(crate) organization_id: String,
    pub(crate) users: Vec<User>,
    /// In the order of their creation; never removed.
    pub(crate) channels: Vec<Channel>,
    /// Chats of channels and of threads by id.
    pub(crate) chats: BTreeMap<String, Chat>,
    /// Ids of the chats that are threads, in the order of their creation.
    pub(crate) threads: Vec<String>,
    pub(crate) bot: Option<Bot>,
    /// What each person used of the limits.
    pub(crate) usage: HashMap<String, Usage>,
    random: Random,
    next_sequence: u64,
    /// Rises with every change of a channel or a thread.
    revision: u64,
}

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) active: bool,
    pub(crate) clients: Vec<String>,
}

impl User {
    /// First and last name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

/// A channel; its messages are in the chat it names.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) channel_id: String,
    pub(crate) chat_id: String,
    pub(crate) name: String,
    pub(crate) unique_name: String,
    pub(crate) level: CliqLevel,
    pub(crate) status: CliqStatus,
    pub(crate) members: BTreeSet<String>,
    pub(crate) pinned: bool,
    pub(crate) creator_id: String,
    pub(crate) created_ms: Millis,
    /// Last change of the channel itself; messages do not count (the sample in section 5.1).
    pub(crate) modified_ms: Millis,
    /// Revision of the last change of the channel itself.
    pub(crate) revision: u64,
    /// Revision of the last change of its messages.
    pub(crate) messages_revision: u64,
}

impl Cliq {
    /// Builds the state of a seed; problems are added to `problems`.
    pub(crate) fn build(seed: &OrganizationSeed, root: u64, now: Millis, problems: &mut Vec<String>) -> Self {
        let mut random = Random::new(root ^ 0xC1_19);
        let organization_id =
            seed.cliq.organization_id.clone().unwrap_or_else(|| random.between(600_000_000, 699_999_999).to_string());
        let mut cliq = Self {
            organization_id,
            users: seed.cliq.users.iter().map(User::build).collect(),
            channels: Vec::new(),
            chats: BTreeMap::new(),
            threads: Vec::new(),
            bot: None,
            usage: HashMap::new(),
            next_sequence: random.between(40_000_000_000, 40_999_999_999),
            random,
            revision: 0,
        };
        if let Err(problem) = cliq.populate(&seed.cliq, now) {
            problems.push(format!("organization {:?}: cliq: {problem}", seed.name));
        }
        cliq
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(crate) fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.channel_id == id)
    }

    /// The channel a chat belongs to, its threads included.
    pub(crate) fn channel_of(&self, chat: &Chat) -> Option<&Channel> {
        self.channel(&chat.channel_id)
    }

    /// A chat, if the person is a member of its channel.
    pub(crate) fn readable_chat(&self, chat_id: &str, user: &str) -> Option<&Chat> {
        let chat = self.chats.get(chat_id)?;
        self.channel_of(chat).filter(|channel| channel.members.contains(user)).map(|_| chat)
    }

    /// Refuses calls of everybody for so long, as after one call too many.
    pub(crate) fn lock_everybody(&mut self, route: &'static str, seconds: u32, now: Millis) {
        for user in &self.users {
            self.usage.entry(user.id.clone()).or_default().lock(route, seconds, now);
        }
    }

    /// The number of the next change.
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }
}

/// Id of the person a call speaks for: the one who names the client, else the first one.
pub(crate) fn caller_user(context: &Context<'_>) -> String {
    let organization = context.organization();
    let token = token_of(context.call, true).unwrap_or_default();
    let has_token = |grant: &crate::oauth::Grant| grant.access_tokens.iter().any(|live| **live == *token);
    let client = organization.clients.iter().find(|client| client.grants.iter().any(has_token));
    let users = &organization.cliq.users;
    let named = client.and_then(|client| users.iter().find(|user| user.clients.iter().any(|id| **id == *client.id)));
    named.or(users.first()).map(|user| user.id.clone()).unwrap_or_default()
}
