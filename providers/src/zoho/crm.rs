//! Zoho CRM, API version 8: pending records, single records, updates, and watch channels.
//!
//! Facts relied on: answers without rows have status 204 and no body; ids are numbers in strings; times carry the offset
//! of a person's zone; a 2xx of an update says nothing about the single record.

use reqwest::Method;
use reqwest::header::ACCEPT;
use url::Url;

use crate::budget::Lane;
use crate::error::Error;
use crate::http;
use crate::zoho::Client;
use crate::zoho::call::{Call, Effect, Operation, Product};

pub(crate) mod dialect;
mod name;
mod pending;
mod record;
mod update;
mod watch;

pub use name::{ApiName, RecordId};
pub use pending::{Page, PendingQuery};
pub use record::Record;
pub use update::{UpdateOptions, Updated};
pub use watch::{ChannelDetails, Watch, WatchEvent, Watched};

/// Fields that one query or read may name (CRM v8, "Get records" and COQL pages).
const FIELDS_PER_CALL: usize = 50;

/// Calls to Zoho CRM as one account.
#[derive(Debug, Clone, Copy)]
pub struct Crm<'a> {
    client: &'a Client,
}

const CURRENT_USER: Operation = read("crm.current_user", "ZohoCRM.users.READ", "user");

impl<'a> Crm<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Asks who we are: the cheapest call that needs a working token.
    ///
    /// # Errors
    /// [`Error::MissingScope`] when the grant lacks the users scope, and those of every call.
    pub async fn current_user(&self) -> Result<(), Error> {
        let url = http::with_query(self.url(&["users"]), &[("type", "CurrentUser")]);
        self.client.call(self.call(&CURRENT_USER, ""), self.get(url)).await.map(drop)
    }

    fn url(&self, segments: &[&str]) -> Url {
        http::extend(&http::extend(&self.client.inner.settings.endpoints.api, &["crm", "v8"]), segments)
    }

    fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(Method::GET, url)
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url).header(ACCEPT, "application/json")
    }

    fn call<'s>(&self, operation: &'static Operation, subject: &'s str) -> Call<'s> {
        Call { operation, subject, lanes: vec![self.client.inner.settings.limits.crm()] }
    }

    /// A call that shares the smaller allowance of queries.
    fn heavy_call<'s>(&self, operation: &'static Operation, subject: &'s str) -> Call<'s> {
        let limits = &self.client.inner.settings.limits;
        let lanes: Vec<Lane> = vec![limits.crm_heavy(), limits.crm()];
        Call { operation, subject, lanes }
    }
}

const fn read(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::Crm, effect: Effect::Read, scope_hint, what }
}

const fn write(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::Crm, effect: Effect::Write, scope_hint, what }
}
