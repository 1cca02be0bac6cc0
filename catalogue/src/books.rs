//! Facts: the users and contacts of an organisation of Books, as its people change them.

use chrono::{DateTime, SecondsFormat, Utc};
use event_log::{EventId, EventType, StreamName, StreamVersion};
use serde::{Deserialize, Serialize};

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
