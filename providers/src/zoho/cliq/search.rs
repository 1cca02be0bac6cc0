//! Messages of several chats at once, found by the provider's index (version 3).
//!
//! Three times the rate of the message list, five chats a call, and a cursor. How far the index lags behind is not known,
//! and its message ids were seen without their second part: what is found here is a hint and no proof that the rest is
//! not there.

use chrono::{DateTime, Utc};
use reqwest::Method;

use crate::error::Error;
use crate::http;
use crate::zoho::call::Operation;
use crate::zoho::cliq::page::{Page, PageFrom, page, text};
use crate::zoho::cliq::{Cliq, Message, MessageId, SCOPE, read};

const SEARCH: Operation = read("cliq.search", SCOPE, "cliq messages");

/// Most chats of one search (`/messages/search` in the OpenAPI files of version 3).
const MOST_CHATS: usize = 5;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// The chats, at most 5; none means all.
    pub chat_ids: Vec<String>,
    /// Posted at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Posted before or at this time; must be later than [`Self::from`].
    pub to: Option<DateTime<Utc>>,
    /// Messages of bots as well.
    pub with_bots: bool,
}

/// A message that was found, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The message.
    pub message: Message,
    /// The chat it was posted in.
    pub chat_id: String,
    /// Where that chat is a thread, the chat it hangs on.
    pub parent_chat_id: Option<String>,
    /// Where that chat is a thread, the message it hangs on.
    pub thread_message: Option<MessageId>,
}

impl Cliq<'_> {
    /// One page of up to 50 messages. [`PageFrom::Since`] is refused: a search has no such token.
    ///
    /// # Errors
    /// [`Error::Rejected`] for more than 5 chats or times in the wrong order; [`Error::Throttled`] for the person, with
    /// all their Cliq calls; [`Error::Denied`] naming the scope; and those of every call.
    pub async fn search(&self, search: &Search, from: &PageFrom) -> Result<Page<Found>, Error> {
        check(search, from)?;
        let milliseconds = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp_millis().to_string());
        let (chats, earliest, latest) = (search.chat_ids.join(","), milliseconds(search.from), milliseconds(search.to));
        let mut query =
            vec![("limit", "50"), ("include_bot_messages", if search.with_bots { "true" } else { "false" })];
        query.extend((!chats.is_empty()).then_some(("chat_ids", chats.as_str())));
        query.extend(earliest.as_deref().map(|time| ("from_time", time)));
        query.extend(latest.as_deref().map(|time| ("to_time", time)));
        query.extend(from.parameter());
        let url = http::with_query(self.url("v3", &["messages", "search"]), &query);
        let lane = self.client.inner.settings.limits.cliq_search();
        let answer = self.client.call(super::call(&SEARCH, &chats, lane), self.request(Method::GET, url)).await?;
        page(SEARCH.name, &answer, &["messages"], from, |fields| {
            let chat_id = text(&fields, "chat_id");
            Ok(Found {
                chat_id: chat_id.ok_or_else(|| Error::unreadable(SEARCH.name, "a message without its chat"))?,
                parent_chat_id: text(&fields, "parent_chat_id"),
                thread_message: text(&fields, "thread_message_id").and_then(|id| id.parse().ok()),
                message: Message::from_fields(SEARCH.name, fields)?,
            })
        })
    }
}

fn check(search: &Search, from: &PageFrom) -> Result<(), Error> {
    if search.chat_ids.len() > MOST_CHATS {
        return Err(Error::refused_input("too_many_chats", "chat_ids", "at most 5 chats in one search"));
    }
    for chat in &search.chat_ids {
        super::segment("chat id", chat)?;
    }
    if search.from.zip(search.to).is_some_and(|(from, to)| from >= to) {
        return Err(Error::refused_input("bad_time", "to", "must be later than the beginning"));
    }
    if matches!(from, PageFrom::Since(_)) {
        return Err(Error::refused_input("no_sync_token", "from", "a search gives no token for what changed since"));
    }
    Ok(())
}
