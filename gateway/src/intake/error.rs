//! Why the intake could not go on. What a provider refuses while a role runs is waited out or recorded, and is no error here.

/// Why the intake could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] event_log::Error),
    /// A mapping could not be read or noted.
    #[error(transparent)]
    Mapping(#[from] mappings::Error),
    /// A module or field in the configuration cannot be one of the CRM. A person must correct it.
    #[error("{key}: {source}")]
    BadName {
        /// The setting.
        key: String,
        /// What is wrong with it.
        source: providers::error::Error,
    },
    /// A transfer that is not in the configuration.
    #[error("transfer {0:?} is not in the configuration")]
    NoSuchTransfer(String),
    /// An account that is not in the configuration, or not of the needed provider.
    #[error("account {0:?} is not a configured zoho account")]
    NoSuchAccount(String),
    /// The provider refused or failed a poll that somebody asked for.
    #[error(transparent)]
    Provider(#[from] providers::error::Error),
    /// Another process took the work over because our lease ran out. What was saved is kept; the other goes on.
    #[error("another process has taken over: the lease {lease_name} was lost")]
    LostLease {
        /// Which lease.
        lease_name: String,
    },
    /// A task of the intake panicked: a bug.
    #[error("a task of the intake panicked")]
    Panicked,
}

impl Error {
    /// Whether trying again later may help without anybody changing the program or the data.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Log(error) => error.is_retryable(),
            Error::Mapping(error) => error.is_retryable(),
            Error::Provider(error) => error.is_retryable(),
            Error::LostLease { .. } => true,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Error::Log(source.into())
    }
}
