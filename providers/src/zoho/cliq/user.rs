//! The people of an organisation.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::cliq::page::{Page, PageFrom, page, text};
use crate::zoho::cliq::{Cliq, read};

const USERS: Operation = read("cliq.users", "ZohoCliq.Users.READ", "cliq users");

/// A person as they were when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id that messages name as their sender.
    pub id: String,
    /// The name as people see it.
    pub display_name: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Every field of the answer.
    pub fields: Map<String, Value>,
}

impl User {
    fn from_fields(fields: Map<String, Value>) -> Result<Self, Error> {
        let id = text(&fields, "id").or_else(|| text(&fields, "zuid"));
        Ok(Self {
            id: id.ok_or_else(|| Error::unreadable(USERS.name, "a user without an id"))?,
            display_name: text(&fields, "display_name"),
            name: text(&fields, "name"),
            email: text(&fields, "email_id"),
            fields,
        })
    }
}

impl Cliq<'_> {
    /// One page of up to 100 people. [`PageFrom::Since`] is not known to work here.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::Denied`] naming the scope; and those of
    /// every call.
    pub async fn users(&self, from: &PageFrom) -> Result<Page<User>, Error> {
        let mut query = vec![("limit", "100")];
        query.extend(from.parameter());
        let answer = self.list(&USERS, "", &["users"], &query).await?;
        page(USERS.name, &answer, &["data", "users"], from, User::from_fields)
    }
}
