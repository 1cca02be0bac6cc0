//! Zoho WorkDrive, API version 1: finding, listing, moving bytes.
//!
//! Facts relied on: 401 has four meanings and only one of them is an old token; numbers come as numbers or as strings; one
//! folder may be listed 19 times in a minute; a name that is taken is changed by the provider unless we say override, so
//! the name in an answer is the truth and not the one that was sent.

use reqwest::Method;
use reqwest::header::ACCEPT;
use url::Url;

use crate::error::Error;
use crate::http;
use crate::zoho::Client;
use crate::zoho::call::{Call, Effect, Operation, Product};

pub(crate) mod dialect;
mod download;
mod folder;
mod item;
mod listing;
mod name;
mod search;
mod team;
mod upload;

pub use download::Download;
pub use item::Item;
pub use listing::{ItemFilter, ListCursor, ListPage};
pub use name::{names_match, nfc_eq};
pub use team::{Team, User};
pub use upload::{Upload, Uploaded};

/// What WorkDrive speaks, and what it wants to be asked for.
const JSON_API: &str = "application/vnd.api+json";

/// Calls to Zoho WorkDrive as one account.
#[derive(Debug, Clone, Copy)]
pub struct WorkDrive<'a> {
    client: &'a Client,
}

impl<'a> WorkDrive<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    fn url(&self, segments: &[&str]) -> Url {
        http::extend(&http::extend(&self.client.inner.settings.endpoints.workdrive, &["api", "v1"]), segments)
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url).header(ACCEPT, JSON_API)
    }

    fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(Method::GET, url)
    }

    fn call<'s>(&self, operation: &'static Operation, subject: &'s str) -> Call<'s> {
        Call { operation, subject, lanes: vec![self.client.inner.settings.limits.workdrive_metadata()] }
    }

    /// Refuses an empty id, which would turn the path into that of a collection.
    fn check_id(what: &'static str, id: &str) -> Result<(), Error> {
        if id.is_empty() || id == "." || id == ".." {
            return Err(Error::refused_input("bad_id", what, "an id is needed"));
        }
        Ok(())
    }
}

const fn read(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::WorkDrive, effect: Effect::Read, scope_hint, what }
}

const fn write(name: &'static str, scope_hint: &'static str, what: &'static str) -> Operation {
    Operation { name, product: Product::WorkDrive, effect: Effect::Write, scope_hint, what }
}
