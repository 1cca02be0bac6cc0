//! What is wrong with a configuration: every problem at once, each with its key and its remedy.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::origin::Origin;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that was asked for is not there.
    #[error("there is no configuration file {}", path.display())]
    FileMissing {
        /// What was asked for.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    FileUnreadable {
        /// The configuration file or the `.env` file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The configuration file is not TOML, or the `.env` file is not a list of `NAME=value`. The offending text is not
    /// part of the message, because it may hold a secret.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the parser expected.
        message: String,
    },
    /// Everything that is wrong with the settings.
    #[error("{}", listed(problems))]
    Invalid {
        /// At least one.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The problems one by one; empty when a file could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems } => problems,
            _ => &[],
        }
    }
}

/// One thing that is wrong, in words that never contain a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Full name of the key or of the environment variable, such as `http.listen`.
    pub key: String,
    /// What is wrong and what helps.
    pub message: String,
    /// Where the value came from, when there is a value.
    pub origin: Option<Origin>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.origin {
            Some(origin) => write!(formatter, " ({origin})"),
            None => Ok(()),
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    match problems {
        [only] => only.to_string(),
        many => {
            let lines: String = many.iter().map(|problem| format!("\n  {problem}")).collect();
            format!("the configuration has {} problems:{lines}", many.len())
        }
    }
}

/// An account that is not configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no account `{name}`{}", super::nearest::hint(name, known.iter().map(String::as_str)))]
pub struct UnknownAccount {
    /// What was asked for.
    pub name: String,
    /// The configured accounts.
    pub known: Vec<String>,
}
