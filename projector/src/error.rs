//! Why folding failed, split by what the caller can do about it.

/// Why a projection could not be folded, rebuilt or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no projection of this name. Ask for one of those that exist.
    #[error("there is no projection {name:?}; there are {known}", known = known.join(", "))]
    UnknownProjection {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// Another rebuild of this projection runs, or one crashed less than a minute ago. Try again later.
    #[error("projection {name} is being rebuilt by somebody else; if that one has crashed, try again in a minute")]
    RebuildRunning {
        /// The projection.
        name: &'static str,
    },
    /// Somebody has been reading the table for long, so it cannot be replaced. Try again when that has ended.
    #[error("table {table} is being read in a transaction that does not end; end it and try again")]
    InUse {
        /// The table.
        table: String,
    },
    /// Somebody else moved the checkpoint since the rows were read: read them again and fold again.
    #[error("the checkpoint of projection {name} was moved by somebody else")]
    Moved {
        /// The projection.
        name: &'static str,
    },
    /// The log refused or failed; its own error says whether to try again.
    #[error("the log could not be read or written")]
    Log(#[from] event_log::Error),
    /// A stage of the fold panicked: a bug.
    #[error("folding panicked")]
    Panicked,
}

impl Error {
    /// Whether the same call may succeed later without anybody doing anything but freeing resources.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Log(source) => source.is_retryable(),
            Error::Moved { .. } | Error::RebuildRunning { .. } | Error::InUse { .. } => true,
            _ => false,
        }
    }
}

impl From<event_log::sqlx::Error> for Error {
    fn from(source: event_log::sqlx::Error) -> Self {
        Error::Log(source.into())
    }
}
