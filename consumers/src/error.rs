//! Why the consumers' own machinery failed. What a provider refuses is an outcome, not an error of ours.

/// Why a consumer could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] event_log::Error),
    /// What is stored about an effect does not have the shape of its kind: a bug or damage.
    #[error("the request of effect {effect_key} does not decode")]
    Undecodable {
        /// Which effect.
        effect_key: String,
        /// What the decoder said.
        #[source]
        source: serde_json::Error,
    },
    /// The ledger holds a kind that this program does not know: it was written by a newer one.
    #[error("effect {effect_key} is of kind {kind:?}, which this version does not know")]
    UnknownKind {
        /// Which effect.
        effect_key: String,
        /// The kind.
        kind: String,
    },
    /// The ledger holds a name that is no stream name: damage.
    #[error("effect {effect_key} names no stream")]
    BadStream {
        /// Which effect.
        effect_key: String,
        /// What is wrong with the name.
        #[source]
        source: event_log::InvalidName,
    },
    /// Another process took the effect over because our lease ran out; what we found is not written.
    #[error("the lease of effect {effect_key} was lost")]
    LostLease {
        /// Which effect.
        effect_key: String,
    },
    /// A transfer that is not in the configuration.
    #[error("transfer {0:?} is not in the configuration")]
    NoSuchTransfer(String),
    /// A receiver that is not in the configuration.
    #[error("receiver {0:?} is not in the configuration")]
    NoSuchIngest(String),
    /// An endpoint that is not in the configuration.
    #[error("endpoint {0:?} is not in the configuration")]
    NoSuchEndpoint(String),
    /// A sync was for a mapping that is not there, or whose settings cannot be used: a bug or damage.
    #[error("the mapping of {subject:?} cannot be used: {reason}")]
    BadMapping {
        /// What the sync brought up to date.
        subject: String,
        /// What is wrong.
        reason: String,
    },
    /// An account that is not in the configuration, or not of the needed provider.
    #[error("account {0:?} is not a configured zoho account")]
    NoSuchAccount(String),
    /// An account without settings of Books.
    #[error("account {0:?} has no settings of books in the configuration")]
    NoSuchBooks(String),
    /// What was seen of a customer could not be recorded.
    #[error(transparent)]
    Mappings(#[from] mappings::Error),
    /// There is no such dead letter.
    #[error("there is no open dead letter {0}")]
    NoSuchDeadLetter(i64),
    /// Events could not be had from Kafka.
    #[error(transparent)]
    Carrier(#[from] kafka::Error),
    /// A provider refused a read that a person asked for.
    #[error(transparent)]
    Provider(#[from] Box<providers::error::Error>),
}

impl Error {
    /// Whether trying again later may help without anybody changing the program or the data.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Log(error) => error.is_retryable(),
            Error::Provider(error) => error.is_retryable(),
            Error::Mappings(error) => error.is_retryable(),
            _ => false,
        }
    }
}
