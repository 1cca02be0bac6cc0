//! Zoho Cliq, API version 2 and the search of version 3: channels, messages, threads, users.
//!
//! Facts relied on: limits are those of the person who gave the grant, whatever the account; one call too many closes
//! Cliq for that person for minutes, and the answer may be a 400 that does not say for how long. Messages are read by
//! chat id, not by channel id.
//!
//! The budget of an account guards the person's limits only as far as it is the person's only account here: give
//! accounts that share a person one [`Budget`](crate::budget::Budget), or lower limits.

use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::budget::Lane;
use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::Client;
use crate::zoho::call::{Call, Effect, Operation, Product};

mod channel;
pub(crate) mod dialect;
mod message;
mod message_id;
mod page;
mod search;
mod thread;
mod user;
mod window;

pub use channel::{Channel, ChannelFilter, LastMessage};
pub use message::{Content, File, Message, Sender};
pub use message_id::MessageId;
pub use page::{Page, PageFrom};
pub use search::{Found, Search};
pub use thread::Thread;
pub use user::User;
pub use window::{Messages, Window};

/// Scopes that allow reading messages: the documented one, and the one that a specification in use names instead.
const SCOPE: &str = "ZohoCliq.Messages.READ (or ZohoCliq.OrganizationMessages.READ)";

/// Calls to Zoho Cliq as one account.
#[derive(Debug, Clone, Copy)]
pub struct Cliq<'a> {
    client: &'a Client,
}

impl<'a> Cliq<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// A list of version 2 other than messages.
    async fn list(
        &self,
        operation: &'static Operation,
        subject: &str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let url = http::with_query(self.url("v2", segments), query);
        let lane = self.client.inner.settings.limits.cliq_lists();
        self.client.call(call(operation, subject, lane), self.request(Method::GET, url)).await
    }

    /// A read of messages of version 2, a single one included: no limit of its own is documented for that.
    async fn messages_call(
        &self,
        operation: &'static Operation,
        subject: &str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let mut url = self.url("v2", segments);
        if !query.is_empty() {
            url = http::with_query(url, query);
        }
        let lane = self.client.inner.settings.limits.cliq_messages();
        self.client.call(call(operation, subject, lane), self.request(Method::GET, url)).await
    }

    fn url(&self, version: &str, segments: &[&str]) -> Url {
        http::extend(&http::extend(&self.client.inner.settings.endpoints.cliq, &["api", version]), segments)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).header(ACCEPT, "application/json")
    }
}

fn call<'s>(operation: &'static Operation, subject: &'s str, lane: Lane) -> Call<'s> {
    Call { operation, subject, lanes: vec![lane] }
}

/// A chat id that may go into a path.
fn chat(id: &str) -> Result<&str, Error> {
    segment("chat id", id)
}

/// An id that may go into a path or a list of ids.
fn segment<'s>(what: &'static str, id: &'s str) -> Result<&'s str, Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || !id.bytes().all(is_plain) {
        return Err(Error::refused_input("bad_id", what, "not made of letters, digits, dashes and underscores"));
    }
    Ok(id)
}

const fn read(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::Cliq, effect: Effect::Read, scope_hint, what }
}
