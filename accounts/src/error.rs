//! Why the accounts cannot be opened or asked.

use providers::error::BoxError;
use providers::zoho::UnknownRegion;
use service::config::{SecretError, UnknownAccount};

use crate::vault::VaultError;

/// Why the accounts cannot be opened or asked. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vault's key is missing its form, or its file is not as it must be. A person must correct it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A client id or secret cannot be read. A person must set it.
    #[error("`accounts.{account}.{key}` cannot be used")]
    Secret {
        /// The account.
        account: String,
        /// The setting.
        key: &'static str,
        /// Where it was looked for in vain.
        source: SecretError,
    },
    /// The region is none that the provider has. A person must correct it.
    #[error("`accounts.{account}.region` cannot be used")]
    Region {
        /// The account.
        account: String,
        /// Which regions there are.
        source: UnknownRegion,
    },
    /// The account is not configured.
    #[error(transparent)]
    Unknown(#[from] UnknownAccount),
    /// The account's provider gives no grants.
    #[error("the account {account} only receives webhooks; it has no grant")]
    NothingToConnect {
        /// The account.
        account: String,
    },
    /// The provider did not confirm that it forgot a grant, so it is kept here. Try again.
    #[error("the provider did not confirm that it forgot the grant of {account}, which is kept")]
    NotRevoked {
        /// The account.
        account: String,
        /// What it answered.
        source: providers::error::Error,
    },
    /// No new access token could be had.
    #[error("no new access token for {account}")]
    NotRefreshed {
        /// The account.
        account: String,
        /// What the provider answered.
        source: providers::error::Error,
    },
    /// Another process replaces the vault's key at this time.
    #[error("another process is rotating the vault key; wait for it, or until it has been gone for 15 seconds")]
    RotationUnderWay,
    /// The HTTP client cannot be set up.
    #[error("the http client cannot be set up")]
    Http(#[source] BoxError),
    /// The database cannot be read or written.
    #[error(transparent)]
    Log(#[from] event_log::Error),
}

impl Error {
    /// Whether the same call may succeed later without anybody changing the settings.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_retryable())
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::Log(source.into())
    }
}
