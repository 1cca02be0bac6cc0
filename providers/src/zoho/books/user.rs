//! The users of an organisation.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::books::list::{self, text};
use crate::zoho::books::{Id, Organization, read};
use crate::zoho::call::Operation;
use crate::zoho::lenient;

const USERS: Operation = read("books.users", "ZohoBooks.settings.READ", "books users");

/// A user as it was when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The user's id, which contacts name as their owner.
    pub id: Id,
    /// The display name; empty where there is none.
    pub name: String,
    /// The e-mail address as it is written at Zoho.
    pub email: Option<String>,
    /// The name of the role, such as `admin` or `staff`, or that of a custom role.
    pub role: Option<String>,
    /// The id of the role.
    pub role_id: Option<Id>,
    /// Whether the user may work.
    pub status: UserStatus,
    /// Whether it is the person who gave the grant.
    pub is_current_user: bool,
    /// Every field of the answer.
    pub fields: Map<String, Value>,
}

/// The state of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserStatus {
    /// May work.
    Active,
    /// Was switched off. Stays the owner of its contacts.
    Inactive,
    /// Was invited and has not come yet.
    Invited,
    /// Was deleted. Stays the owner of its contacts.
    Deleted,
    /// A word that was not known when this was written, or none.
    Other(String),
}

impl UserStatus {
    fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            "invited" => Self::Invited,
            "deleted" => Self::Deleted,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The word of the provider, in lower case where it is a known one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Invited => "invited",
            Self::Deleted => "deleted",
            Self::Other(text) => text,
        }
    }
}

impl User {
    fn from_fields(fields: Map<String, Value>) -> Result<Self, Error> {
        let id = Id::of(&fields, "user_id");
        Ok(Self {
            id: id.ok_or_else(|| Error::unreadable(USERS.name, "a user without a usable id"))?,
            name: text(&fields, "name").unwrap_or_default(),
            email: text(&fields, "email"),
            role: text(&fields, "user_role"),
            role_id: Id::of(&fields, "role_id"),
            status: UserStatus::parse(&text(&fields, "status").unwrap_or_default()),
            is_current_user: fields.get("is_current_user").and_then(lenient::as_boolean).unwrap_or(false),
            fields,
        })
    }
}

impl Organization<'_> {
    /// Every user in every state, all pages: one call for each 200 users.
    ///
    /// A user who is deleted while we read may shift another one over the edge of a page, so someone who is missing once
    /// is not gone yet.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the whole organisation, [`Error::Denied`] naming the scope, and those of every call.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        let (mut users, mut seen) = (Vec::new(), HashSet::new());
        for page in 1_u32.. {
            let number = page.to_string();
            let query = [("filter_by", "Status.All"), ("sort_column", "email"), ("page", &number), ("per_page", "200")];
            let answer = self.get(&USERS, self.id().as_str(), &["users"], &query).await?;
            let rows = list::rows(USERS.name, &answer, "users")?;
            let known = seen.len();
            for fields in rows.rows {
                let user = User::from_fields(fields)?;
                if seen.insert(user.id.clone()) {
                    users.push(user);
                }
            }
            if !rows.more {
                break;
            }
            if seen.len() == known {
                return Err(Error::unreadable(USERS.name, "a page holds nothing new and yet there are more"));
            }
        }
        Ok(users)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_read_whatever_its_numbers_and_states_look_like() {
        let row = json!({"user_id": 460_000_000_024_003_i64, "role_id": "4600", "name": "Ann", "email": "", "status": "Active",
            "user_role": "admin", "is_current_user": "true"});
        let user = User::from_fields(row.as_object().unwrap().clone()).unwrap();
        assert_eq!((user.id.as_str(), user.email, user.status), ("460000000024003", None, UserStatus::Active));
        assert!(user.is_current_user);
        let row = json!({"user_id": "1", "status": "on_leave"});
        let user = User::from_fields(row.as_object().unwrap().clone()).unwrap();
        assert_eq!(user.status.as_str(), "on_leave");
        assert!(User::from_fields(Map::new()).is_err());
    }
}
