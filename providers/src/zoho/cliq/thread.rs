//! Threads: chats of their own, whose messages do not show in the chat they hang on.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::cliq::page::{Page, PageFrom, page, text};
use crate::zoho::cliq::{Cliq, MessageId, read};

/// Which scope allows the lists of threads is not documented; these are those of what threads hang on.
const THREADS_SCOPE: &str = "probably ZohoCliq.Channels.READ and ZohoCliq.Chats.READ";
const THREADS: Operation = read("cliq.threads", THREADS_SCOPE, "cliq threads");

/// A thread as it was when we asked. The names of its fields are those of version 3 (`GET /threads/{id}` in the OpenAPI
/// files); the rows of the list of version 2 are not documented and read the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Thread {
    /// The id its messages are read with, such as `CT_…-T-…`.
    pub chat_id: String,
    /// The chat it hangs on.
    pub parent_chat_id: Option<String>,
    /// The message it hangs on.
    pub main_message: Option<MessageId>,
    /// The title.
    pub title: Option<String>,
    /// Every field of the answer.
    pub fields: Map<String, Value>,
}

impl Thread {
    fn from_fields(fields: Map<String, Value>) -> Result<Self, Error> {
        let chat_id = text(&fields, "chat_id").or_else(|| text(&fields, "thread_chat_id"));
        let chat_id = chat_id.ok_or_else(|| Error::unreadable(THREADS.name, "a thread without a chat id"))?;
        Ok(Self {
            parent_chat_id: text(&fields, "parent_chat_id"),
            main_message: text(&fields, "thread_message_id").and_then(|id| id.parse().ok()),
            title: text(&fields, "title"),
            chat_id,
            fields,
        })
    }
}

impl Cliq<'_> {
    /// One page of the threads the person can see.
    ///
    /// That version 2 lists them at `/threads`, with the two tokens, is all that is known of it.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::Denied`] naming the scope; and those of
    /// every call.
    pub async fn threads(&self, from: &PageFrom) -> Result<Page<Thread>, Error> {
        self.threads_at(&["threads"], "", from).await
    }

    /// One page of the threads of one channel, by its channel id.
    ///
    /// Source: one connector that uses it (`thread/list` of phil-fetchski/n8n-nodes-zoho-cliq, read 2026-11-21).
    ///
    /// # Errors
    /// As [`Self::threads`], and [`Error::NotFound`].
    pub async fn channel_threads(&self, channel_id: &str, from: &PageFrom) -> Result<Page<Thread>, Error> {
        let channel = super::segment("channel id", channel_id)?;
        self.threads_at(&["channels", channel, "threads"], channel, from).await
    }

    async fn threads_at(&self, segments: &[&str], subject: &str, from: &PageFrom) -> Result<Page<Thread>, Error> {
        let mut query = vec![("limit", "100")];
        query.extend(from.parameter());
        let answer = self.list(&THREADS, subject, segments, &query).await?;
        page(THREADS.name, &answer, &["data", "threads"], from, Thread::from_fields)
    }
}
