//! Why a provider, or the way to it, refused or failed; split by what the caller can do about it.
//!
//! No variant ever carries a secret, a request URL or a body: messages are made to be logged and shown.

use std::fmt;

use chrono::{DateTime, Utc};

/// Any cause from below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A limit that is used up, by the provider's word or by our own budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    /// No call inside the scope before this moment; any safety margin is already included.
    pub until: DateTime<Utc>,
    /// What has to wait.
    pub scope: ThrottleScope,
    /// The provider's code or the lane of our budget, for people.
    pub reason: String,
}

/// What a throttle answer covers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThrottleScope {
    /// Calls with this access token: one product of one account.
    Token,
    /// The provider account as a whole, token requests included.
    Account,
    /// The person who gave the grant: all tokens of theirs, in whatever account of ours.
    User,
    /// Everybody who shares the provider's organisation with us.
    Organization,
    /// One folder; the rest of the account may go on.
    Folder(String),
}

impl fmt::Display for ThrottleScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => formatter.write_str("token"),
            Self::Account => formatter.write_str("account"),
            Self::User => formatter.write_str("user"),
            Self::Organization => formatter.write_str("organization"),
            Self::Folder(id) => write!(formatter, "folder {id}"),
        }
    }
}

/// What is known about a write after it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly did not happen; it may be sent again.
    NotDone,
    /// It may have happened; read the provider back before sending it again.
    Unknown,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit is used up. Come back at [`Throttled::until`], not earlier: early calls make the provider's penalty longer.
    #[error("throttled until {} (scope {}): {}", .0.until.to_rfc3339(), .0.scope, .0.reason)]
    Throttled(Throttled),

    /// The grant is gone or was never given. No retry helps; a person must authorise the account again.
    #[error("the account needs a person's consent: {reason}")]
    NeedsConsent {
        /// The provider's code, or what is missing.
        reason: String,
    },

    /// Our client id or secret is refused, or belongs to another region. A person must correct the settings.
    #[error("the client registration is refused: {reason}")]
    BadClient {
        /// The provider's code and what it usually means.
        reason: String,
    },

    /// The grant lacks a right. A person must authorise again with more scopes.
    #[error("{operation} needs a scope the grant does not have: {scope_hint}")]
    MissingScope {
        /// The refused operation.
        operation: &'static str,
        /// Scopes that allow the operation.
        scope_hint: &'static str,
    },

    /// The access token was refused although it should be valid, and has been replaced where that was possible.
    /// Nothing was done; try again.
    #[error("{operation}: the access token was refused")]
    TokenExpired {
        /// The refused operation.
        operation: &'static str,
    },

    /// The account may not do this. Give up until somebody changes its rights.
    #[error("{operation} is denied: {code}: {message}")]
    Denied {
        /// The refused operation.
        operation: &'static str,
        /// The provider's code.
        code: String,
        /// The provider's words.
        message: String,
    },

    /// The thing does not exist, or no longer, or not for this account. Give up or look for it anew.
    #[error("{what} {id} does not exist or is not visible to the account")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its id at the provider.
        id: String,
    },

    /// The wanted name exists already and nothing was stored. Choose another name.
    #[error("the name {name:?} is already taken")]
    NameTaken {
        /// The refused name.
        name: String,
    },

    /// This input is refused and would be refused again. Give up or change the input.
    #[error("refused with {code}: {message}{}", .field.as_deref().map(|field| format!(" (field {field})")).unwrap_or_default())]
    Rejected {
        /// The provider's code, or ours in snake case where we refuse before asking.
        code: String,
        /// The provider's words.
        message: String,
        /// The field, column or module it complains about.
        field: Option<String>,
    },

    /// No room is left at the destination. A person must make room; retrying does not help until then.
    #[error("the provider's storage is full: {detail}")]
    StorageFull {
        /// Whose storage, as far as the provider tells.
        detail: String,
    },

    /// The licence of the organisation does not allow the call. A person must settle it with the provider.
    #[error("the provider's licence does not allow the call: {detail}")]
    Licence {
        /// The provider's words.
        detail: String,
    },

    /// No usable answer: not reachable, cut, timed out, or a 5xx. Try again later; after a write look at `outcome` first.
    #[error("{operation} got no usable answer{}", .status.map(|status| format!(" (status {status})")).unwrap_or_default())]
    Unavailable {
        /// The failed operation.
        operation: &'static str,
        /// The HTTP status, where there was an answer at all.
        status: Option<u16>,
        /// Whether a write may have happened.
        outcome: Outcome,
        /// What went wrong below.
        source: Option<BoxError>,
    },

    /// Less or more content arrived than was announced, or another length was announced than demanded. Try again.
    #[error("{operation} gave {received_bytes} of {expected_bytes} bytes")]
    Incomplete {
        /// The failed operation.
        operation: &'static str,
        /// Expected length in bytes.
        expected_bytes: u64,
        /// Received or announced length in bytes.
        received_bytes: u64,
    },

    /// The content that was to be sent could not be read, or was shorter or longer than announced. The cause is the
    /// error of the body stream; the provider answered nothing.
    #[error("{operation}: the content to send could not be read")]
    Body {
        /// The failed operation.
        operation: &'static str,
        /// What the body stream said.
        source: std::io::Error,
        /// Whether the provider may have stored something.
        outcome: Outcome,
    },

    /// Answered, but not in the documented shape. May be a passing fault or a changed API: try again a few times, then tell a person.
    #[error("{operation}: the answer is not in the documented shape: {detail}")]
    Unreadable {
        /// The failed operation.
        operation: &'static str,
        /// Which part is missing or odd; never the body itself.
        detail: String,
    },

    /// More things share one moment than the provider gives in one answer, and it has no other way to page. Asking again
    /// brings the same; look for them by another call, or go on without them and tell a person.
    #[error("{operation}: {limit} or more share the moment {}, and no more can be had", .at.to_rfc3339())]
    TooDense {
        /// The operation.
        operation: &'static str,
        /// The moment, to a millisecond or two.
        at: DateTime<Utc>,
        /// What one answer holds.
        limit: u32,
    },

    /// Our own token store or budget failed, before anything was sent. Try again when it works.
    #[error("the token store or budget failed")]
    Store(#[source] BoxError),
}

/// The operation that gets an access token, as it is named in errors.
pub(crate) const OBTAIN_TOKEN: &str = "oauth.refresh";

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    /// After a write, [`Self::outcome`] says whether it may be repeated without reading back first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Throttled(_)
            | Self::TokenExpired { .. }
            | Self::Unavailable { .. }
            | Self::Incomplete { .. }
            | Self::Body { .. }
            | Self::Unreadable { .. }
            | Self::Store(_) => true,
            Self::NeedsConsent { .. }
            | Self::BadClient { .. }
            | Self::MissingScope { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::NameTaken { .. }
            | Self::Rejected { .. }
            | Self::StorageFull { .. }
            | Self::Licence { .. }
            | Self::TooDense { .. } => false,
        }
    }

    /// Whether no access token could be had for the moment, so that the call itself was never made. It says nothing
    /// about the call, and holds for every call of the account.
    #[must_use]
    pub fn is_without_token(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { operation, .. } | Self::Unreadable { operation, .. } if *operation == OBTAIN_TOKEN
        )
    }

    /// Whether nothing on this account will work until a person acts (consent, client registration, licence).
    #[must_use]
    pub fn stops_account(&self) -> bool {
        matches!(self, Self::NeedsConsent { .. } | Self::BadClient { .. } | Self::Licence { .. })
    }

    /// A stable name for tables, metrics and answers, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "throttled",
            Self::NeedsConsent { .. } => "needs_consent",
            Self::BadClient { .. } => "bad_client",
            Self::MissingScope { .. } => "missing_scope",
            Self::TokenExpired { .. } => "token_expired",
            Self::Denied { .. } => "denied",
            Self::NotFound { .. } => "not_found",
            Self::NameTaken { .. } => "name_taken",
            Self::Rejected { .. } => "rejected",
            Self::StorageFull { .. } => "storage_full",
            Self::Licence { .. } => "licence",
            Self::Unavailable { .. } => "unavailable",
            Self::Incomplete { .. } => "incomplete",
            Self::Body { .. } => "body",
            Self::Unreadable { .. } => "unreadable",
            Self::TooDense { .. } => "too_dense",
            Self::Store(_) => "store",
        }
    }

    /// After a failed *write*: did it certainly not happen, or is it unknown? Without meaning after a read.
    ///
    /// Unknown as soon as the request may have reached the provider and no refusal came back.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            refusal if refusal.is_without_token() => Outcome::NotDone,
            Self::Unavailable { outcome, .. } | Self::Body { outcome, .. } => *outcome,
            Self::Unreadable { .. } | Self::Incomplete { .. } => Outcome::Unknown,
            Self::Throttled(_)
            | Self::NeedsConsent { .. }
            | Self::BadClient { .. }
            | Self::MissingScope { .. }
            | Self::TokenExpired { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::NameTaken { .. }
            | Self::Rejected { .. }
            | Self::StorageFull { .. }
            | Self::Licence { .. }
            | Self::TooDense { .. }
            | Self::Store(_) => Outcome::NotDone,
        }
    }

    /// Until when the caller has to wait, where the failure is a used-up limit.
    #[must_use]
    pub fn throttled_until(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Throttled(throttled) => Some(throttled.until),
            _ => None,
        }
    }

    /// An input we refuse before asking the provider.
    pub(crate) fn refused_input(code: &str, field: &str, message: impl Into<String>) -> Self {
        Self::Rejected { code: code.to_owned(), message: message.into(), field: Some(field.to_owned()) }
    }

    /// An answer in an undocumented shape.
    pub(crate) fn unreadable(operation: &'static str, detail: impl Into<String>) -> Self {
        Self::Unreadable { operation, detail: detail.into() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_is_unknown_and_a_refusal_is_not_done() {
        let lost =
            Error::Unavailable { operation: "crm.update", status: None, outcome: Outcome::Unknown, source: None };
        assert_eq!(lost.outcome(), Outcome::Unknown);
        assert!(lost.is_retryable());
        let refused = Error::refused_input("too_long", "name", "at most 255 characters");
        assert_eq!(refused.outcome(), Outcome::NotDone);
        assert!(!refused.is_retryable());
        assert_eq!(refused.to_string(), "refused with too_long: at most 255 characters (field name)");
    }

    #[test]
    fn a_throttle_says_until_when_and_for_what() {
        let until = DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc();
        let error =
            Error::Throttled(Throttled { until, scope: ThrottleScope::Folder("f1".into()), reason: "F7008".into() });
        assert_eq!(error.throttled_until(), Some(until));
        assert_eq!(error.to_string(), "throttled until 2026-01-15T10:00:00+00:00 (scope folder f1): F7008");
    }
}
