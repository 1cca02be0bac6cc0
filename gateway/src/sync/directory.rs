//! What an account can see of channels and threads, read once for many jobs.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use providers::error::Error;
use providers::zoho::Client;
use providers::zoho::cliq::{Channel, ChannelFilter, PageFrom};

use super::chats::Seen;

/// Threads are looked for this often at most: nothing tells whether a thread has anything new.
const THREADS_EVERY: TimeDelta = TimeDelta::seconds(60);
/// All threads are read again this often: what became visible only now is no change of the thread.
const ALL_THREADS_EVERY: TimeDelta = TimeDelta::minutes(60);

/// The lists of one account.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// By channel id.
    channels: HashMap<String, Listed>,
    channels_at: Option<DateTime<Utc>>,
    /// Chats of threads by the chat they hang on.
    threads: HashMap<String, Vec<String>>,
    threads_at: Option<DateTime<Utc>>,
    all_threads_at: Option<DateTime<Utc>>,
    /// Asks for what changed since the last look.
    threads_since: Option<String>,
}

/// What the list tells of a channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) seen: Seen,
}

impl Directory {
    /// Reads the channels unless they were read at `wanted_at` or later.
    pub(crate) async fn read_channels(
        &mut self,
        client: &Client,
        wanted_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if self.channels_at.is_some_and(|at| at >= wanted_at) {
            return Ok(());
        }
        let read = client.cliq().all_channels(&ChannelFilter::default()).await?;
        self.channels = read.rows.into_iter().map(|channel| (channel.id.clone(), listed(channel))).collect();
        self.channels_at = Some(now);
        Ok(())
    }

    /// Reads what is new of threads unless that was done a moment ago.
    pub(crate) async fn read_threads(&mut self, client: &Client, now: DateTime<Utc>) -> Result<(), Error> {
        if self.threads_at.is_some_and(|at| now - at < THREADS_EVERY) {
            return Ok(());
        }
        let is_old = self.all_threads_at.is_none_or(|at| now - at >= ALL_THREADS_EVERY);
        let since = self.threads_since.clone().filter(|_| !is_old);
        let is_all = since.is_none();
        let mut from = since.map_or(PageFrom::Start, PageFrom::Since);
        loop {
            let page = client.cliq().threads(&from).await?;
            for thread in page.rows {
                let Some(parent) = thread.parent_chat_id else { continue };
                let known = self.threads.entry(parent).or_default();
                if !known.contains(&thread.chat_id) {
                    known.push(thread.chat_id);
                }
            }
            if page.sync_token.is_some() {
                self.threads_since = page.sync_token;
            }
            let Some(next) = page.next else { break };
            from = PageFrom::Next(next);
        }
        self.threads_at = Some(now);
        if is_all {
            self.all_threads_at = Some(now);
        }
        Ok(())
    }

    /// A channel of the last list.
    pub(crate) fn channel(&self, channel_id: &str) -> Option<&Listed> {
        self.channels.get(channel_id)
    }

    /// The threads that hang on a chat.
    pub(crate) fn threads_of(&self, chat_id: &str) -> &[String] {
        self.threads.get(chat_id).map_or(&[], Vec::as_slice)
    }
}

fn listed(channel: Channel) -> Listed {
    let last_ms = channel.last_message.and_then(|last| last.time).map(|time| time.timestamp_millis());
    Listed { name: channel.name, seen: Seen { count: channel.total_message_count, last_ms } }
}
