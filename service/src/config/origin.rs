//! Where a value came from, for messages.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(Arc<Path>),
    /// A variable of the `.env` file.
    Dotenv {
        /// Its name.
        variable: String,
        /// The file.
        path: Arc<Path>,
    },
    /// A variable of the process environment, by its name.
    Environment(String),
    /// Follows from the environment names of the WorkDrive migration.
    Migration,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "in {}", path.display()),
            Self::Dotenv { variable, path } => write!(formatter, "{variable} in {}", path.display()),
            Self::Environment(variable) => write!(formatter, "{variable} in the environment"),
            Self::Migration => formatter.write_str("implied by the environment names of the WorkDrive migration"),
        }
    }
}
