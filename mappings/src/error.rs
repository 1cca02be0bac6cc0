//! Why a mapping, a customer or a conflict cannot be had or changed, split by what the caller can do about it.

use uuid::Uuid;

use crate::channel::{Mapping, State};

/// Why a mapping cannot be had or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The channel belongs to a room already. A person must end that mapping first, or leave it.
    #[error("the channel {channel_id} belongs to a room already{}", holder(mapping.as_deref()))]
    AlreadyMapped {
        /// The channel.
        channel_id: String,
        /// The mapping that holds it; absent where the caller may not see it.
        mapping: Option<Box<Mapping>>,
    },
    /// There is no such mapping, or it is another organisation's.
    #[error("there is no mapping {mapping_id}")]
    NotFound {
        /// What was asked for.
        mapping_id: Uuid,
    },
    /// The mapping has ended; nothing can be done with it any more. Map the channel again.
    #[error("the mapping {mapping_id} is {}, so it cannot be {wanted}; map the channel again", state.as_str())]
    WrongState {
        /// The mapping.
        mapping_id: Uuid,
        /// What it is.
        state: State,
        /// What was to become of it: `paused`, `resumed`, `configured`, `renamed`.
        wanted: &'static str,
    },
    /// There is no such customer, or it is another organisation's, or it is gone.
    #[error("there is no customer {contact_id}")]
    UnknownCustomer {
        /// What was asked for.
        contact_id: String,
    },
    /// There is no such account of the ERP, or it is another organisation's.
    #[error("there is no user {erp_user_id}")]
    UnknownUser {
        /// What was asked for, by its id in the ERP.
        erp_user_id: Uuid,
    },
    /// There is no such role in the ERP. The caller takes one that exists, or somebody adds it to the settings.
    #[error("there is no role {role:?}; {}", existing(account, roles))]
    UnknownRole {
        /// What was asked for.
        role: String,
        /// The account whose settings name the roles.
        account: String,
        /// Those that exist.
        roles: Vec<String>,
    },
    /// There is no such conflict, or it is another organisation's.
    #[error("there is no conflict {conflict_id}")]
    UnknownConflict {
        /// What was asked for.
        conflict_id: Uuid,
    },
    /// A value that cannot be used. The caller must correct it.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Its name in requests, such as `client_id` or `schedule`.
        field: &'static str,
        /// What is wrong and what helps.
        reason: String,
    },
    /// The log or its database.
    #[error(transparent)]
    Log(#[from] event_log::Error),
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Log(error) if error.is_retryable())
    }

    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Error::Invalid { field, reason: reason.into() }
    }
}

impl From<event_log::sqlx::Error> for Error {
    fn from(source: event_log::sqlx::Error) -> Self {
        Error::Log(source.into())
    }
}

fn existing(account: &str, roles: &[String]) -> String {
    if roles.is_empty() {
        return format!("there are none yet: add some to [accounts.{account}.books.roles]");
    }
    format!("the roles are {}: [accounts.{account}.books.roles] and `default_role` name them", roles.join(", "))
}

fn holder(mapping: Option<&Mapping>) -> String {
    mapping.map_or_else(String::new, |held| {
        format!(
            ": the room {} of the client {}; end the mapping {} first",
            held.room_id, held.client_id, held.mapping_id
        )
    })
}
