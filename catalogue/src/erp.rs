//! Decisions: what the users and customers of Books are in the ERP, and what people decided where both sides disagree.

use event_log::{EventId, EventType, StreamName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account of the ERP is like this from now on.
pub const USER_CHANGED: EventType = EventType::new("erp_user.changed");
/// A person has said which role an account has, or that the table of roles is to say it again.
pub const USER_ROLE_DECIDED: EventType = EventType::new("user_role.decided");
/// A customer's salesperson, or why there is none, is this from now on.
pub const ASSIGNMENT_CHANGED: EventType = EventType::new("customer_assignment.changed");
/// Somebody of the ERP wants a customer to have another salesperson; Books is to follow.
pub const SALESPERSON_ASSIGNED: EventType = EventType::new("salesperson.assigned");
/// Two things contradict each other, and a person has to decide.
pub const CONFLICT_FOUND: EventType = EventType::new("conflict.found");
/// A person has decided.
pub const CONFLICT_DECIDED: EventType = EventType::new("conflict.decided");
/// It went away by itself.
pub const CONFLICT_RESOLVED: EventType = EventType::new("conflict.resolved");

/// The stream of one account of the ERP.
#[must_use]
pub fn user_stream(account: &str, zoho_user_id: &str) -> StreamName {
    StreamName::new("erp_user", format_args!("{account}-{zoho_user_id}"))
}

/// The stream of what is decided about one customer.
#[must_use]
pub fn customer_stream(account: &str, contact_id: &str) -> StreamName {
    StreamName::new("customer", format_args!("{account}-{contact_id}"))
}

/// The stream of one conflict.
#[must_use]
pub fn conflict_stream(conflict_id: Uuid) -> StreamName {
    StreamName::new("conflict", conflict_id)
}

/// The id in the ERP of a user of Books: the same for ever.
#[must_use]
pub fn user_id(account: &str, zoho_user_id: &str) -> Uuid {
    EventId::derived(&["erp_user", account, zoho_user_id]).0
}

/// The id of a conflict about one address or one customer: the same whenever it comes again.
#[must_use]
pub fn conflict_id(account: &str, kind: ConflictKind, subject: &str) -> Uuid {
    EventId::derived(&["conflict", account, kind.as_str(), subject]).0
}

macro_rules! words {
    ($(#[$meta:meta])* $type:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)*
        }

        impl $type {
            /// The word for it in events and tables.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word,)* }
            }

            /// The one of that word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($type::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Where an account of the ERP stands.
    UserState {
        /// In use.
        Active = "active",
        /// Switched off: its user was deactivated, was deleted or left.
        Inactive = "inactive",
        /// Not made: another user has the same address, and a person has to decide.
        Held = "held",
        /// Not made: a person decided that another account is the same person's.
        Merged = "merged",
    }
}

words! {
    /// What is known of a customer's salesperson.
    AssignmentState {
        /// There is one.
        Assigned = "assigned",
        /// The customer has no owner.
        Unassigned = "unassigned",
        /// The owner is nobody we know.
        UnmappedOwner = "unmapped_owner",
        /// The owner has left or is switched off: the customer stays theirs until a person decides.
        InactiveOwner = "inactive_owner",
        /// The owner's account waits for a decision about its address.
        HeldOwner = "held_owner",
        /// The customer is gone.
        Gone = "gone",
    }
}

words! {
    /// What contradicts what.
    ConflictKind {
        /// Several users have one address.
        SameEmail = "same_email",
        /// A customer was given to two people: to one in Books, to another in the ERP.
        Owner = "owner",
    }
}

words! {
    /// Where a conflict stands.
    ConflictState {
        /// It waits for a person.
        Open = "open",
        /// A person has decided.
        Decided = "decided",
        /// It went away by itself.
        Resolved = "resolved",
    }
}

/// Data of [`USER_CHANGED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account.
    pub erp_user_id: Uuid,
    /// Its user in Books.
    pub zoho_user_id: String,
    /// The display name; may be empty.
    pub name: String,
    /// The address as it is written there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// The role there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zoho_role: Option<String>,
    /// The role here; absent where a person has to say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub erp_role: Option<String>,
    /// Where it stands.
    pub state: UserState,
    /// Whether its person is to be invited: no password was ever set.
    pub needs_invitation: bool,
    /// The account that counts instead, where they were merged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merged_into: Option<Uuid>,
}

/// Data of [`USER_ROLE_DECIDED`], in the stream of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRoleDecided {
    /// The account.
    pub erp_user_id: Uuid,
    /// Its user in Books.
    pub zoho_user_id: String,
    /// The role, whatever the table says; null: the one that the table says.
    pub erp_role: Option<String>,
    /// Who decided: the subject of the event's actor.
    pub decided_by: String,
}

/// Data of [`ASSIGNMENT_CHANGED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The customer, by its contact in Books.
    pub contact_id: String,
    /// Its name.
    pub name: String,
    /// Its owner in Books.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_id: Option<String>,
    /// The owner's name as Books shows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_name: Option<String>,
    /// What is known of its salesperson.
    pub state: AssignmentState,
    /// The salesperson's account in the ERP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub salesperson_id: Option<Uuid>,
    /// The salesperson that somebody of the ERP wants; Books has not followed yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wanted_salesperson_id: Option<Uuid>,
    /// What was so before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<AssignmentBefore>,
}

/// What an assignment replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentBefore {
    /// The owner in Books.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_id: Option<String>,
    /// What was known of the salesperson.
    pub state: AssignmentState,
}

/// Data of [`SALESPERSON_ASSIGNED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalespersonAssigned {
    /// The customer, by its contact in Books.
    pub contact_id: String,
    /// The account in the ERP that is to have it.
    pub salesperson_id: Uuid,
    /// The user of Books that is to own it.
    pub owner_id: String,
    /// Who owned it in Books when this was wanted: if that has changed since, both sides have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instead_of_owner_id: Option<String>,
    /// Who was to own it by earlier wishes that Books had not been seen to follow: it may still come to, or have.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overtaken_owner_ids: Vec<String>,
}

/// Data of [`CONFLICT_FOUND`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictFound {
    /// The conflict.
    pub conflict_id: Uuid,
    /// What contradicts what.
    #[serde(flatten)]
    pub about: ConflictAbout,
}

/// What a conflict is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConflictAbout {
    /// Several users have one address, whatever its case.
    SameEmail {
        /// The address, in lower case.
        email: String,
        /// The users of Books, the one whose account goes on meanwhile first.
        user_ids: Vec<String>,
    },
    /// A customer was given to two people.
    Owner {
        /// The customer, by its contact in Books.
        contact_id: String,
        /// The owner in Books; absent: nobody.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        books_owner_id: Option<String>,
        /// The user of Books that the ERP wants.
        erp_owner_id: String,
    },
}

impl ConflictAbout {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ConflictKind {
        match self {
            ConflictAbout::SameEmail { .. } => ConflictKind::SameEmail,
            ConflictAbout::Owner { .. } => ConflictKind::Owner,
        }
    }

    /// The address or the customer that it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            ConflictAbout::SameEmail { email, .. } => email,
            ConflictAbout::Owner { contact_id, .. } => contact_id,
        }
    }
}

/// What a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Of several users with one address: this one's account, also for the others' customers.
    KeepUser {
        /// The user of Books.
        user_id: String,
    },
    /// The owner in Books; what the ERP wanted is over.
    KeepBooksOwner,
    /// What the ERP wants; Books is to follow.
    KeepErpOwner,
}

/// Data of [`CONFLICT_DECIDED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictDecided {
    /// The conflict.
    pub conflict_id: Uuid,
    /// What it is about.
    #[serde(flatten)]
    pub about: ConflictAbout,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// Who decided: the subject of the event's actor.
    pub decided_by: String,
}

/// Data of [`CONFLICT_RESOLVED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictResolved {
    /// The conflict.
    pub conflict_id: Uuid,
    /// What it was about.
    #[serde(flatten)]
    pub about: ConflictAbout,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_is_written_flat() {
        let about = ConflictAbout::SameEmail { email: "a@b.c".to_owned(), user_ids: vec!["1".to_owned()] };
        let decision = Decision::KeepUser { user_id: "1".to_owned() };
        let decided = ConflictDecided { conflict_id: Uuid::nil(), about, decision, decided_by: "ada".to_owned() };
        let written = serde_json::to_value(&decided).unwrap();
        let expected = json!({"conflict_id": Uuid::nil(), "kind": "same_email", "email": "a@b.c", "user_ids": ["1"],
            "decision": "keep_user", "user_id": "1", "decided_by": "ada"});
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<ConflictDecided>(written).unwrap(), decided);
    }
}
