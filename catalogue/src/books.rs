//! Facts: the users and contacts of an organisation of Books, as its people change them; and what we changed there.

use chrono::{DateTime, SecondsFormat, Utc};
use event_log::{EventId, EventType, StreamName, StreamVersion};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user has this state.
pub const USER_CHANGED: EventType = EventType::new("books_user.changed");
/// A user was deleted there, or is not in the list any more.
pub const USER_GONE: EventType = EventType::new("books_user.gone");
/// All users were read: evidence of who was there.
pub const USERS_LISTED: EventType = EventType::new("books_users.listed");
/// A contact has this state since its modification time.
pub const CONTACT_CHANGED: EventType = EventType::new("books_contact.changed");
/// A contact is gone: deleted, or merged into another.
pub const CONTACT_GONE: EventType = EventType::new("books_contact.gone");

/// A contact has the owner that the ERP wants.
pub const CONTACT_ASSIGNED: EventType = EventType::new("contact.assigned");
/// A contact does not get the owner that the ERP wanted, and need not.
pub const CONTACT_ASSIGN_DROPPED: EventType = EventType::new("contact.assign_dropped");
/// A contact could not get the owner that the ERP wants.
pub const CONTACT_ASSIGN_FAILED: EventType = EventType::new("contact.assign_failed");

/// The stream of one user.
#[must_use]
pub fn user_stream(account: &str, user_id: &str) -> StreamName {
    StreamName::new("books_user", format_args!("{account}-{user_id}"))
}

/// The stream of one contact.
#[must_use]
pub fn contact_stream(account: &str, contact_id: &str) -> StreamName {
    StreamName::new("books_contact", format_args!("{account}-{contact_id}"))
}

/// The stream of what became of the owners that the ERP wants for one contact. One of its own: decisions and facts are
/// appended to theirs on the version that they were made on.
#[must_use]
pub fn owner_stream(account: &str, contact_id: &str) -> StreamName {
    StreamName::new("contact_owner", format_args!("{account}-{contact_id}"))
}

/// The stream of the lists of users that were read.
#[must_use]
pub fn users_stream(account: &str) -> StreamName {
    StreamName::new("books_users", account)
}

/// Data of [`USER_CHANGED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChanged {
    /// The user.
    pub user_id: String,
    /// The display name; may be empty.
    pub name: String,
    /// The address as it is written there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// The name of the role there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<String>,
    /// The provider's word: `active`, `inactive`, `invited`, `deleted`, or one we do not know.
    pub status: String,
}

impl UserChanged {
    /// The id of the change that leads to this state. Users have no time of modification, so it is told by what it says and
    /// by the version of the stream that it replaces: a state that comes again is another change.
    #[must_use]
    pub fn change_id(&self, account: &str, replaced: StreamVersion) -> EventId {
        let version = replaced.0.to_string();
        EventId::derived(&[USER_CHANGED.as_str(), account, &self.user_id, &content(self), &version])
    }
}

/// Data of [`USER_GONE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserGone {
    /// The user.
    pub user_id: String,
    /// `deleted` where the provider says so, `missing` where it does not list the user any more.
    pub reason: String,
}

/// Data of [`USERS_LISTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersListed {
    /// Everybody in the list, in its order.
    pub user_ids: Vec<String>,
}

/// Data of [`CONTACT_CHANGED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactChanged {
    /// The contact.
    pub contact_id: String,
    /// The display name; may be empty.
    pub name: String,
    /// `customer` or `vendor`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    /// `active`, `inactive`, or another word of the provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
    /// The user who looks after it, who may have left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_id: Option<String>,
    /// That user's name as it was shown with the contact.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_name: Option<String>,
    /// The address of the primary contact person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// The provider's clock, in steps of a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified_time: Option<DateTime<Utc>>,
}

impl ContactChanged {
    /// Whether both tell the same state. The owner's name is the owner's business and may differ.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.told() == other.told()
    }

    /// The id of the change that leads to this state: the same from every webhook and every list. Times have steps of a
    /// second and some edits leave them as they were, so a change that replaces a state of the same time is told by the
    /// version of the stream that it replaces as well.
    #[must_use]
    pub fn change_id(&self, account: &str, replaced: Option<StreamVersion>) -> EventId {
        let time = self.last_modified_time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
        let version = replaced.map(|version| version.0.to_string()).unwrap_or_default();
        let told = content(&self.told());
        let time = time.unwrap_or_default();
        EventId::derived(&[CONTACT_CHANGED.as_str(), account, &self.contact_id, &time, &told, &version])
    }

    fn told(&self) -> Self {
        ContactChanged { owner_name: None, ..self.clone() }
    }
}

/// Data of [`CONTACT_GONE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactGone {
    /// The contact.
    pub contact_id: String,
}

/// Data of [`CONTACT_ASSIGNED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactAssigned {
    /// The contact.
    pub contact_id: String,
    /// The account in the ERP that has it.
    pub salesperson_id: Uuid,
    /// The user of Books that owns it.
    pub owner_id: String,
    /// How it came to that.
    pub how: AssignedHow,
    /// Who owned it when it was written; absent where nothing was written now, or where nobody did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced_owner_id: Option<String>,
}

/// How a contact came to have the wanted owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignedHow {
    /// We wrote it.
    Written,
    /// An attempt whose answer was lost had written it, as reading the contact back showed.
    Settled,
    /// Books had it already.
    Found,
}

/// Data of [`CONTACT_ASSIGN_DROPPED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactAssignDropped {
    /// The contact.
    pub contact_id: String,
    /// The account in the ERP that was to have it.
    pub salesperson_id: Uuid,
    /// The user of Books that was to own it.
    pub owner_id: String,
    /// Why not.
    pub reason: DropReason,
    /// Who owns it in Books, where that was looked at; absent as well where nobody does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub books_owner_id: Option<String>,
}

/// Why a contact does not get an owner that the ERP wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Somebody gave it to another owner in Books meanwhile: a person decides.
    OwnerChanged,
    /// A later decision is about the same contact.
    Overtaken,
    /// A person decided that the owner in Books stays.
    Withdrawn,
}

impl DropReason {
    /// The word for it in events and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::OwnerChanged => "owner_changed",
            DropReason::Overtaken => "overtaken",
            DropReason::Withdrawn => "withdrawn",
        }
    }
}

/// Data of [`CONTACT_ASSIGN_FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactAssignFailed {
    /// The contact.
    pub contact_id: String,
    /// The account in the ERP that was to have it.
    pub salesperson_id: Uuid,
    /// The user of Books that was to own it.
    pub owner_id: String,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}

fn content(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("event data serialises to JSON")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contact(owner_name: &str) -> ContactChanged {
        ContactChanged {
            contact_id: "7".to_owned(),
            name: "Bowman".to_owned(),
            kind: None,
            status: None,
            owner_id: Some("3".to_owned()),
            owner_name: Some(owner_name.to_owned()),
            email: None,
            last_modified_time: Some("2026-01-10T18:00:00Z".parse().unwrap()),
        }
    }

    #[test]
    fn an_owner_with_a_new_name_is_no_change_of_the_contact() {
        assert!(contact("Ann").is_same_as(&contact("Anna")));
        assert_eq!(contact("Ann").change_id("a", None), contact("Anna").change_id("a", None));
        assert_ne!(contact("Ann").change_id("a", None), contact("Ann").change_id("a", Some(StreamVersion(2))));
    }

    #[test]
    fn a_state_of_a_user_that_comes_again_is_another_change() {
        let user = UserChanged {
            user_id: "3".to_owned(),
            name: "Ann".to_owned(),
            email: None,
            role: None,
            status: "active".to_owned(),
        };
        assert_eq!(user.change_id("a", StreamVersion(1)), user.change_id("a", StreamVersion(1)));
        assert_ne!(user.change_id("a", StreamVersion(1)), user.change_id("a", StreamVersion(3)));
    }
}
