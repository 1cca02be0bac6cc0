//! Zoho Books, API version 3: organisations, users, contacts and their owners.
//!
//! Facts relied on: success is a 2xx *and* `code` 0; nothing is `""`; times carry their offset without a colon; a list
//! hides inactive rows unless asked for `Status.All`. A burst may block the whole organisation for an hour, other
//! programs included, so calls are paced below what is documented.

use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value};
use url::Url;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::Client;
use crate::zoho::call::{Call, Effect, Operation, Product};

mod contact;
mod contacts;
pub(crate) mod dialect;
mod id;
mod list;
mod user;

pub use contact::Contact;
pub use contacts::Contacts;
pub use id::Id;
pub use user::{User, UserStatus};

const ORGANIZATIONS: Operation = read("books.organizations", "ZohoBooks.settings.READ", "books organizations");

/// Calls to Zoho Books as one account.
#[derive(Debug, Clone, Copy)]
pub struct Books<'a> {
    client: &'a Client,
}

/// An organisation the person who gave the grant belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct OrganizationDetails {
    /// The id that every other call needs.
    pub id: Id,
    /// The name; empty where there is none.
    pub name: String,
    /// Every field of the answer.
    pub fields: Map<String, Value>,
}

/// Calls about one organisation of Books.
#[derive(Debug, Clone)]
pub struct Organization<'a> {
    client: &'a Client,
    id: Id,
}

impl<'a> Books<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// The organisations of the person who gave the grant: the cheapest call that needs a working token.
    ///
    /// # Errors
    /// [`Error::Denied`] naming the scope, [`Error::Throttled`], and those of every call.
    pub async fn organizations(&self) -> Result<Vec<OrganizationDetails>, Error> {
        let url = http::extend(&base(self.client), &["organizations"]);
        let request = request(self.client, Method::GET, url);
        let answer = self.client.call(call(self.client, &ORGANIZATIONS, ""), request).await?;
        let rows = list::rows(ORGANIZATIONS.name, &answer, "organizations")?.rows.into_iter();
        rows.map(|fields| {
            let id = Id::of(&fields, "organization_id");
            Ok(OrganizationDetails {
                id: id.ok_or_else(|| Error::unreadable(ORGANIZATIONS.name, "an organization without a usable id"))?,
                name: list::text(&fields, "name").unwrap_or_default(),
                fields,
            })
        })
        .collect()
    }

    /// Calls about one organisation.
    #[must_use]
    pub fn organization(&self, id: Id) -> Organization<'a> {
        Organization { client: self.client, id }
    }
}

impl Organization<'_> {
    /// Which organisation.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.id
    }

    async fn get(
        &self,
        operation: &'static Operation,
        subject: &str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        self.call(operation, subject, self.request(Method::GET, self.url(segments, query))).await
    }

    async fn call(
        &self,
        operation: &'static Operation,
        subject: &str,
        request: RequestBuilder,
    ) -> Result<Answer, Error> {
        self.client.call(call(self.client, operation, subject), request).await
    }

    /// The organisation goes into the query of every call.
    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut pairs = vec![("organization_id", self.id.as_str())];
        pairs.extend_from_slice(query);
        http::with_query(http::extend(&base(self.client), segments), &pairs)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        request(self.client, method, url)
    }
}

fn base(client: &Client) -> Url {
    http::extend(&client.inner.settings.endpoints.api, &["books", "v3"])
}

fn request(client: &Client, method: Method, url: Url) -> RequestBuilder {
    client.request(method, url).header(ACCEPT, "application/json")
}

fn call<'s>(client: &Client, operation: &'static Operation, subject: &'s str) -> Call<'s> {
    Call { operation, subject, lanes: vec![client.inner.settings.limits.books()] }
}

const fn read(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::Books, effect: Effect::Read, scope_hint, what }
}

const fn write(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::Books, effect: Effect::Write, scope_hint, what }
}
