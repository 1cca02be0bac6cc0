//! One contact, which is a customer or a vendor, and its owner.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::http::answer::Answer;
use crate::zoho::books::list::text;
use crate::zoho::books::{Id, Organization, read, write};
use crate::zoho::call::Operation;
use crate::zoho::lenient;

const CONTACT: Operation = read("books.contact", "ZohoBooks.contacts.READ", "books contact");
const UPDATE_OWNER: Operation = write("books.update_owner", "ZohoBooks.contacts.UPDATE", "books contact");

/// A contact as it was when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// The contact's id.
    pub id: Id,
    /// The display name; empty where there is none.
    pub name: String,
    /// `customer` or `vendor`.
    pub kind: Option<String>,
    /// `active`, `inactive`, or another word of the provider.
    pub status: Option<String>,
    /// The user who looks after the contact. Only customers have one. It may name a user who left.
    pub owner_id: Option<Id>,
    /// That user's name.
    pub owner_name: Option<String>,
    /// The e-mail address of the primary contact person.
    pub email: Option<String>,
    /// When it was made, by the provider's clock, in steps of a second.
    pub created_time: Option<DateTime<Utc>>,
    /// When it was last modified, by the provider's clock, in steps of a second. Changes of a contact person or address
    /// may leave it as it was.
    pub last_modified_time: Option<DateTime<Utc>>,
    /// Every field of the answer, apart from the texts that only repeat a value in the language of the reader
    /// (`*_formatted`). A single contact has more of them than a row of a list.
    pub fields: Map<String, Value>,
}

impl Contact {
    /// Reads a contact that somebody else received, such as the entity that a webhook carries.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it has no usable id.
    pub fn from_entity(fields: Map<String, Value>) -> Result<Self, Error> {
        Self::from_fields("books.webhook", fields)
    }

    pub(super) fn from_fields(operation: &'static str, mut fields: Map<String, Value>) -> Result<Self, Error> {
        fields.retain(|name, _| !name.ends_with("_formatted"));
        let id = Id::of(&fields, "contact_id");
        Ok(Self {
            id: id.ok_or_else(|| Error::unreadable(operation, "a contact without a usable id"))?,
            name: text(&fields, "contact_name").unwrap_or_default(),
            kind: text(&fields, "contact_type"),
            status: text(&fields, "status"),
            owner_id: Id::of(&fields, "owner_id"),
            owner_name: text(&fields, "owner_name"),
            email: text(&fields, "email"),
            created_time: lenient::moment(fields.get("created_time")),
            last_modified_time: lenient::moment(fields.get("last_modified_time")),
            fields,
        })
    }

    /// The contact in the answer to a call for one.
    fn from_answer(operation: &'static str, answer: &Answer) -> Result<Option<Self>, Error> {
        let mut body: Map<String, Value> = answer.json(operation)?;
        match body.remove("contact") {
            Some(Value::Object(fields)) => Self::from_fields(operation, fields).map(Some),
            _ => Ok(None),
        }
    }
}

impl Organization<'_> {
    /// One contact, or `None` when it is gone: deleted, merged into another, or never there (code 1002).
    ///
    /// # Errors
    /// [`Error::Throttled`] for the whole organisation, [`Error::Denied`] naming the scope, and those of every call.
    pub async fn contact(&self, id: &Id) -> Result<Option<Contact>, Error> {
        let answer = match self.get(&CONTACT, id.as_str(), &["contacts", id.as_str()], &[]).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let contact = Contact::from_answer(CONTACT.name, &answer)?;
        match contact.filter(|contact| contact.id == *id) {
            Some(contact) => Ok(Some(contact)),
            None => Err(Error::unreadable(CONTACT.name, "the answer does not hold the contact")),
        }
    }

    /// Makes a user the owner of a customer, and returns the contact where the answer holds it.
    ///
    /// The value is absolute, so sending it twice does what sending it once does. Only `owner_id` is sent.
    ///
    /// What is known of it (contacts.yml of the OpenAPI set of Books v3, read 2026-01): `owner_id` is a field of "Update a
    /// contact" and "for customers only", with the scope `ZohoBooks.contacts.UPDATE`. What is not: the same page says that
    /// contact persons left out of a *given* list are removed, and not what happens where the list itself is left out;
    /// whether an inactive user is taken; whether the answer shows the new owner at once. So read the contact back, and
    /// try it on one contact first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the contact is gone, [`Error::Rejected`] when the owner is refused, [`Error::Throttled`]
    /// for the whole organisation, [`Error::Denied`] naming the scope; [`Error::outcome`] says whether it may have
    /// happened.
    ///
    /// # Cancellation
    /// A dropped update may or may not have happened.
    pub async fn update_owner(&self, contact: &Id, owner: &Id) -> Result<Option<Contact>, Error> {
        let url = self.url(&["contacts", contact.as_str()], &[]);
        let request = self.request(Method::PUT, url).json(&json!({ "owner_id": owner.as_str() }));
        let answer = self.call(&UPDATE_OWNER, contact.as_str(), request).await?;
        Contact::from_answer(UPDATE_OWNER.name, &answer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_colon_and_empty_texts_are_read() {
        let row = json!({"contact_id": "460000000026049", "contact_name": "Bowman", "contact_type": "customer",
            "status": "active", "owner_id": "460000000024003", "owner_name": "", "email": "b@example.com",
            "created_time": "2025-06-05T02:30:08-0700", "last_modified_time": "2026-01-10T11:00:00-07:00",
            "created_time_formatted": "05 Jun 2025"});
        let contact = Contact::from_fields("books.contact", row.as_object().unwrap().clone()).unwrap();
        assert_eq!(contact.created_time.unwrap().to_rfc3339(), "2025-06-05T09:30:08+00:00");
        assert_eq!(contact.last_modified_time.unwrap().to_rfc3339(), "2026-01-10T18:00:00+00:00");
        assert_eq!((contact.owner_id.unwrap().as_str(), contact.owner_name), ("460000000024003", None));
        assert!(!contact.fields.contains_key("created_time_formatted"));
    }

    #[test]
    fn no_owner_is_nothing_in_every_spelling() {
        for owner in [json!(""), json!(null), json!(" ")] {
            let row = json!({"contact_id": 1, "owner_id": owner});
            let contact = Contact::from_fields("books.contact", row.as_object().unwrap().clone()).unwrap();
            assert_eq!(contact.owner_id, None);
        }
    }
}
