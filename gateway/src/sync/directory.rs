//! What an account can see of channels and threads, read once for many jobs.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use providers::error::Error;
use providers::zoho::Client;
use providers::zoho::cliq::{Channel, ChannelFilter, PageFrom};

use super::chats::Seen;

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
    /// Threads that were listed as changed, and when.
    changed: HashMap<String, DateTime<Utc>>,
    threads_at: Option<DateTime<Utc>>,
    all_threads_at: Option<DateTime<Utc>>,
    /// Asks for what changed since the last look.
    threads_since: Option<String>,
    /// From when on the lists, one after the other, have named every thread that changed.
    vouches_from: Option<DateTime<Utc>>,
    /// A list of threads that was cut short.
    unfinished: Option<Unfinished>,
    /// Why the list of threads was refused the last time; absent where it was not.
    refused: Option<String>,
}

/// Where a list of threads goes on.
#[derive(Debug)]
struct Unfinished {
    from: PageFrom,
    /// It is the list of all threads, not only of those that changed.
    is_all: bool,
    began_at: DateTime<Utc>,
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

    /// Reads what is new of threads unless that was done at `wanted_at` or later; gives the reason where the provider
    /// refuses to list them. A list that is cut short goes on where it was.
    pub(crate) async fn read_threads(
        &mut self,
        client: &Client,
        wanted_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, Error> {
        if self.threads_at.is_some_and(|at| at >= wanted_at) {
            return Ok(self.refused.clone());
        }
        let mut list = self.unfinished.take().unwrap_or_else(|| self.begin(now));
        loop {
            let page = match client.cliq().threads(&list.from).await {
                Ok(page) => page,
                Err(error) if error.is_retryable() => {
                    self.unfinished = Some(list);
                    return Err(error);
                }
                Err(error) if error.stops_account() => return Err(error),
                Err(error) => {
                    self.threads_at = Some(now);
                    self.threads_since = None;
                    self.vouches_from = None;
                    self.refused = Some(error.to_string());
                    return Ok(self.refused.clone());
                }
            };
            for thread in page.rows {
                if !list.is_all {
                    self.changed.insert(thread.chat_id.clone(), list.began_at);
                }
                let Some(parent) = thread.parent_chat_id else { continue };
                let known = self.threads.entry(parent).or_default();
                if !known.contains(&thread.chat_id) {
                    known.push(thread.chat_id);
                }
            }
            // A list of all says nothing of what changed, so it does not take the place of one that does.
            if page.sync_token.is_some() && (!list.is_all || self.threads_since.is_none()) {
                self.threads_since = page.sync_token;
                self.vouches_from.get_or_insert(list.began_at);
            }
            if let Some(next) = page.next {
                list.from = PageFrom::Next(next);
            } else if !list.is_all && self.all_threads_at.is_none_or(|at| now - at >= ALL_THREADS_EVERY) {
                list = Unfinished { from: PageFrom::Start, is_all: true, began_at: list.began_at };
            } else {
                break;
            }
        }
        self.threads_at = Some(list.began_at);
        self.refused = None;
        if list.is_all {
            self.all_threads_at = Some(list.began_at);
        }
        Ok(None)
    }

    fn begin(&self, now: DateTime<Utc>) -> Unfinished {
        let since = self.threads_since.clone();
        Unfinished { is_all: since.is_none(), from: since.map_or(PageFrom::Start, PageFrom::Since), began_at: now }
    }

    /// A channel of the last list.
    pub(crate) fn channel(&self, channel_id: &str) -> Option<&Listed> {
        self.channels.get(channel_id)
    }

    /// The threads that hang on a chat.
    pub(crate) fn threads_of(&self, chat_id: &str) -> &[String] {
        self.threads.get(chat_id).map_or(&[], Vec::as_slice)
    }

    /// Whether a thread may have changed after a time: it was listed so, or the lists, which a process reads anew when it
    /// starts, do not reach back that far.
    pub(crate) fn has_changed(&self, chat_id: &str, since: DateTime<Utc>) -> bool {
        let is_before_all_lists = self.vouches_from.is_some_and(|from| since < from);
        is_before_all_lists || self.changed.get(chat_id).is_some_and(|at| *at >= since)
    }
}

fn listed(channel: Channel) -> Listed {
    let last_ms = channel.last_message.and_then(|last| last.time).map(|time| time.timestamp_millis());
    Listed { name: channel.name, seen: Seen { count: channel.total_message_count, last_ms } }
}
