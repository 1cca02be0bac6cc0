//! Why a person's consent could not be asked for, or brought no grant.

use event_log::sqlx;
use providers::zoho::oauth;
use service::config::UnknownAccount;

use crate::VaultError;

/// Why a person's consent could not be asked for, or brought no grant. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The account is not configured.
    #[error(transparent)]
    Unknown(#[from] UnknownAccount),
    /// The account's provider gives no grants.
    #[error("the account {account} only receives webhooks; there is nothing to connect")]
    NothingToConnect {
        /// The account.
        account: String,
    },
    /// Nothing that is configured or mapped needs the account, and nothing was named.
    #[error("nothing that is configured needs the account {account}; name the products that it is wanted for")]
    NothingNeeded {
        /// The account.
        account: String,
    },
    /// The way back leads elsewhere.
    #[error("{0:?} is no path of this server; give one such as /accounts")]
    ForeignReturn(String),
    /// Nobody was sent away with this state, or came back before, or took longer than ten minutes. Start again.
    #[error("the request is unknown, used up or older than ten minutes; start again")]
    UnknownState,
    /// The person, or the provider in their name, refused.
    #[error("the provider says {code}: access was not granted")]
    Denied {
        /// The provider's word; `access_denied` when the person refused.
        code: String,
    },
    /// The address brings neither a code nor an error.
    #[error("the address holds no code; copy all of it")]
    NoCode,
    /// The person lives in another data centre than the account is configured for. Nothing was exchanged.
    #[error(
        "the account {account} is configured for the region {configured}, and the person belongs to {found}; set \
         accounts.{account}.region to {found} (and the client of that data centre) and connect again, or authorise as \
         somebody of {configured}"
    )]
    RegionMismatch {
        /// The account.
        account: String,
        /// The setting.
        configured: String,
        /// Where the person lives.
        found: String,
    },
    /// The code could not be exchanged.
    #[error(transparent)]
    Exchange(#[from] oauth::Error),
    /// The grant cannot be encrypted.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandom,
    /// The database cannot be read or written. A grant that came is taken back, unless it may have been kept.
    #[error(transparent)]
    Log(#[from] event_log::Error),
}

impl ConnectError {
    /// A stable name for answers, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "not_found",
            Self::NothingToConnect { .. } => "nothing_to_connect",
            Self::NothingNeeded { .. } => "nothing_needed",
            Self::ForeignReturn(_) => "foreign_return",
            Self::UnknownState => "unknown_state",
            Self::Denied { .. } => "access_denied",
            Self::NoCode => "no_code",
            Self::RegionMismatch { .. } => "region_mismatch",
            Self::Exchange(error) => error.code(),
            Self::Vault(_) | Self::NoRandom => "internal",
            Self::Log(_) => "database_unavailable",
        }
    }

    /// What a person can do about it, in one sentence.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "start again and accept, as somebody who may use the products",
            Self::Exchange(oauth::Error::InvalidClient | oauth::Error::InvalidClientSecret) => {
                "compare client_id, client_secret and region with the provider's API console"
            }
            Self::Exchange(oauth::Error::RedirectMismatch) => {
                "register the address of the callback at the provider's API console, exactly as it is"
            }
            Self::Exchange(oauth::Error::Throttled(_)) => "wait ten minutes and start again",
            Self::Exchange(oauth::Error::UntrustedServer { .. } | oauth::Error::LocationMismatch { .. }) => {
                "nothing was sent; somebody may have tampered with the address: start again"
            }
            Self::RegionMismatch { .. } => "correct the region in the settings, or authorise as somebody else",
            Self::Vault(_) | Self::NoRandom | Self::Log(_) => "look at the log of this program",
            _ => "start again",
        }
    }
}

impl From<sqlx::Error> for ConnectError {
    fn from(source: sqlx::Error) -> Self {
        Self::Log(source.into())
    }
}
