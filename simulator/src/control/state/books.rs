//! Books in the state document.

use serde::{Deserialize, Serialize};

use crate::books::{Books, Contact, User};
use crate::clock::instant;
use crate::seed::{BooksContactType, BooksUserStatus};

/// Books of one organisation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BooksState {
    /// The id every call must name.
    pub organization_id: String,
    /// Users by id.
    pub users: Vec<BooksUserState>,
    /// Contacts by id; merged and deleted ones are gone.
    pub contacts: Vec<BooksContactState>,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BooksUserState {
    /// Id.
    pub id: String,
    /// Full name.
    pub name: String,
    /// E-mail as it was typed.
    pub email: String,
    /// Role.
    pub role: String,
    /// Where the user stands.
    pub status: BooksUserStatus,
}

/// A contact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BooksContactState {
    /// Id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// E-mail.
    pub email: String,
    /// Customer or vendor.
    pub contact_type: BooksContactType,
    /// Deactivated.
    pub inactive: bool,
    /// Id of the owner; absent for nobody.
    pub owner_id: Option<String>,
    /// Last change, RFC 3339 UTC.
    pub modified_at: String,
    /// Changes that came through the API, whether or not their answers arrived.
    pub api_updates: u32,
}

pub(super) fn books(books: &Books) -> BooksState {
    BooksState {
        organization_id: books.organization_id.clone(),
        users: books.users.values().map(user).collect(),
        contacts: books.contacts.values().map(contact).collect(),
    }
}

fn user(user: &User) -> BooksUserState {
    BooksUserState {
        id: user.id.to_string(),
        name: user.name.clone(),
        email: user.email.clone(),
        role: user.role.clone(),
        status: user.status,
    }
}

fn contact(contact: &Contact) -> BooksContactState {
    BooksContactState {
        id: contact.id.to_string(),
        name: contact.name.clone(),
        email: contact.email.clone(),
        contact_type: contact.contact_type,
        inactive: contact.inactive,
        owner_id: contact.owner_id.map(|id| id.to_string()),
        modified_at: instant(contact.modified_ms).to_rfc3339(),
        api_updates: contact.api_updates,
    }
}
